// What every page needs: boxes that scroll can be reached and scrolled with the keyboard.
"use strict";

const scrollable =
  "div.arithmatex, .tg-figure__plot, .tg-stepper__drawing, .md-typeset__scrollwrap, pre > code";

function markScrollable(box) {
  const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight + 1;
  if (scrolls) box.tabIndex = 0;
  else if (box.getAttribute("tabindex") === "0") box.removeAttribute("tabindex");
}

const resized = new ResizeObserver((entries) => entries.forEach((e) => markScrollable(e.target)));

addEventListener("load", () => {
  document.querySelectorAll(scrollable).forEach((box) => resized.observe(box));
  document.querySelectorAll(".admonition.side").forEach((note) => note.setAttribute("role", "note"));
});
