// One request as a page: how it ended, and its way.

import { get, path, ServerError } from "./api.js";
import { empty, failure, h, heading, mark, write } from "./elements.js";
import { outcomeOf } from "./request-table.js";
import { Tiles } from "./tiles.js";
import { Way } from "./way.js";
import { duration, moment, plural } from "./words.js";

const EVERY_MS = 1000;

export function requestView({ names: [id], signal }) {
  const pill = h("span", { class: "pill" });
  const about = h("p", { class: "soft" });
  const tiles = new Tiles("The request", ["Took", "Deadline", "Came in", "At an end after", "Records"]);
  const error = h("div");
  const way = new Way();
  const body = h("div", { class: "stack" }, h("p", { class: "soft" }, "Reading …"));
  let timer = null;

  function show(story) {
    const { word, tone } = outcomeOf(story);
    write(pill, word);
    mark(pill, "data-tone", tone);
    about.replaceChildren(
      "To pipeline ",
      h("a", { href: `#/pipelines/${encodeURIComponent(story.pipeline)}` }, story.pipeline),
      `, version ${story.version}`,
      story.asynchronous ? ", asynchronous" : "",
      story.x_request_id ? `, x-request-id ${story.x_request_id}` : "",
    );
    tiles.show("Took", duration(story.took_ms));
    tiles.show("Deadline", duration(story.deadline_ms));
    tiles.show("Came in", moment(story.opened), { long: true });
    tiles.show("At an end after", story.under_way ? "still at work" : duration(story.ended_ms));
    tiles.show("Records", plural(story.records.length, "port"));
    error.replaceChildren(...(story.error ? [failure({ ...story.error, message: story.error.error })] : []));
    if (body.firstElementChild !== about) body.replaceChildren(about, tiles.element, error, way.element);
    way.show(story);
  }

  async function read() {
    if (signal.aborted) return;
    try {
      const story = await get(path`/v1/requests/${id}`);
      if (signal.aborted) return;
      show(story);
      if (story.under_way) timer = setTimeout(read, EVERY_MS);
    } catch (problem) {
      const unknown = problem instanceof ServerError && problem.status === 404;
      body.replaceChildren(unknown ? empty("This request is not known", problem.message, h("a", { href: "#/requests" }, "Requests that are remembered")) : failure(problem));
    }
  }

  signal.addEventListener("abort", () => clearTimeout(timer));
  read();
  return {
    title: `Request ${id}`,
    element: [heading(h("span", { class: "id" }, id), { over: "Request", beside: pill }), body],
  };
}
