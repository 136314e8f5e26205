// Renders the formulas of a page with KaTeX. A formula that KaTeX cannot read stays as TeX, in red;
// tests/browser/test_math.py renders every formula of the book with these options in strict mode.
const katexOptions = { throwOnError: false, strict: "ignore", trust: false };

function renderFormula(box) {
  const displayMode = box.tagName === "DIV";
  const tex = box.textContent.trim().slice(2, -2); // \( … \) or \[ … \]
  katex.render(tex, box, { ...katexOptions, displayMode });
}

// Renders TeX between \( and \) in a line of plain text, for the widgets.
export function renderText(text, box) {
  box.textContent = "";
  for (const [i, part] of text.split(/\\\((.+?)\\\)/).entries()) {
    if (i % 2 === 0) box.append(part);
    else katex.render(part, box.appendChild(document.createElement("span")), katexOptions);
  }
}

document.querySelectorAll(".arithmatex").forEach(renderFormula);
