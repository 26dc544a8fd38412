// A request's way through its pipeline: which steps ran, were skipped or failed, when, and on what.

import { failure, h, mark } from "./elements.js";
import { Graph, layoutOf, legend, nameOf as nameOfBox } from "./graph.js";
import { waits } from "./joins.js";
import { tensorList } from "./tensors.js";
import { duration, json } from "./words.js";

const OF_RECORD = new Set(["port", "round", "after_ms", "state", "tensors", "omitted_bytes", "reason", "cause", "code", "step"]);
const OF_STORY = new Set([
  "id", "pipeline", "version", "asynchronous", "opened", "took_ms", "under_way", "outcome", "step", "x_request_id",
  "deadline_ms", "ended_ms", "error", "records", "dead_letters", "kept", "visits", "children", "same_x_request_id",
  "external", "begun_by", "brought", "readers", "missing",
]);

const WORDS = {
  ran: { word: "ran", tone: "good" },
  silent: { word: "put nothing out", tone: "warn" },
  skipped: { word: "skipped", tone: "warn" },
  failed: { word: "failed", tone: "bad" },
  running: { word: "at work", tone: "busy" },
  waiting: { word: "waits", tone: "busy" },
  unknown: { word: "not kept", tone: "quiet" },
  given: { word: "came in", tone: "good" },
  answered: { word: "answered", tone: "good" },
};

/** What is known of one run of one step, or of what the pipeline took in and gave back. */
function visitsOf(story) {
  const visits = new Map();
  for (const record of story.records) {
    const dot = record.port.lastIndexOf(".");
    const side = record.port.slice(dot + 1);
    const step = dot < 0 ? null : record.port.slice(0, dot);
    const key = `${step ?? side} ${record.round}`;
    const visit = visits.get(key) ?? { step, end: step ? null : side, round: record.round, inputs: null, outputs: null };
    visit[side] = record;
    visits.set(key, visit);
  }
  for (const told of story.visits ?? []) {
    const key = `${told.step ?? "outputs"} ${told.round}`;
    // Who still waits has no record yet.
    const visit = visits.get(key) ?? { step: told.step, end: told.step ? null : "outputs", round: told.round, inputs: null, outputs: null };
    visits.set(key, { ...visit, told });
  }
  return [...visits.values()].map((visit) => ({ ...visit, state: stateOf(visit, story) }));
}

function stateOf({ end, inputs, outputs }, story) {
  if (!inputs && !outputs) return "waiting";
  if (inputs?.state === "failed" || outputs?.state === "failed") return "failed";
  if (end === "inputs") return "given";
  if (end === "outputs") return outputs.state === "absent" ? "skipped" : "answered";
  if (inputs?.state === "absent") return "skipped";
  if (outputs?.state === "absent") return inputs ? "silent" : "skipped";
  if (outputs) return "ran";
  return story.under_way ? "running" : "unknown";
}

const reasonOf = ({ inputs, outputs }) => outputs?.reason ?? inputs?.reason ?? null;
const nameOf = (visit) => visit.step ?? (visit.end === "inputs" ? "input" : "output");
const beginning = ({ inputs, outputs, told }) => (inputs ?? outputs)?.after_ms ?? told?.join?.opened_after_ms ?? 0;
const ending = ({ inputs, outputs, ...visit }) => (outputs ?? inputs)?.after_ms ?? beginning({ ...visit });

/** The graph and the list of visits of a story; a newer story of the same request may follow. */
export class Way {
  constructor() {
    this.frame = h("div", { class: "graph-place" });
    this.rounds = h("div", { class: "rounds", role: "group", "aria-label": "Round" });
    this.list = h("ol", { class: "visits" });
    this.hint = h("div");
    this.extra = h("div");
    this.element = h(
      "div",
      { class: "stack way" },
      this.hint,
      this.rounds,
      this.frame,
      h("h2", {}, "Port by port"),
      this.list,
      this.extra,
    );
    this.graph = null;
    this.round = null;
  }

