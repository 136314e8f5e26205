// "Run in the browser": gives every .tg-run code block a Run button. Nothing is requested before the
// first click; then a worker starts Python (assets/pyodide.json says from where) with NumPy and this
// project's wheel (assets/wheels/index.json names it). The cells of a page share that one Python.
const assets = new URL("../", import.meta.url);
const longestOutput = 20_000;

class Session {
  cells = [];

  // Runs the cells above that have not run yet, then the cell itself.
  async run(cell) {
    if (this.busy) return;
    this.busy = true;
    const abort = (this.abort = new AbortController());
    const waiting = this.cells.slice(0, this.cells.indexOf(cell)).filter((above) => !above.done);
    try {
      for (const next of [...waiting, cell]) {
        this.current = next;
        next.begin();
        if (!this.worker) await this.start();
        await this.ask({ type: "run", source: next.source, filename: next.name });
        next.end(next.failed ? "Stopped at an error" : "Done");
        if (next.failed) break;
      }
    } catch (error) {
      if (abort.signal.aborted) return;
      this.forget();
      this.current.write("error", `${error.message}\n`);
      this.current.end("Python did not start");
    }
    this.busy = false;
  }

  async start() {
    this.current.say("Loading …");
    const { signal } = this.abort;
    const { indexURL } = await readJSON(new URL("pyodide.json", assets), signal);
    const index = new URL("wheels/index.json", assets);
    const { wheel } = await readJSON(index, signal);
    this.worker = new Worker(new URL("js/run-worker.js", assets), { type: "module" });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = () => this.hear({ type: "error", text: "The worker did not load.\n" });
    await this.ask({
      type: "start", indexURL: new URL(indexURL, assets).href, wheel: new URL(wheel, index).href,
    });
    if (this.current.failed) {
      throw new Error("Is there a network? A book built with tg book build --offline needs none.");
    }
  }

  ask(message) {
    this.worker.postMessage(message);
    return new Promise((answer) => (this.answer = answer));
  }

  hear({ type, text }) {
    if (type === "progress") this.current.say(text);
    else if (type === "ready" || type === "done") this.answer();
    else this.current.write(type, text);
  }

  // The only way to interrupt Python in a worker is to end the worker.
  stop() {
    if (!this.busy) return;
    this.abort.abort();
    this.forget();
    this.current.end("Stopped. The next run starts afresh");
    this.busy = false;
  }

  forget() {
    this.worker?.terminate();
    this.worker = undefined;
    this.cells.forEach((cell) => (cell.done = false));
  }
}

async function readJSON(url, signal) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url.pathname} answered ${response.status}.`);
  return response.json();
}

class Cell {
  constructor(block, number, session) {
    this.name = `cell ${number}`;
    this.session = session;
    this.code = block.querySelector("code");
    this.original = this.code.innerHTML;
    this.runButton = this.button("Run", () => session.run(this));
    this.runButton.classList.add("primary");
    this.stopButton = this.button("Stop", () => session.stop());
    this.stopButton.hidden = true;
    this.editButton = this.button("Edit", () => this.edit());
    this.resetButton = this.button("Reset", () => this.reset());
    this.resetButton.hidden = true;
    this.status = element("span", "tg-run__status");
    this.status.setAttribute("role", "status");
    this.output = element("pre", "tg-run__output");
    this.output.setAttribute("aria-label", `Output of ${this.name}`);
    this.output.setAttribute("role", "log");
    this.output.tabIndex = 0;
    const bar = element("div", "tg-run__bar");
    bar.append(this.runButton, this.stopButton, this.editButton, this.resetButton, this.status);
    block.append(bar, this.output);
    block.addEventListener("keydown", (event) => this.key(event));
  }

  get source() {
    return this.code.innerText;
  }

  button(label, action) {
    const made = element("button", "tg-button");
    made.type = "button";
    made.textContent = label;
    made.addEventListener("click", action);
    return made;
  }

  key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.session.run(this);
    }
    if (event.key === "Escape" && event.target === this.code) this.editButton.focus();
  }

  edit() {
    this.code.contentEditable = "plaintext-only";
    for (const [name, value] of Object.entries({
      role: "textbox", "aria-multiline": "true", "aria-label": `Code of ${this.name}`,
      spellcheck: "false",
    })) this.code.setAttribute(name, value);
    this.resetButton.hidden = false;
    this.say("Ctrl+Enter runs, Escape leaves the editor");
    this.code.focus();
  }

  reset() {
    this.code.innerHTML = this.original;
    for (const name of ["contenteditable", "role", "aria-multiline", "aria-label", "spellcheck"]) {
      this.code.removeAttribute(name);
    }
    this.resetButton.hidden = true;
    this.say("");
    this.editButton.focus();
  }

  begin() {
    this.failed = false;
    this.written = 0;
    this.output.textContent = "";
    this.say("Running …");
    this.runButton.hidden = true;
    this.stopButton.hidden = false;
  }

  end(status) {
    this.done = !this.failed && this.session.worker !== undefined;
    this.say(status);
    const hadFocus = document.activeElement === this.stopButton;
    this.runButton.hidden = false;
    this.stopButton.hidden = true;
    if (hadFocus) this.runButton.focus();
  }

  say(text) {
    this.status.textContent = text;
  }

  write(type, text) {
    if (type === "error") this.failed = true;
    if (type === "picture") {
      this.output.append(element("span", "picture"));
      this.output.lastElementChild.innerHTML = text;
      return;
    }
    if (this.written > longestOutput) return;
    this.written += text.length;
    const cut = this.written > longestOutput ? `${text}\n… and more, not shown.` : text;
    const last = this.output.lastElementChild;
    const span = last?.className === type ? last : this.output.appendChild(element("span", type));
    span.append(cut);
  }
}

function element(name, className) {
  return Object.assign(document.createElement(name), { className });
}

const session = new Session();
session.cells = [...document.querySelectorAll(".tg-run")].map(
  (block, i) => new Cell(block, i + 1, session),
);
