// What a join waited for, what ended the wait, and the attempts that failed.

import { h } from "./elements.js";
import { duration } from "./words.js";

const ENDS = {
  window: "its window",
  deadline: "the deadline",
  cancelled: "the caller, who went away",
  clock: "a time of the join's own",
};

const TONES = { value: "good", absent: "warn", failed: "bad", open: "busy" };

/** Why a visit ran when it did; nothing where there was nothing to wait for. */
export function waits(visit) {
  const joins = [];
  if (visit.join && (visit.join.sources.length > 1 || visit.state === "waiting")) joins.push([visit.step ? "inputs" : "steps", visit.join]);
  if (visit.triggers) joins.push(["triggers", visit.triggers]);
  const attempts = visit.failed_attempts ?? [];
  if (!joins.length && !attempts.length) return null;
  return h(
    "div",
    { class: "waits" },
    joins.map(([what, join]) => joinDetails(what, join)),
    attempts.map(({ attempt, after_ms, code, reason }) => h("p", { "data-tone": "bad" }, `attempt ${attempt} failed after ${duration(after_ms)}, ${code}: ${reason}`)),
  );
}

function joinDetails(what, join) {
  const words = [`${what} joined by ${join.strategy}`];
  if (join.waited_ms !== null) words.push(`waited ${duration(join.waited_ms)}`);
  if (join.ended_by !== null) words.push(`ended by ${ENDS[join.ended_by] ?? join.ended_by}`);
  return h("div", {}, h("p", {}, words.join(", ")), h("ul", { class: "sources" }, join.sources.map(sourceItem)));
}

function sourceItem({ source, state, after_ms, round, reason }) {
  const words = [];
  if (after_ms !== null) words.push(`${state === "open" ? "only after" : "after"} ${duration(after_ms)}`);
  if (round) words.push(`round ${round}`);
  return h(
    "li",
    {},
    h("span", { class: "mono" }, source),
    h("span", { class: "pill", "data-tone": TONES[state] }, state),
    words.length > 0 && h("span", {}, words.join(", ")),
    reason && h("span", {}, reason),
  );
}
