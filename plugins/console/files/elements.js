// Elements of the page, made without ever reading markup from text.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element of HTML: properties are attributes, or listeners when they begin with "on". */
export function h(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

/** An element of SVG. */
export function s(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

/** Writes text where it is another; what does not change is not touched. */
export function write(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Sets or removes an attribute. */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/**
 * Keeps the children of a list in step with items. A child stays the same element while its key is
 * there, so that whoever stands on it with the keyboard keeps standing there.
 */
export class KeyedList {
  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
    this.known = new Map();
  }

  show(items, keyOf) {
    const wanted = new Map(items.map((item) => [keyOf(item), item]));
    for (const [key, { element }] of this.known) {
      if (wanted.has(key)) continue;
      element.remove();
      this.known.delete(key);
    }
    let place = this.parent.firstElementChild;
    for (const [key, item] of wanted) {
      let entry = this.known.get(key);
      if (!entry) {
        entry = this.make(item);
        this.known.set(key, entry);
      }
      entry.update?.(item);
      if (entry.element === place) place = place.nextElementSibling;
      else this.parent.insertBefore(entry.element, place);
    }
  }
}

/** A table with a caption for those who do not see it; scrolls by itself where it is too wide. */
export function table(caption, headings, body) {
  const cells = headings.map((heading) =>
    typeof heading === "string"
      ? h("th", { scope: "col" }, heading)
      : h("th", { scope: "col", class: "number" }, heading.number),
  );
  return h(
    "div",
    { class: "table", role: "region", "aria-label": caption, tabindex: "0" },
    h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, h("tr", {}, cells)), body),
  );
}

/** A message that stands where something would be: what it is, and what to do next. */
export function empty(title, ...hints) {
  return h("div", { class: "empty" }, h("h2", {}, title), hints.map((hint) => h("p", {}, hint)));
}

/** The server's own sentence about what went wrong. */
export function failure(error) {
  const { message, code, step, details = [] } = error;
  return h(
    "div",
    { class: "notice bad", role: "alert" },
    h("p", {}, message),
    details.length > 0 && h("ul", {}, details.map((detail) => h("li", {}, detail))),
    (code || step) && h("p", { class: "soft" }, [code, step && `step ${step}`].filter(Boolean).join(" · ")),
  );
}

/** The top of a view: where we are, what it is called, and what can be done. */
export function heading(title, { over = null, beside = [], actions = [] } = {}) {
  return h(
    "div",
    { class: "heading" },
    over && h("p", { class: "over" }, over),
    h("div", { class: "heading-row" }, h("h1", { tabindex: "-1" }, title), beside, h("div", { class: "actions" }, actions)),
  );
}

/** A command on a piece of text: a line to copy into a terminal. */
export function command(text) {
  return h("code", { class: "command" }, text);
}
