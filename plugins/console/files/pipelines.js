// All pipelines, one row each, and the process as a whole.

import { command, empty, h, heading, KeyedList, mark, table, write } from "./elements.js";
import { live } from "./live.js";
import { Sparkline } from "./sparkline.js";
import { Pill, standing } from "./status.js";
import { Tiles } from "./tiles.js";
import { count, duration, percent, rate } from "./words.js";

export function pipelinesView({ signal }) {
  const tiles = new Tiles("The process", ["Requests", "Failed", "Refused", "Under way", "Models ready"]);
  const body = h("tbody");
  const rows = new KeyedList(body, pipelineRow);
  const list = table(
    "Pipelines",
    ["pipeline", "status", "lately", { number: "requests" }, { number: "median" }, { number: "95 %" }, { number: "failed" }, { number: "under way" }],
    body,
  );
  const place = h("div", { class: "stack" });
  const nothing = empty(
    "There are no pipelines yet",
    ["Give one to the server: ", command("penstock apply pipeline.yaml")],
    "It shows up here by itself, with what is wrong with it if anything is.",
  );

  function show() {
    const pipelines = live.of("Pipeline");
    if (!live.known) return;
    const wanted = pipelines.length ? list : nothing;
    if (place.firstElementChild !== wanted) place.replaceChildren(wanted);
    rows.show(pipelines, (each) => each.metadata.name);
    showProcess(tiles);
  }

  live.addEventListener("resources", show, { signal });
  live.addEventListener("figures", show, { signal });
  show();
  return { title: "Pipelines", element: [heading("Pipelines"), tiles.element, place] };
}

function showProcess(tiles) {
  const pipelines = live.of("Pipeline").map((each) => live.readings.of("pipeline", each.metadata.name)).filter(Boolean);
  const sum = (field) => pipelines.reduce((all, each) => all + each[field], 0);
  const models = live.of("Model");
  const ready = models.filter((each) => standing(each).word === "ready").length;
  const failed = sum("failedEver");
  tiles.show("Requests", rate(sum("rate")), { note: `${count(sum("answered"))} since the start` });
  tiles.show("Failed", percent(sum("failed"), sum("recent")), {
    note: `${count(failed)} since the start`,
    tone: sum("failed") ? "bad" : null,
  });
  const refused = live.readings.refused();
  if (refused) {
    tiles.show("Refused", rate(refused.rate), { note: `${count(refused.ever)} since the start`, tone: refused.rate ? "bad" : null });
  }
  tiles.show("Under way", count(sum("in_flight")));
  tiles.show("Models ready", `${ready} of ${models.length}`, { tone: ready < models.length ? "bad" : null });
}

function pipelineRow(resource) {
  const name = resource.metadata.name;
  const pill = new Pill();
  const why = h("span", { class: "why" });
  const spark = new Sparkline();
  const cells = Array.from({ length: 5 }, () => h("td", { class: "number" }));
  const element = h(
    "tr",
    {},
    h("th", { scope: "row" }, h("a", { href: `#/pipelines/${encodeURIComponent(name)}` }, name)),
    h("td", {}, pill.element, why),
    h("td", { class: "spark-cell" }, spark.element),
    cells,
  );
  return {
    element,
    update(now) {
      const how = standing(now);
      pill.show(how);
      write(why, how.tone === "good" ? "" : how.why);
      const figures = live.readings.of("pipeline", name);
      spark.show(live.readings.history("pipeline", name));
      const texts = figures
        ? [rate(figures.rate), duration(figures.p50), duration(figures.p95), percent(figures.failed, figures.recent), count(figures.in_flight)]
        : ["–", "–", "–", "–", "–"];
      texts.forEach((text, index) => write(cells[index], text));
      mark(cells[3], "data-tone", figures?.failed ? "bad" : null);
    },
  };
}
