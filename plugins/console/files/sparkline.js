// A rate over the last two minutes, a bar for each reading, the latest at the right.

import { mark, s } from "./elements.js";

const BARS = 60;
const PITCH = 2;
const HEIGHT = 24;

export class Sparkline {
  constructor() {
    this.bars = s("path");
    const size = { width: BARS * PITCH, height: HEIGHT, viewBox: `0 0 ${BARS * PITCH} ${HEIGHT}` };
    this.element = s("svg", { class: "spark", ...size, "aria-hidden": "true" }, this.bars);
  }

  show(history) {
    const top = Math.max(...history, 1e-9);
    const bar = (value, index) => {
      const height = value ? Math.max(1, (value / top) * HEIGHT) : 0;
      const left = (BARS - history.length + index) * PITCH;
      return `M ${left} ${HEIGHT} v ${-height.toFixed(1)} h ${PITCH - 0.5} v ${height.toFixed(1)} z`;
    };
    mark(this.bars, "d", history.map(bar).join(" "));
  }
}
