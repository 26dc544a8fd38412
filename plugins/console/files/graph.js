// A pipeline as a picture: the server says where boxes and lines stand, the page fills them.

import { get, path } from "./api.js";
import { h, mark, s, write } from "./elements.js";

const ROW = 19;
const COLUMN = 8;
const MARGIN = 12;

/** A picture that is too wide shrinks down to this, and then scrolls. */
const SMALLEST = 0.85;

/** The layout of a pipeline, with room for so many lines of figures in each box. */
export function layoutOf(pipeline, rows = 2) {
  return get(path`/v1/pipelines/${pipeline}/graph`, { columns: "27", rows: String(rows) });
}

/** What a box is called: its step, `input`, `output`, or another pipeline. */
export const nameOf = (box) => box.step ?? (box.pipeline ? `pipeline ${box.pipeline}` : box.kind);

/**
 * Draws a layout. One box can be reached with Tab, the others from it with the arrow keys; Enter and
 * Space choose it. What `update` is given for a box: its lines of figures, each
 * `{text, tone}` or a list of such, its state, and what a screen reader says of it.
 */
export class Graph {
  constructor(layout, title, { onChoose = null, rows = 2 } = {}) {
    this.layout = layout;
    this.rows = rows;
    this.onChoose = onChoose;
    const width = layout.width + 2 * MARGIN;
    const height = layout.height + 2 * MARGIN;
    this.lines = layout.lines.map((line) => this.#line(line));
    this.rates = layout.boxes.map((box, index) => this.#rate(box, index));
    this.boxes = layout.boxes.map((box, index) => this.#box(box, index));
    this.picture = s(
      "svg",
      { class: "graph", viewBox: `${-MARGIN} ${-MARGIN} ${width} ${height}`, width, height, role: "group", "aria-label": title },
      s("g", {}, this.lines.map((line) => line.element)),
      s("g", {}, this.boxes.map((box) => box.element)),
      s("g", { "aria-hidden": "true" }, this.rates),
    );
    this.picture.addEventListener("keydown", (event) => this.#key(event));
    this.picture.style.setProperty("--least", `${Math.round(width * SMALLEST)}px`);
    this.element = h("div", { class: "graph-frame" }, this.picture);
    this.#reach(0);
  }

  /** Shows figures: `tell(box)` for each box, `rate(box)` for what comes out of it. */
  update(tell, rate = () => null) {
    for (const box of this.boxes) this.#show(box, tell(box.data));
    const flowing = this.boxes.map((box) => rate(box.data));
    this.rates.forEach((label, index) => write(label, flowing[index]?.text ?? ""));
    for (const { data, element, flow } of this.lines) {
      const told = flowing[data.source];
      mark(element, "data-flow", told?.flows ? "yes" : null);
      // Lines that carry more are wider: by 1 px for every ten times as much.
      const width = 1.5 + Math.min(2.5, Math.max(0, Math.log10((told?.perSecond ?? 0) + 1)));
      element.style.setProperty("--line-width", `${width.toFixed(2)}px`);
      if (flow) mark(flow, "data-flow", told?.flows && told.moves ? "yes" : null);
    }
  }

  /** Marks a box as the one that is chosen; null marks none. */
  choose(step) {
    this.boxes.forEach((box, index) => {
      const chosen = step !== null && nameOf(box.data) === step;
      if (this.onChoose) mark(box.element, "aria-pressed", chosen ? "true" : "false");
      if (chosen) this.#reach(index);
    });
  }

  /** Scrolls a box into the middle of a picture that is wider than its frame. */
  reveal(name) {
    const box = this.layout.boxes.find((each) => nameOf(each) === name);
    const scale = this.picture.clientWidth / (this.layout.width + 2 * MARGIN);
    if (box) this.element.scrollLeft = (box.left + box.width / 2 + MARGIN) * scale + 16 - this.element.clientWidth / 2;
  }

  #line(data) {
    const line = s("path", { class: `line ${data.kind}`, d: data.path });
    const flow = data.kind === "gate" ? null : s("path", { class: "flow", d: data.path });
    const tip = data.tip && s("path", { class: `tip ${data.kind}`, d: `M ${data.tip.x} ${data.tip.y} l -4.5 -9 h 9 z` });
    return { data, flow, element: s("g", { class: "way" }, line, flow, tip) };
  }

  #rate(box, index) {
    const gated = this.layout.lines.some((line) => line.source === index && line.kind === "gate");
    const x = box.left + box.width / 2 + (gated ? -8 : 8);
    return s("text", { class: "rate", x, y: box.top + box.height + 15, "text-anchor": gated ? "end" : "start" });
  }

  #box(data, index) {
    const figures = Array.from({ length: this.rows }, (_, row) =>
      s("text", { class: "figure", x: data.left + 2 * COLUMN, y: data.top + (data.lines.length + row + 1) * ROW - 1 }),
    );
    const element = s(
      "g",
      { class: `box ${data.kind}`, role: this.onChoose ? "button" : "img", tabindex: "-1", "data-step": nameOf(data) },
      s("rect", { x: data.left, y: data.top, width: data.width, height: data.height, rx: 8 }),
      s("rect", { class: "stripe", x: data.left, y: data.top + 8, width: 4, height: data.height - 16 }),
      data.lines.map((line, row) =>
        s("text", { class: line.tone, x: data.left + 2 * COLUMN, y: data.top + (row + 1) * ROW - 2 }, line.text),
      ),
      figures,
    );
    if (this.onChoose) element.addEventListener("click", () => this.#chosen(index));
    element.addEventListener("focus", () => this.#reach(index));
    return { data, element, figures };
  }

  #show({ element, figures, data }, told) {
    mark(element, "data-state", told.state);
    mark(element, "aria-label", `${nameOf(data)}: ${told.label}`);
    figures.forEach((figure, row) => {
      const pieces = [told.lines[row] ?? []].flat();
      const text = pieces.map((piece) => piece.text).join("  ");
      if (figure.textContent === text && figure.childElementCount === pieces.length) return;
      figure.replaceChildren(
        ...pieces.map((piece, place) => s("tspan", { class: piece.tone ?? "" }, place ? `  ${piece.text}` : piece.text)),
      );
    });
  }

  #chosen(index) {
    const name = nameOf(this.boxes[index].data);
    this.onChoose?.(name);
  }

  /** The box that Tab comes to. */
  #reach(index) {
    this.boxes.forEach((box, other) => mark(box.element, "tabindex", other === index ? "0" : "-1"));
  }

