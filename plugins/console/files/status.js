// How a resource stands, in a word and a sentence.

import { h, KeyedList, mark, table, write } from "./elements.js";
import { moment } from "./words.js";

/** The word, the tone and the sentence for a resource's status. */
export function standing(resource) {
  const conditions = resource.status.conditions;
  const ready = conditions.find((each) => each.type === "Ready");
  const progressing = conditions.find((each) => each.type === "Progressing");
  if (progressing?.status === "True") {
    return { word: ready?.status === "True" ? "updating" : "loading", tone: "busy", why: progressing.message };
  }
  if (ready?.status === "True") {
    if (progressing) return { word: "stuck", tone: "warn", why: progressing.message };
    return { word: "ready", tone: "good", why: ready.message };
  }
  return { word: "not ready", tone: "bad", why: ready?.message ?? "nothing is known of it yet" };
}

/** A small sign with the word, which follows the resource. */
export class Pill {
  constructor() {
    this.element = h("span", { class: "pill" });
  }

  show({ word, tone }) {
    write(this.element, word);
    mark(this.element, "data-tone", tone);
  }
}

/** All conditions of a resource, in a table that follows it. */
export class Conditions {
  constructor() {
    const body = h("tbody");
    this.list = new KeyedList(body, () => {
      const cells = Array.from({ length: 5 }, () => h("td"));
      return {
        element: h("tr", {}, cells),
        update: ({ type, status, reason, message, since }) =>
          [type, status, reason, message, moment(since)].forEach((text, index) => write(cells[index], text ?? "")),
      };
    });
    this.element = table("Conditions", ["condition", "status", "reason", "message", "since"], body);
  }

  show(resource) {
    this.list.show(resource.status.conditions, (condition) => condition.type);
  }
}
