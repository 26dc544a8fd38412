// Requests that are remembered, the latest first; followed while somebody looks.

import { get } from "./api.js";
import { command, empty, failure, h, KeyedList, mark, table, write } from "./elements.js";
import { duration, moment } from "./words.js";

const EVERY_MS = 3000;

/** What is said of how a request ended. */
export function outcomeOf(request) {
  if (request.outcome === "ok") return { word: "ok", tone: "good" };
  if (request.outcome === null) return { word: "open", tone: "busy" };
  if (request.outcome === "no-output") return { word: "no output", tone: "warn" };
  return { word: request.outcome, tone: "bad" };
}

export class RequestTable {
  /** `query` as `/v1/requests` takes it. Reads until the signal aborts. */
  constructor(query, signal) {
    this.query = query;
    this.signal = signal;
    const body = h("tbody");
    this.rows = new KeyedList(body, requestRow);
    this.list = table("Requests", ["outcome", "request", "pipeline", "came in", "step", { number: "took" }], body);
    this.element = h("div", { class: "stack", "data-busy": "yes" });
    this.timer = null;
    document.addEventListener("visibilitychange", () => this.read(), { signal });
    signal.addEventListener("abort", () => clearTimeout(this.timer));
    this.read();
  }

  /** Other filters. */
  ask(query) {
    this.query = query;
    return this.read();
  }

  async read() {
    clearTimeout(this.timer);
    if (document.hidden || this.signal.aborted) return;
    const query = this.query;
    try {
      const { requests } = await get("/v1/requests", query);
      if (query !== this.query) return;
      this.rows.show(requests, (request) => `${request.id} ${request.pipeline}`);
      this.#place(requests.length ? this.list : this.#nothing());
    } catch (error) {
      if (query !== this.query) return;
      this.#place(failure(error));
    }
    clearTimeout(this.timer);
    if (!this.signal.aborted) this.timer = setTimeout(() => this.read(), EVERY_MS);
  }

  #place(element) {
    mark(this.element, "data-busy", null);
    const now = this.element.firstElementChild;
    if (now === element || now?.isEqualNode(element)) return;
    this.element.replaceChildren(element);
  }

  #nothing() {
    if (this.query.outcome || this.query.since) return empty("No request fits", "Choose other filters, or wait: the list follows by itself.");
    const { pipeline } = this.query;
    return empty(
      "No requests are remembered",
      ["Send one with the form under “Send a request”, or from a terminal: ", command(`penstock infer ${pipeline || "PIPELINE"} --tensor 'x=[1, 2, 3]:FP32'`)],
      ["Pipelines with ", command("record: none"), " are never listed."],
    );
  }
}

function requestRow(request) {
  const outcome = h("span", { class: "pill" });
  const step = h("td");
  const took = h("td", { class: "number" });
  const href = `#/requests/${encodeURIComponent(request.id)}`;
  const element = h(
    "tr",
    {},
    h("td", {}, outcome),
    h("th", { scope: "row" }, h("a", { href, class: "id" }, request.id)),
    h("td", {}, request.pipeline, request.begun_by && h("span", { class: "soft" }, `, begun by ${request.begun_by}`)),
    h("td", {}, moment(request.opened)),
    step,
    took,
  );
  return {
    element,
    update(now) {
      const { word, tone } = outcomeOf(now);
      write(outcome, word);
      mark(outcome, "data-tone", tone);
      write(step, now.step ?? "");
      write(took, duration(now.took_ms));
    },
  };
}
