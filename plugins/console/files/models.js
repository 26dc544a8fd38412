// All models, and one of them.

import { get, path } from "./api.js";
import { command, empty, failure, h, heading, KeyedList, mark, table, write } from "./elements.js";
import { live } from "./live.js";
import { Conditions, Pill, standing } from "./status.js";
import { Tiles } from "./tiles.js";
import { count, duration, percent, rate, shape } from "./words.js";

export function modelsView({ signal }) {
  const body = h("tbody");
  const rows = new KeyedList(body, modelRow);
  const list = table("Models", ["model", "status", { number: "version" }, { number: "calls" }, { number: "all calls" }, { number: "failed" }], body);
  const nothing = empty("There are no models yet", ["Give some to the server: ", command("penstock apply models.yaml")]);
  const place = h("div", { class: "stack" });

  function show() {
    if (!live.known) return;
    const models = live.of("Model");
    const wanted = models.length ? list : nothing;
    if (place.firstElementChild !== wanted) place.replaceChildren(wanted);
    rows.show(models, (each) => each.metadata.name);
  }

  live.addEventListener("resources", show, { signal });
  live.addEventListener("figures", show, { signal });
  show();
  return { title: "Models", element: [heading("Models"), place] };
}

function modelRow(resource) {
  const name = resource.metadata.name;
  const pill = new Pill();
  const why = h("span", { class: "why" });
  const cells = Array.from({ length: 4 }, () => h("td", { class: "number" }));
  const element = h(
    "tr",
    {},
    h("th", { scope: "row" }, h("a", { href: `#/models/${encodeURIComponent(name)}` }, name)),
    h("td", {}, pill.element, why),
    cells,
  );
  return {
    element,
    update(now) {
      const how = standing(now);
      pill.show(how);
      write(why, how.tone === "good" ? "" : how.why);
      const figures = live.readings.ofModel(name);
      const texts = [now.status.version, figures ? rate(figures.rate) : "–", figures ? count(figures.called) : "–", figures ? percent(figures.failedEver, figures.called) : "–"];
      texts.forEach((text, index) => write(cells[index], text));
      mark(cells[3], "data-tone", figures?.failedEver ? "bad" : null);
    },
  };
}

export function modelView({ names: [name], signal }) {
  const pill = new Pill();
  const why = h("p", { class: "why" });
  const tiles = new Tiles("Figures of the model", ["Version", "Calls", "Failed"]);
  const conditions = new Conditions();
  const signature = h("div", { class: "stack" });
  const body = h("tbody");
  const uses = new KeyedList(body, useRow);
  const usesTable = table("Steps that call it", ["step", { number: "calls" }, { number: "median" }, { number: "95 %" }, { number: "failed" }], body);
  const spec = h("pre", { tabindex: "0", "aria-label": "What its manifest says" });
  let shown = null;

  function showFigures() {
    const figures = live.readings.ofModel(name);
    if (!figures) return;
    tiles.show("Calls", rate(figures.rate), { note: `${count(figures.called)} since the start` });
    tiles.show("Failed", count(figures.failedEver), { tone: figures.failedEver ? "bad" : null });
    uses.show(figures.steps.filter((step) => step.in.kind === "pipeline" || step.called), (step) => `${step.in.kind} ${step.in.name} ${step.step}`);
  }

  function showResource() {
    const resource = live.get("Model", name);
    if (!resource) {
      if (live.known) write(why, `There is no model '${name}' any more, or there never was.`);
      return;
    }
    const how = standing(resource);
    pill.show(how);
    write(why, how.why);
    tiles.show("Version", resource.status.version);
    conditions.show(resource);
    write(spec, JSON.stringify(resource.spec, null, 2));
    const state = `${resource.status.version} ${how.word}`;
    if (shown !== state) showSignature(name, signature);
    shown = state;
    showFigures();
  }

  live.addEventListener("resources", showResource, { signal });
  live.addEventListener("figures", showFigures, { signal });
  showResource();
  const target = encodeURIComponent(`model:${name}`);
  return {
    title: `Model ${name}`,
    element: [
      heading(name, { over: "Model", beside: pill.element, actions: [h("a", { class: "button primary", href: `#/send?target=${target}` }, "Send a request")] }),
      why,
      tiles.element,
      h("h2", {}, "Signature"),
      signature,
      h("h2", {}, "Steps that call it"),
      usesTable,
      h("h2", {}, "Status"),
      conditions.element,
      h("h2", {}, "Manifest"),
      spec,
    ],
  };
}

function useRow(use) {
  const cells = Array.from({ length: 4 }, () => h("td", { class: "number" }));
  const link =
    use.in.kind === "pipeline"
      ? h("a", { href: `#/pipelines/${encodeURIComponent(use.in.name)}?step=${encodeURIComponent(use.step)}` }, `${use.in.name}, step ${use.step}`)
      : "called on its own";
  return {
    element: h("tr", {}, h("th", { scope: "row" }, link), cells),
    update: (now) =>
      [rate(now.rate), duration(now.p50), duration(now.p95), count(now.failedEver)].forEach((text, index) => write(cells[index], text)),
  };
}

async function showSignature(name, place) {
  try {
    const { inputs, outputs } = await get(path`/v2/models/${name}`);
    if (!inputs.length && !outputs.length) {
      place.replaceChildren(h("p", { class: "soft" }, "Not known: the model has no annotations, and its manifest declares none. Nothing is checked before it is called."));
      return;
    }
    const row = (side) => (tensor) => h("tr", {}, h("td", {}, side), h("th", { scope: "row" }, tensor.name), h("td", {}, `${tensor.datatype || "any datatype"} ${shape(tensor.shape)}`));
    place.replaceChildren(table("Signature", ["side", "tensor", "type"], h("tbody", {}, inputs.map(row("in")), outputs.map(row("out")))));
  } catch (error) {
    place.replaceChildren(failure(error));
  }
}
