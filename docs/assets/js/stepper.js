// The stepper: walks a small computation graph forward and backward, one operation at a time.
// The JSON that it reads is described in contributing/page-components.
import { renderText } from "./math.js";

const svgNS = "http://www.w3.org/2000/svg";
const smallest = 0.8; // of the drawing's natural size, to stay legible

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(svgNS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function html(name, className, ...children) {
  const element = document.createElement(name);
  element.className = className;
  element.append(...children);
  return element;
}

// A box is as wide as the longest text that any of them will show; `along` and `across` are the gaps
// between boxes in the direction of the flow and beside it.
function measureBoxes({ nodes, steps }) {
  const shown = (source) => Object.values(source ?? {});
  const texts = nodes
    .flatMap((node) => [node.label ?? node.id, node.value, `∂ ${format(node.cotangent)}`])
    .concat(steps.flatMap((step) => [...shown(step.values), ...shown(step.cotangents)]));
  const longest = Math.max(...texts.map((text) => String(format(text)).length));
  return { width: Math.max(112, 7.4 * longest + 24), height: 66, along: 64, across: 26, margin: 14 };
}

// A node's layer is the longest path from a leaf. Edges that skip a layer pass through a bend, which
// has a lane of its own, so that no edge runs behind a box. Nodes stand near their parents.
function layOut(nodes) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  for (const node of nodes) {
    node.layer ??= 1 + Math.max(-1, ...node.parents.map((id) => byId.get(id).layer));
  }
  nodes.filter((node) => !node.parents.length).forEach((leaf) => sink(leaf, nodes));
  const layers = [];
  nodes.forEach((node) => (layers[node.layer] ??= []).push(node));
  for (const node of nodes) {
    node.routes = node.parents.map((id) => route(byId.get(id), node, layers));
  }
  const widest = Math.max(...layers.map((layer) => layer.length));
  layers.forEach((layer, i) => {
    if (i > 0) layer.sort((a, b) => centre(a) - centre(b));
    layer.forEach((place, lane) => (place.lane ??= lane + (widest - layer.length) / 2));
  });
}

// A leaf stands one layer before the first node that uses it, not at the far end.
function sink(leaf, nodes) {
  const users = nodes.filter((node) => node.parents.includes(leaf.id));
  const layer = Math.min(...users.map((user) => user.layer)) - 1;
  if (Number.isFinite(layer)) leaf.layer = Math.max(leaf.layer, layer);
}

function route(from, to, layers) {
  const stops = [from];
  for (let layer = from.layer + 1; layer < to.layer; layer++) {
    const bend = { layer, routes: [[stops.at(-1)]] };
    layers[layer].push(bend);
    stops.push(bend);
  }
  return [...stops, to];
}

// The mean lane of what comes before; what has nothing before it goes last.
function centre(place) {
  const before = place.routes.map((stops) => stops.at(place.id === undefined ? -1 : -2).lane);
  return before.length ? before.reduce((a, b) => a + b) / before.length : Infinity;
}

// Forward runs to the right, or downwards where the screen is too narrow for that.
function place(nodes, available, box) {
  const layers = 1 + Math.max(...nodes.map((node) => node.layer));
  const places = nodes.flatMap((node) => [node, ...node.routes.flatMap((stops) => stops.slice(1, -1))]);
  const lanes = 1 + Math.max(...places.map((spot) => spot.lane));
  const extent = (count, size, gap) => count * size + (count - 1) * gap + 2 * box.margin;
  const right = {
    down: false,
    width: extent(layers, box.width, box.along),
    height: extent(lanes, box.height, box.across),
  };
  const below = {
    down: true,
    width: extent(lanes, box.width, box.across),
    height: extent(layers, box.height, box.along),
  };
  const drawing = right.width > available && below.width < right.width ? below : right;
  for (const spot of places) {
    const [column, row] = drawing.down ? [spot.lane, spot.layer] : [spot.layer, spot.lane];
    const [gapX, gapY] = drawing.down ? [box.across, box.along] : [box.along, box.across];
    spot.x = box.margin + column * (box.width + gapX) + box.width / 2;
    spot.y = box.margin + row * (box.height + gapY) + box.height / 2;
  }
  return drawing;
}