  async show(story) {
    this.story = story;
    this.visits = visitsOf(story);
    this.last = Math.max(0, ...this.visits.map((visit) => visit.round));
    this.round = Math.min(this.round ?? 0, this.last);
    this.#showHint();
    this.#showRounds();
    this.list.replaceChildren(...this.visits.map((visit) => this.#visit(visit)));
    this.extra.replaceChildren(...this.#showExtra());
    if (!this.graph) await this.#draw();
    this.#showStates();
  }

  async #draw() {
    try {
      const layout = await layoutOf(this.story.pipeline);
      if (this.graph) return;
      this.graph = new Graph(layout, `Way of request ${this.story.id}`, { onChoose: (step) => this.#choose(step) });
      const older = layout.version !== this.story.version;
      this.frame.replaceChildren(
        older ? h("p", { class: "notice warn" }, `The request ran on version ${this.story.version}; this is version ${layout.version}.`) : "",
        this.graph.element,
        legend(this.graph),
      );
      this.graph.reveal("input");
    } catch (error) {
      this.frame.replaceChildren(failure(error));
    }
  }

  #showHint() {
    const steps = this.visits.some((visit) => visit.step);
    const texts = [];
    if (!this.story.records.length) texts.push("None of its ports was kept.");
    if (!steps) texts.push("Only what came in and went out is known of it: with record: all in the pipeline's manifest, every step is kept.");
    this.hint.replaceChildren(...(texts.length ? [h("p", { class: "notice" }, texts.join(" "))] : []));
  }

  #showRounds() {
    this.rounds.hidden = this.last === 0;
    if (this.rounds.childElementCount !== this.last + 1) {
      const button = (round) => h("button", { class: "button small", type: "button", onclick: () => this.#pick(round) }, `Round ${round}`);
      this.rounds.replaceChildren(...Array.from({ length: this.last + 1 }, (_, round) => button(round)));
    }
    [...this.rounds.children].forEach((button, round) => mark(button, "aria-pressed", round === this.round ? "true" : "false"));
  }

  #pick(round) {
    this.round = round;
    this.#showRounds();
    this.#showStates();
  }

  #of(name) {
    const visits = this.visits.filter((visit) => nameOf(visit) === name);
    // What is outside of a loop has one visit, whichever round is looked at.
    return visits.find((visit) => visit.round === this.round) ?? (visits.length === 1 ? visits[0] : null);
  }

  #showStates() {
    this.graph?.update((box) => this.#told(box), (box) => this.#flow(box));
  }

  #told(box) {
    if (box.pipeline) return { lines: [{ text: "see its own request", tone: "quiet" }], state: "idle", label: "see its own request" };
    const visit = this.#of(nameOfBox(box));
    if (!visit) {
      const text = this.visits.some((each) => each.step) || !box.step ? "not reached" : "not kept";
      return { lines: [{ text, tone: "quiet" }], state: "idle", label: text };
    }
    const { word, tone } = WORDS[visit.state];
    const reason = reasonOf(visit);
    const after = visit.state === "ran" ? duration(ending(visit) - beginning(visit)) : visit.end === "inputs" ? "" : `after ${duration(ending(visit))}`;
    const second = reason ? { text: cut(reason, box.width / 8 - 3), tone: "quiet" } : { text: namesOf(visit.outputs ?? visit.inputs, box.width / 8 - 3), tone: "quiet" };
    return {
      lines: [[{ text: word, tone }, { text: after, tone: "quiet" }], second],
      state: visit.state,
      label: [word, after, reason].filter(Boolean).join(", "),
    };
  }

  #flow(box) {
    const visit = this.#of(nameOfBox(box));
    const out = visit && (visit.outputs ?? (visit.end === "inputs" ? visit.inputs : null));
    return { perSecond: 0, flows: out?.state === "value", moves: false, text: "" };
  }

