// A rate over the last minutes, as a line without axes.

import { mark, s } from "./elements.js";

const WIDTH = 96;
const HEIGHT = 24;
const POINTS = 60;

export class Sparkline {
  constructor() {
    this.line = s("path", { class: "spark-line" });
    this.area = s("path", { class: "spark-area" });
    this.element = s(
      "svg",
      { class: "spark", width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
      this.area,
      this.line,
    );
  }

  show(history) {
    const top = Math.max(...history, 1e-9);
    const step = WIDTH / (POINTS - 1);
    const start = WIDTH - (history.length - 1) * step;
    const points = history.map((value, index) => [start + index * step, HEIGHT - 2 - (value / top) * (HEIGHT - 4)]);
    const path = points.map(([x, y], index) => `${index ? "L" : "M"} ${x.toFixed(1)} ${y.toFixed(1)}`).join(" ");
    mark(this.line, "d", points.length > 1 ? path : null);
    mark(this.area, "d", points.length > 1 ? `${path} L ${WIDTH} ${HEIGHT} L ${points[0][0].toFixed(1)} ${HEIGHT} Z` : null);
  }
}
