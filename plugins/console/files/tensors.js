// Tensors as people read them.

import { h } from "./elements.js";
import { json, shape } from "./words.js";

const KNOWN = new Set(["name", "datatype", "shape", "data", "shortened", "parameters"]);
const SHOWN = 120;

/** The values in one line, cut where it gets long. */
export function values(tensor) {
  if (!tensor.data) return "contents were not kept";
  const flat = tensor.data.flat(Infinity);
  const shown = [];
  let length = 0;
  for (const value of flat) {
    const text = typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : json(value);
    length += text.length + 2;
    if (shown.length && length > SHOWN) break;
    shown.push(text);
  }
  const more = tensor.shortened || shown.length < flat.length;
  return `${shown.join(", ")}${more ? ", …" : ""}`;
}

/** A list of tensors: name, type, values; fields that nobody here knows follow as they came. */
export function tensorList(tensors, label) {
  return h(
    "ul",
    { class: "tensors", "aria-label": label },
    tensors.map((tensor) =>
      h(
        "li",
        {},
        h("span", { class: "tensor-name" }, tensor.name),
        h("span", { class: "tensor-type" }, `${tensor.datatype} ${shape(tensor.shape)}`),
        h("span", { class: "tensor-values" }, values(tensor)),
        Object.entries(tensor)
          .filter(([name]) => !KNOWN.has(name))
          .map(([name, value]) => h("span", { class: "soft" }, `${name}: ${json(value)}`)),
      ),
    ),
  );
}
