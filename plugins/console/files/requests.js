// The list of requests with its filters, and a way to one whose identity is known.

import { h, heading } from "./elements.js";
import { live } from "./live.js";
import { RequestTable } from "./request-table.js";

const OUTCOMES = [
  ["", "any"],
  ["ok", "ok"],
  ["failed", "any error"],
  ["open", "no answer yet"],
  ["no-output", "no output"],
  ["step-failed", "step failed"],
  ["deadline", "deadline"],
  ["cancelled", "cancelled"],
  ["not-ready", "not ready"],
  ["overloaded", "overloaded"],
];

export function requestsView({ query, signal, setQuery, go }) {
  const pipeline = h("select", { name: "pipeline" });
  const outcome = h("select", { name: "outcome" }, OUTCOMES.map(([value, word]) => h("option", { value }, word)));
  const limit = h("select", { name: "limit" }, ["20", "100", "500"].map((each) => h("option", { value: each }, each)));
  outcome.value = query.get("outcome") ?? "";
  limit.value = query.get("limit") ?? "20";
  const chosen = () => ({ pipeline: pipeline.value, outcome: outcome.value, limit: limit.value });

  function showPipelines() {
    const now = pipeline.value || query.get("pipeline") || "";
    const names = new Set(live.of("Pipeline").map((each) => each.metadata.name));
    if (now) names.add(now);
    if (pipeline.options.length === names.size + 1) return;
    pipeline.replaceChildren(h("option", { value: "" }, "all"), ...[...names].sort().map((name) => h("option", { value: name }, name)));
    pipeline.value = now;
  }

  live.addEventListener("resources", showPipelines, { signal });
  showPipelines();
  const list = new RequestTable(chosen(), signal);
  const filter = h(
    "form",
    {
      class: "bar",
      "aria-label": "Filters",
      onchange: () => {
        const filters = chosen();
        setQuery({ ...filters, limit: filters.limit === "20" ? "" : filters.limit });
        list.ask(filters);
      },
      onsubmit: (event) => event.preventDefault(),
    },
    h("label", {}, "Pipeline", pipeline),
    h("label", {}, "Outcome", outcome),
    h("label", {}, "At most", limit),
  );
  const identity = h("input", { name: "identity", placeholder: "01J…", autocomplete: "off", spellcheck: "false", required: true, size: "28" });
  const find = h(
    "form",
    {
      class: "bar",
      role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        go(`#/requests/${encodeURIComponent(identity.value.trim())}`);
      },
    },
    h("label", {}, "Identity (penstock-request)", identity),
    h("button", { class: "button" }, "Open"),
  );
  return { title: "Requests", element: [heading("Requests"), h("div", { class: "bars" }, filter, find), list.element] };
}
