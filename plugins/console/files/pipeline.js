// One pipeline: its graph with what happens on it now, how it stands, and its latest requests.

import { failure, h, heading, mark, write } from "./elements.js";
import { Graph, layoutOf, legend, nameOf } from "./graph.js";
import { live } from "./live.js";
import { RequestTable } from "./request-table.js";
import { Conditions, Pill, standing } from "./status.js";
import { Tiles } from "./tiles.js";
import { count, duration, percent, plural, rate } from "./words.js";

export function pipelineView({ names: [name], query, signal, setQuery }) {
  const pill = new Pill();
  const why = h("p", { class: "why" });
  const tiles = new Tiles("Figures of the pipeline", ["Requests", "Median", "95 %", "Failed", "Under way", "Dead letters"]);
  const conditions = new Conditions();
  const frame = h("div", { class: "graph-place" });
  const panel = h("section", { class: "panel", "aria-live": "polite" });
  const latest = new RequestTable({ pipeline: name, limit: "8" }, signal);
  let graph = null;
  let version = null;
  let chosen = query.get("step");

  async function draw(resource) {
    const wanted = resource.status.version;
    if (version === wanted) return;
    version = wanted;
    try {
      const layout = await layoutOf(name);
      if (version !== wanted) return;
      graph = new Graph(layout, `Graph of pipeline ${name}`, { onChoose: choose });
      frame.replaceChildren(graph.element, legend(graph));
      graph.reveal(chosen ?? "input");
      choose(chosen);
    } catch (error) {
      version = null;
      frame.replaceChildren(failure(error));
    }
  }

  function choose(step) {
    chosen = step;
    setQuery({ step });
    graph?.choose(step);
    showFigures();
  }

  function showFigures() {
    const figures = live.readings.of("pipeline", name);
    if (figures) showTiles(tiles, figures);
    graph?.update((box) => told(box, figures), (box) => flow(box, figures));
    showPanel(panel, name, graph, chosen, figures);
  }

  function showResource() {
    const resource = live.get("Pipeline", name);
    if (!resource) {
      if (live.known) write(why, `There is no pipeline '${name}' any more, or there never was.`);
      return;
    }
    const how = standing(resource);
    pill.show(how);
    write(why, how.why);
    conditions.show(resource);
    draw(resource);
    showFigures();
  }

  live.addEventListener("resources", showResource, { signal });
  live.addEventListener("figures", showFigures, { signal });
  showResource();
  const target = encodeURIComponent(`pipeline:${name}`);
  return {
    title: `Pipeline ${name}`,
    element: [
      heading(name, {
        over: "Pipeline",
        beside: pill.element,
        actions: [h("a", { class: "button primary", href: `#/send?target=${target}` }, "Send a request")],
      }),
      why,
      tiles.element,
      h("div", { class: "graph-block" }, panel, frame),
      h("div", { class: "section-head" }, h("h2", {}, "Latest requests"), h("a", { href: `#/requests?pipeline=${encodeURIComponent(name)}` }, "All of them")),
      latest.element,
      h("h2", {}, "Status"),
      conditions.element,
    ],
  };
}

function showTiles(tiles, figures) {
  tiles.show("Requests", rate(figures.rate), { note: `${count(figures.answered)} since the start` });
  tiles.show("Median", duration(figures.p50));
  tiles.show("95 %", duration(figures.p95));
  tiles.show("Failed", percent(figures.failed, figures.recent), {
    note: `${count(figures.failedEver)} since the start`,
    tone: figures.failed ? "bad" : null,
  });
  tiles.show("Under way", count(figures.in_flight));
  tiles.show("Dead letters", count(figures.dead_letters), { tone: figures.dead_letters ? "bad" : null });
}

const stepOf = (box, figures) => figures?.steps.find((each) => each.step === box.step);

