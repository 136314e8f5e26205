// What every page needs: boxes that scroll can be reached and scrolled with the keyboard, and what
// Material leaves without a name gets one.
const scrollable =
  "div.arithmatex, .tg-figure__plot, .tg-stepper__drawing, .md-typeset__scrollwrap, pre > code";

function markScrollable(box) {
  const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight + 1;
  if (scrolls) box.tabIndex = 0;
  else if (box.getAttribute("tabindex") === "0") box.removeAttribute("tabindex");
}

const resized = new ResizeObserver((entries) => entries.forEach((e) => markScrollable(e.target)));

function name(selector, attribute, value) {
  document.querySelectorAll(selector).forEach((found, i) => found.setAttribute(attribute, value(i)));
}

name(".md-search", "aria-label", () => "Search");
name(".admonition.side", "role", () => "note");

addEventListener("load", () => {
  document.querySelectorAll(scrollable).forEach((box) => resized.observe(box));
  name(".md-annotation__index", "aria-label", (i) => `Note ${i + 1}`);
});
