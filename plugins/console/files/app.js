// The console: which view the address names, and what stands around every view.

import { failure, h, mark, write } from "./elements.js";
import { lettersView } from "./letters.js";
import { live } from "./live.js";
import { modelsView, modelView } from "./models.js";
import { pipelineView } from "./pipeline.js";
import { pipelinesView } from "./pipelines.js";
import { requestView } from "./request.js";
import { requestsView } from "./requests.js";
import { sendView } from "./send.js";

const VIEWS = [
  [/^\/pipelines$/, pipelinesView],
  [/^\/pipelines\/([^/]+)$/, pipelineView],
  [/^\/models$/, modelsView],
  [/^\/models\/([^/]+)$/, modelView],
  [/^\/requests$/, requestsView],
  [/^\/requests\/([^/]+)$/, requestView],
  [/^\/deadletters$/, lettersView],
  [/^\/send$/, sendView],
];

const STATES = {
  connecting: "connecting …",
  live: "live",
  paused: "paused while nobody looks",
  lost: "no connection; trying again",
};

const main = document.getElementById("main");
let leaving = new AbortController();
let shown = null;

/** The path and the query of the address, behind the #. */
function place() {
  const text = location.hash.startsWith("#/") ? location.hash.slice(1) : "/pipelines";
  const [path, query = ""] = text.split("?");
  return { path, query: new URLSearchParams(query) };
}

/** Writes filters into the address, so that it can be passed on; empty ones are left out. */
function setQuery(changes) {
  const { path, query } = place();
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  history.replaceState(null, "", `#${path}${text ? `?${text}` : ""}`);
  shown = location.hash;
}

function show() {
  if (location.hash === "#main") {
    // The link that skips to the content leads to no other view.
    history.replaceState(null, "", shown || "#/pipelines");
    main.focus();
    return;
  }
  const first = shown === null;
  shown = location.hash;
  leaving.abort();
  leaving = new AbortController();
  const { path, query } = place();
  const [names, view] = VIEWS.map(([pattern, view]) => [pattern.exec(path), view]).find(([found]) => found) ?? [null, null];
  const context = {
    names: names?.slice(1).map(decodeURIComponent) ?? [],
    query,
    signal: leaving.signal,
    setQuery,
    go: (hash) => (location.hash = hash),
  };
  const { title, element } = view ? view(context) : lost(path);
  document.title = `${title} · Penstock`;
  main.replaceChildren(...[element].flat());
  showPlace(path);
  window.scrollTo(0, 0);
  // Who went somewhere hears where; who has just come begins at the top of the page.
  if (!first) main.querySelector("h1")?.focus({ preventScroll: true });
}

function lost(path) {
  const element = [h("h1", { tabindex: "-1" }, "Nothing is here"), h("p", {}, `The console has no page ${path}. `, h("a", { href: "#/pipelines" }, "To the pipelines"))];
  return { title: "Nothing is here", element };
}

function showPlace(path) {
  for (const link of document.querySelectorAll("#places a")) {
    const here = path === link.hash.slice(1) || path.startsWith(`${link.hash.slice(1)}/`);
    mark(link, "aria-current", here ? "page" : null);
  }
}

function showState() {
  const sign = document.getElementById("connection");
  write(sign, STATES[live.state]);
  mark(sign, "data-state", live.state);
  mark(sign, "title", live.error?.message);
}

function followTheme() {
  const choice = document.getElementById("theme");
  choice.value = document.documentElement.dataset.theme ?? "auto";
  choice.addEventListener("change", () => {
    if (choice.value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice.value;
    try {
      localStorage.setItem("penstock-theme", choice.value);
    } catch {
      // Then it holds for this page only.
    }
  });
}

window.addEventListener("hashchange", show);
window.addEventListener("unhandledrejection", (event) => main.prepend(failure(event.reason)));
live.addEventListener("state", showState);
followTheme();
showState();
live.start();
show();
