// One request as a page: how it ended, and its way.

import { get, path, ServerError } from "./api.js";
import { empty, failure, h, heading, KeyedList, mark, write } from "./elements.js";
import { outcomeOf } from "./request-table.js";
import { Tiles } from "./tiles.js";
import { Way } from "./way.js";
import { duration, moment, plural } from "./words.js";

const EVERY_MS = 1000;

const pipelineLink = (name) => h("a", { href: `#/pipelines/${encodeURIComponent(name)}` }, name);

/** What a passage was begun by: ports of other pipelines, and requests where they are not the same. */
function origin(story) {
  if (!story.begun_by) return [];
  const brought = story.brought.map(({ port, id }) => {
    const of = id === story.id ? [] : [" of request ", h("a", { href: `#/requests/${encodeURIComponent(id)}`, class: "id" }, id)];
    return [h("a", { href: `#/pipelines/${encodeURIComponent(port.split(".")[0])}` }, port), ...of];
  });
  const later = brought.slice(1).flatMap((each) => [", ", ...each]);
  return [", begun by ", ...brought[0], ...(later.length ? ["; then came ", ...later.slice(1)] : [])];
}

/** The way of a request through a pipeline that reads the one that was called. */
function readerView(reader) {
  const pill = h("span", { class: "pill" });
  const about = h("p", { class: "soft" });
  const error = h("div");
  const way = new Way();
  const title = h("h2", {}, "Read by pipeline ", pipelineLink(reader.pipeline), " ", pill);
  return {
    element: h("section", { class: "stack reader", "aria-label": `Read by pipeline ${reader.pipeline}` }, title, about, error, way.element),
    update(story) {
      const { word, tone } = outcomeOf(story);
      write(pill, word);
      mark(pill, "data-tone", tone);
      about.replaceChildren(`Version ${story.version}`, ...origin(story), `, took ${duration(story.took_ms)}`);
      error.replaceChildren(...(story.error ? [failure({ ...story.error, message: story.error.error })] : []));
      way.show(story);
    },
  };
}

export function requestView({ names: [id], signal }) {
  const pill = h("span", { class: "pill" });
  const about = h("p", { class: "soft" });
  const tiles = new Tiles("The request", ["Took", "Deadline", "Came in", "At an end after", "Records"]);
  const error = h("div");
  const way = new Way();
  const readers = new KeyedList(h("div", { class: "stack" }), readerView);
  const body = h("div", { class: "stack" }, h("p", { class: "soft" }, "Reading …"));
  let timer = null;

  function show(story) {
    const { word, tone } = outcomeOf(story);
    write(pill, word);
    mark(pill, "data-tone", tone);
    about.replaceChildren(
      story.begun_by ? "In pipeline " : "To pipeline ",
      pipelineLink(story.pipeline),
      `, version ${story.version}`,
      ...origin(story),
      story.asynchronous && !story.begun_by ? ", asynchronous" : "",
      story.x_request_id ? `, x-request-id ${story.x_request_id}` : "",
      story.missing.length ? `, answered without ${story.missing.join(", ")}` : "",
    );
    tiles.show("Took", duration(story.took_ms));
    tiles.show("Deadline", duration(story.deadline_ms));
    tiles.show("Came in", moment(story.opened), { long: true });
    tiles.show("At an end after", story.under_way ? "still at work" : duration(story.ended_ms));
    tiles.show("Records", plural(story.records.length, "port"));
    error.replaceChildren(...(story.error ? [failure({ ...story.error, message: story.error.error })] : []));
    if (body.firstElementChild !== about) body.replaceChildren(about, tiles.element, error, way.element, readers.parent);
    way.show(story);
    readers.show(story.readers, (reader) => reader.pipeline);
  }

  async function read() {
    if (signal.aborted) return;
    try {
      const story = await get(path`/v1/requests/${id}`);
      if (signal.aborted) return;
      show(story);
      if (story.under_way || story.readers.some((reader) => reader.under_way)) timer = setTimeout(read, EVERY_MS);
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