// Through the stops, leaving and entering each box along the flow. Parallel edges (x·x uses x
// twice) are `offset` apart, so that each can be seen and labelled.
function edgePath(stops, offset, down, box) {
  const half = (down ? box.height : box.width) / 2;
  const points = stops.flatMap(({ x, y }, i) => {
    const [cx, cy] = down ? [x + offset, y] : [x, y + offset];
    const ends = [i > 0 ? -half : null, i < stops.length - 1 ? half : null];
    return ends.filter((end) => end !== null).map((end) => (down ? [cx, cy + end] : [cx + end, cy]));
  });
  let d = `M${points[0]}`;
  for (const [i, [x, y]] of points.entries()) {
    if (i === 0) continue;
    const [px, py] = points[i - 1];
    const [mx, my] = [(px + x) / 2, (py + y) / 2];
    d += down ? `C${px} ${my} ${x} ${my} ${x} ${y}` : `C${mx} ${py} ${mx} ${y} ${x} ${y}`;
  }
  const [[x1, y1], [x2, y2]] = points.slice(-2);
  return { d, x: (x1 + x2) / 2, y: (y1 + y2) / 2 };
}

function format(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(4))) : value;
}

// Without recorded steps every node is visited forward, then backward.
function defaultSteps(nodes) {
  const name = (node) => node.label ?? node.id;
  return [
    ...nodes.map((node) => ({
      phase: "forward",
      node: node.id,
      text: `${name(node)} has the value ${format(node.value)}.`,
    })),
    ...nodes.toReversed().map((node) => ({
      phase: "backward",
      node: node.id,
      text: `The cotangent of ${name(node)} is ${format(node.cotangent)}.`,
    })),
  ];
}

// What is visible after the first `count` steps.
function stateAfter(graph, count) {
  const state = { values: {}, cotangents: {} };
  for (const step of graph.steps.slice(0, count)) {
    const node = graph.nodes.find(({ id }) => id === step.node);
    const own = (key) => (node[key] === undefined ? {} : { [node.id]: node[key] });
    const forward = step.phase === "forward";
    Object.assign(state.values, step.values ?? (forward ? own("value") : {}));
    const silent = forward || step.contributions;
    Object.assign(state.cotangents, step.cotangents ?? (silent ? {} : own("cotangent")));
  }
  return state;
}

function drawNode(node, box) {
  const [left, top] = [-box.width / 2, -box.height / 2];
  const label = node.tex
    ? svg("foreignObject", { x: left, y: top + 2, width: box.width, height: 24 })
    : svg("text", { class: "label", y: top + 19 }, node.label ?? node.id);
  if (label.tagName === "foreignObject") {
    katex.render(node.tex, label.appendChild(html("div", "math")), { throwOnError: false });
  }
  node.valueText = svg("text", { class: "value", y: top + 38 });
  node.cotangentText = svg("text", { class: "cotangent", y: top + 56 });
  node.group = svg(
    "g",
    { class: "tg-stepper__node", transform: `translate(${node.x} ${node.y})` },
    svg("rect", { x: left, y: top, width: box.width, height: box.height, rx: 8 }),
    label, node.valueText, node.cotangentText,
  );
  return node.group;
}

function drawEdges(nodes, down, box) {
  const lines = svg("g");
  const labels = svg("g");
  for (const node of nodes) {
    node.edges = node.routes.map((stops, i) => {
      const offset = (i - (node.parents.length - 1) / 2) * (down ? 40 : 26);
      const { d, x, y } = edgePath(stops, offset, down, box);
      const line = lines.appendChild(svg("path", { class: "tg-stepper__edge", d }));
      const label = labels.appendChild(svg("text", { class: "contribution", x, y: y + 4 }));
      return { line, label };
    });
  }
  return [lines, labels];
}