  #key(event) {
    const at = this.boxes.findIndex((box) => box.element === document.activeElement);
    if (at < 0) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#chosen(at);
      return;
    }
    const to = this.#neighbour(at, event.key);
    if (to === null) return;
    event.preventDefault();
    this.boxes[to].element.focus();
  }

  /** The nearest box in the direction of a key; null when there is none. */
  #neighbour(at, key) {
    if (key === "Home") return 0;
    if (key === "End") return this.boxes.length - 1;
    const ways = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    if (!(key in ways)) return null;
    const [dx, dy] = ways[key];
    const middle = ({ left, top, width, height }) => [left + width / 2, top + height / 2];
    const [x, y] = middle(this.boxes[at].data);
    let best = null;
    let least = Infinity;
    this.boxes.forEach(({ data }, index) => {
      const [ox, oy] = middle(data);
      const ahead = dx * (ox - x) + dy * (oy - y);
      const aside = Math.abs(dx * (oy - y)) + Math.abs(dy * (ox - x));
      // Left and right stay in their row.
      if (ahead <= 1 || (dx && aside > data.height)) return;
      const far = ahead * 3 + aside;
      if (far < least) [best, least] = [index, far];
    });
    return best;
  }
}

/** What the signs in a graph mean, of those that are in it. */
export function legend(graph) {
  const used = new Set(graph.layout.lines.map((line) => line.kind));
  const sign = (kind) =>
    s("svg", { class: "graph sign", width: 28, height: 10, viewBox: "0 0 28 10", "aria-hidden": "true" }, s("path", { class: `line ${kind}`, d: "M 1 5 H 27" }));
  const entry = (kind, text) => h("li", {}, sign(kind), text);
  const meanings = [
    ["line", "tensors"],
    ["gate", "trigger: the step waits for it, and reads nothing of it"],
    ["back", "back to a turn, into the next round"],
  ];
  if (used.size < 2) return "";
  return h("ul", { class: "legend" }, meanings.filter(([kind]) => used.has(kind)).map(([kind, text]) => entry(kind, text)));
}