  #choose(step) {
    this.graph.choose(step);
    const visit = this.#of(step);
    const item = visit && this.list.children[this.visits.indexOf(visit)];
    if (!item) return;
    item.focus();
    item.scrollIntoView({ block: "nearest" });
  }

  #visit(visit) {
    const { word, tone } = WORDS[visit.state];
    const whole = Math.max(this.story.ended_ms ?? 0, this.story.took_ms ?? 0, ...this.visits.map(ending)) || 1;
    const bar = h("span", { class: "bar-of", "data-tone": tone });
    bar.style.left = `${(100 * beginning(visit)) / whole}%`;
    bar.style.width = `max(3px, ${(100 * (ending(visit) - beginning(visit))) / whole}%)`;
    const reason = reasonOf(visit);
    return h(
      "li",
      { class: "visit", tabindex: "-1", "aria-label": `${nameOf(visit)}, ${word}` },
      h(
        "div",
        { class: "visit-head" },
        h("h3", {}, nameOf(visit)),
        this.last > 0 && h("span", { class: "soft" }, `round ${visit.round}`),
        h("span", { class: "pill", "data-tone": tone }, word),
        h("span", { class: "track", "aria-hidden": "true" }, bar),
        h("span", { class: "number soft" }, times(visit)),
      ),
      reason && h("p", { class: "why" }, reason),
      visit.told && waits(visit.told),
      visit.told?.children?.length > 0 && h("p", {}, "Its requests: ", visit.told.children.map((id) => [requestLink(id), " "])),
      visit.inputs && this.#record("in", visit.inputs, reason),
      visit.outputs && this.#record("out", visit.outputs, reason),
    );
  }

  #record(side, record, told) {
    const more = Object.entries(record).filter(([name]) => !OF_RECORD.has(name));
    const words = [];
    if (record.cause && record.cause !== record.state) words.push(record.cause);
    if (record.code) words.push(record.code);
    if (record.step) words.push(`from step ${record.step}`);
    if (record.omitted_bytes) words.push(`${record.omitted_bytes} bytes were not kept`);
    const news = words.length > 0 || more.length > 0 || (record.reason && record.reason !== told);
    if (record.state === "absent" && !news) return null;
    const marker = record.state !== "value" && h("p", { class: "soft" }, [record.state, ...words].join(" · "), record.reason && record.reason !== told && `: ${record.reason}`);
    return h(
      "div",
      { class: "port" },
      h("span", { class: "port-side" }, side),
      h(
        "div",
        { class: "port-body" },
        marker,
        record.state === "value" && words.length > 0 && h("p", { class: "soft" }, words.join(" · ")),
        record.tensors?.length > 0 && tensorList(record.tensors, `${record.port}, tensors`),
        more.length > 0 && facts(more),
      ),
    );
  }

  #showExtra() {
    const letters = this.story.dead_letters.map((letter) => h("li", {}, `${letter.code}${letter.step ? ` in step ${letter.step}` : ""}: ${letter.reason}`));
    const same = this.story.same_x_request_id ?? [];
    const more = Object.entries(this.story).filter(([name]) => !OF_STORY.has(name));
    return [
      letters.length && h("section", {}, h("h2", {}, "What nobody was told of"), h("ul", {}, letters)),
      same.length && h("section", {}, h("h2", {}, "Others with the same x-request-id"), h("ul", {}, same.map((id) => h("li", {}, requestLink(id))))),
      more.length && h("section", {}, h("h2", {}, "More"), facts(more)),
      h("details", {}, h("summary", {}, "As JSON"), h("pre", { tabindex: "0", "aria-label": "The request as JSON" }, JSON.stringify(this.story, (_, value) => (typeof value === "bigint" ? String(value) : value), 2))),
    ].filter(Boolean);
  }
}

function times(visit) {
  const from = duration(beginning(visit));
  const took = ending(visit) - beginning(visit);
  return took > 0 ? `${from} + ${duration(took)}` : from;
}

function cut(text, length) {
  return text.length > length ? `${text.slice(0, Math.max(1, Math.floor(length) - 1))}…` : text;
}

function namesOf(record, length) {
  return cut((record?.tensors ?? []).map((tensor) => tensor.name).join(", "), length);
}

function requestLink(id) {
  return h("a", { href: `#/requests/${encodeURIComponent(id)}`, class: "id" }, id);
}

/** Fields that this page knows nothing of, as they came. */
function facts(entries) {
  const shown = (value) => (typeof value === "string" ? value : json(value));
  return h("dl", { class: "facts" }, entries.flatMap(([name, value]) => [h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, shown(value))]));
}
