// Figures side by side, each with its name.

import { h, mark, write } from "./elements.js";

export class Tiles {
  /** `names` are shown in this order; values are written by name. */
  constructor(label, names) {
    this.values = new Map(names.map((name) => [name, { value: h("dd", {}, "–"), note: h("dd", { class: "soft" }) }]));
    this.element = h(
      "dl",
      { class: "tiles", "aria-label": label },
      [...this.values].map(([name, { value, note }]) => h("div", { class: "tile" }, h("dt", {}, name), value, note)),
    );
  }

  show(name, value, { note = "", tone = null, long = false } = {}) {
    const tile = this.values.get(name);
    write(tile.value, value);
    write(tile.note, note);
    mark(tile.value, "data-tone", tone);
    mark(tile.value, "data-long", long);
  }
}
