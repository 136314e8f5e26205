// Predict questions: the task list becomes buttons, the answer unfolds after a choice, and the
// choice is remembered in this browser.
const letters = "ABCDEFGH";

function ask(question, number) {
  const list = question.querySelector(".task-list");
  if (!list) return;
  const key = `tg:predict:${location.pathname}:${number}`;
  const prompt = Object.assign(document.createElement("p"), { className: "tg-predict__prompt" });
  prompt.setAttribute("role", "status");

  const options = [...list.children].map((item, i) => {
    const right = item.querySelector("input").checked;
    item.querySelector("input").closest("label, input").remove();
    const option = document.createElement("button");
    option.type = "button";
    option.className = "tg-option";
    const letter = document.createElement("span");
    letter.className = "tg-option__letter";
    letter.textContent = letters[i];
    const text = document.createElement("span");
    text.append(...item.childNodes);
    const verdict = document.createElement("span");
    verdict.className = "tg-option__verdict";
    option.append(letter, text, verdict);
    option.addEventListener("click", () => {
      remember(key, i);
      answer(i);
    });
    item.append(option);
    return { option, right, verdict };
  });

  function answer(chosen) {
    for (const [i, { option, right, verdict }] of options.entries()) {
      option.classList.toggle("right", right);
      option.classList.toggle("wrong", i === chosen && !right);
      option.setAttribute("aria-pressed", String(i === chosen));
      verdict.textContent = right ? "✓ right" : "";
      if (i === chosen) verdict.textContent = right ? "✓ your answer" : "✗ your answer";
    }
    question.classList.remove("asking");
    prompt.textContent = options[chosen].right ? "That is right." : "Not this time. Read why:";
  }

  function reset() {
    question.classList.add("asking");
    prompt.textContent = "Choose before you read on; the answer unfolds here.";
  }

  list.after(prompt);
  reset();
  const earlier = recall(key);
  if (options[earlier]) answer(Number(earlier));
}

function remember(key, choice) {
  try {
    localStorage.setItem(key, choice);
  } catch {
    // A browser without storage asks again next time.
  }
}

function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

document.querySelectorAll(".admonition.predict").forEach(ask);