/** What a box says: latencies, and what went wrong or was skipped. */
function told(box, figures) {
  if (box.kind === "pipeline") return toldOfOther(box);
  if (!figures) return { lines: [{ text: "no requests yet", tone: "quiet" }], label: "no requests yet" };
  if (box.kind === "input") {
    const under = `${count(figures.in_flight)} under way`;
    return { lines: [{ text: plural(figures.answered, "request") }, { text: under, tone: "quiet" }], label: `${rate(figures.rate)}, ${under}` };
  }
  if (box.kind === "output") {
    const failed = figures.failed ? { text: `${rate(figures.failedRate)} failed`, tone: "bad" } : { text: "none failed lately", tone: "quiet" };
    return { lines: [latency(figures), failed], state: figures.failed ? "failed" : null, label: `${rate(figures.okRate)} answered, ${latency(figures).text}, ${failed.text}` };
  }
  const step = stepOf(box, figures);
  if (!step) return { lines: [{ text: "not called yet", tone: "quiet" }], label: "not called yet" };
  const wrong = [];
  if (step.failedRate) wrong.push({ text: `${rate(step.failedRate)} failed`, tone: "bad" });
  if (step.skippedRate) wrong.push({ text: `${rate(step.skippedRate)} skipped`, tone: "warn" });
  if (!wrong.length) wrong.push({ text: step.called ? `${count(step.called)} calls in all` : "not called yet", tone: "quiet" });
  const label = `${rate(step.rate)} called, ${latency(step).text}, ${wrong.map((each) => each.text).join(", ")}`;
  return { lines: [latency(step), wrong], state: step.failedRate ? "failed" : null, label };
}

function toldOfOther(box) {
  const figures = live.readings.of("pipeline", box.pipeline);
  if (!figures) return { lines: [{ text: "no requests yet", tone: "quiet" }], label: "no requests yet" };
  const answered = `${rate(figures.okRate)} answered`;
  return { lines: [latency(figures), { text: answered, tone: "quiet" }], label: `${answered}, ${latency(figures).text}` };
}

function latency({ p50, p95 }) {
  if (p50 === null) return { text: "idle", tone: "quiet" };
  return { text: `${duration(p50)}, 95 % ${duration(p95)}` };
}

/** What comes out of a box. */
function flow(box, figures) {
  if (box.kind === "pipeline") figures = live.readings.of("pipeline", box.pipeline);
  if (!figures || box.kind === "output") return null;
  const rates = { input: figures.rate, pipeline: figures.okRate, step: stepOf(box, figures)?.outRate };
  const perSecond = rates[box.kind] ?? 0;
  return { perSecond, flows: perSecond > 0, moves: perSecond > 0, text: perSecond > 0 ? rate(perSecond) : "" };
}

function showPanel(panel, pipeline, graph, chosen, figures) {
  const box = graph?.layout.boxes.find((each) => nameOf(each) === chosen);
  if (!box) {
    if (panel.dataset.shows !== "") panel.replaceChildren(h("p", { class: "soft" }, "Choose a box of the graph to see its counters. With the keyboard: Tab, then the arrow keys, then Enter."));
    panel.dataset.shows = "";
    return;
  }
  const step = stepOf(box, figures);
  const rows = box.kind === "step" ? stepRows(step) : endRows(box, box.pipeline ? live.readings.of("pipeline", box.pipeline) : figures);
  if (panel.dataset.shows !== chosen) {
    panel.dataset.shows = chosen;
    const model = step?.model ?? box.step;
    panel.replaceChildren(
      h("h2", {}, chosen),
      ...(box.pipeline ? [h("a", { href: `#/pipelines/${encodeURIComponent(box.pipeline)}` }, "Its graph")] : []),
      ...(box.kind === "step" ? [h("p", {}, "calls ", h("a", { href: `#/models/${encodeURIComponent(model)}` }, model))] : []),
      h("dl", { class: "facts" }),
    );
  }
  // A screen reader is told of the choice; counters that grow are not read out again and again.
  mark(panel, "aria-live", "off");
  const facts = panel.querySelector("dl");
  facts.replaceChildren(...rows.map(([term, value, tone]) => h("div", {}, h("dt", {}, term), h("dd", { "data-tone": tone ?? null }, value))));
}

function stepRows(step) {
  if (!step) return [["calls", "none yet"]];
  return [
    ["calls", `${rate(step.rate)}, ${count(step.called)} in all`],
    ["median", duration(step.p50)],
    ["95 %", duration(step.p95)],
    ...Object.entries(step.failures).map(([code, times]) => [`failed: ${code}`, count(times), "bad"]),
    ...Object.entries(step.skips).map(([cause, times]) => [`skipped: ${cause}`, count(times), "warn"]),
    ["tried again", count(step.retries)],
    ...(step.dropped ? [["dropped at a turn", count(step.dropped), "warn"]] : []),
  ];
}

function endRows(box, figures) {
  if (!figures) return [["requests", "none yet"]];
  if (box.kind === "input") return [["requests", `${rate(figures.rate)}, ${count(figures.answered)} in all`], ["under way", count(figures.in_flight)]];
  return Object.entries(figures.answers).map(([code, times]) => [code, count(times), code === "ok" ? null : "bad"]);
}