class Stepper {
  constructor(element) {
    this.graph = JSON.parse(element.querySelector("script").textContent);
    this.graph.steps ??= defaultSteps(this.graph.nodes);
    this.at = 0;
    this.box = measureBoxes(this.graph);
    layOut(this.graph.nodes);

    this.drawing = html("div", "tg-stepper__drawing");
    this.text = html("p", "tg-stepper__text");
    this.text.setAttribute("aria-live", "polite");
    this.count = html("span", "tg-stepper__count");
    const button = (label, move) => {
      const made = html("button", "tg-button", label);
      made.type = "button";
      made.addEventListener("click", move);
      return made;
    };
    this.first = button("Start over", () => this.go(0));
    this.back = button("Back", () => this.go(this.at - 1));
    this.next = button("Next step", () => this.go(this.at + 1));
    this.next.classList.add("primary");
    const bar = html("div", "tg-stepper__bar", this.next, this.back, this.first, this.count);

    element.prepend(this.drawing, bar, this.text);
    element.classList.add("walking"); // the static figure is for print now
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", `Stepper: ${this.graph.title}`);
    element.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(element);
  }

  draw() {
    const available = this.drawing.clientWidth - 32;
    if (available === this.drawnFor) return;
    this.drawnFor = available;
    const { nodes, title } = this.graph;
    const { down, width, height } = place(nodes, available, this.box);
    const [lines, labels] = drawEdges(nodes, down, this.box);
    // A drawing that is too wide shrinks a little, and then scrolls.
    this.scale = Math.max(smallest, Math.min(1, available / width));
    const size = { width: width * this.scale, viewBox: `0 0 ${width} ${height}` };
    const boxes = nodes.map((node) => drawNode(node, this.box));
    this.drawing.replaceChildren(
      svg("svg", { ...size, role: "img", "aria-label": title }, lines, ...boxes, labels),
    );
    this.show();
  }

  key(event) {
    const moves = {
      ArrowRight: this.at + 1, ArrowLeft: this.at - 1, Home: 0, End: this.graph.steps.length,
    };
    if (!(event.key in moves) || event.target === this.drawing) return;
    event.preventDefault();
    this.go(moves[event.key]);
  }

  go(at) {
    this.at = Math.max(0, Math.min(at, this.graph.steps.length));
    this.show();
  }

  show() {
    const { nodes, steps } = this.graph;
    const step = steps[this.at - 1];
    const { values, cotangents } = stateAfter(this.graph, this.at);
    for (const node of nodes) {
      const current = step?.node === node.id;
      node.group.setAttribute("class", `tg-stepper__node ${current ? step.phase : ""}`);
      node.valueText.textContent = format(values[node.id] ?? "");
      node.cotangentText.textContent = node.id in cotangents ? `∂ ${format(cotangents[node.id])}` : "";
      node.edges.forEach(({ line, label }, i) => {
        const flows = current && (step.phase === "forward" || step.contributions);
        line.setAttribute("class", `tg-stepper__edge ${flows ? step.phase : ""}`);
        label.textContent = (current && format(step.contributions?.[i])) || "";
      });
    }
    const current = nodes.find(({ id }) => id === step?.node);
    if (current) this.drawing.scrollLeft = current.x * this.scale - this.drawing.clientWidth / 2;
    this.tell(step);
  }

  tell(step) {
    const total = this.graph.steps.length;
    const text = step?.text ?? "Press Next step, or the right arrow key, to start the forward pass.";
    renderText(text, this.text);
    this.count.textContent = step ? `${step.phase}, step ${this.at} of ${total}` : `${total} steps`;
    // A disabled button would lose the keyboard's focus to the page.
    this.next.setAttribute("aria-disabled", String(this.at === total));
    this.back.setAttribute("aria-disabled", String(this.at === 0));
    this.first.setAttribute("aria-disabled", String(this.at === 0));
  }
}

document.querySelectorAll(".tg-stepper").forEach((element) => new Stepper(element));
