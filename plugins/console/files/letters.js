// Dead letters: failures that no caller was told of.

import { get, path, post } from "./api.js";
import { empty, failure, h, heading, KeyedList } from "./elements.js";
import { tensorList } from "./tensors.js";
import { moment } from "./words.js";

const EVERY_MS = 3000;

export function lettersView({ query, signal }) {
  const list = h("ul", { class: "letters", "aria-label": "Dead letters" });
  const said = h("div", { role: "status", class: "stack" });
  const place = h("div", { class: "stack" });
  const letters = new KeyedList(list, (letter) => ({ element: letterCard(letter, send) }));
  const nothing = empty(
    "There are no dead letters",
    "Failures of asynchronous requests, and others that no caller can be told of, come here, and can be sent again.",
  );
  let timer = null;

  async function read() {
    clearTimeout(timer);
    if (document.hidden || signal.aborted) return;
    try {
      const { dead_letters: found } = await get("/v1/deadletters", { pipeline: query.get("pipeline"), limit: "100" });
      letters.show(found, (letter) => letter.number);
      const wanted = found.length ? list : nothing;
      if (place.firstElementChild !== wanted) place.replaceChildren(wanted);
    } catch (error) {
      place.replaceChildren(failure(error));
    }
    if (!signal.aborted) timer = setTimeout(read, EVERY_MS);
  }

  async function send(letter, button) {
    button.disabled = true;
    try {
      const { document: request } = await post(path`/v1/deadletters/${letter.number}/send`, "");
      const link = h("a", { href: `#/requests/${encodeURIComponent(request.id)}` }, request.id);
      said.replaceChildren(h("p", { class: "notice good" }, `Letter ${letter.number} was sent again as request `, link, "."));
      link.focus();
      await read();
    } catch (error) {
      button.disabled = false;
      said.replaceChildren(failure(error));
    }
  }

  document.addEventListener("visibilitychange", read, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  read();
  return { title: "Dead letters", element: [heading("Dead letters"), said, place] };
}

function letterCard(letter, send) {
  const request = h("a", { href: `#/requests/${encodeURIComponent(letter.id)}`, class: "id" }, letter.id);
  const button = h("button", { class: "button", type: "button", disabled: !letter.may_be_sent_again }, "Send again");
  button.addEventListener("click", () => send(letter, button));
  return h(
    "li",
    { class: "card" },
    h(
      "div",
      { class: "section-head" },
      h("h2", {}, `Letter ${letter.number}`),
      h("span", { class: "pill", "data-tone": "bad" }, letter.code),
      h("span", { class: "soft" }, moment(letter.at)),
      h("span", { class: "actions" }, button),
    ),
    h("p", { class: "why" }, letter.reason),
    h("p", { class: "soft" }, "Pipeline ", h("a", { href: `#/pipelines/${encodeURIComponent(letter.pipeline)}` }, letter.pipeline), `, version ${letter.version}`, letter.step ? `, step ${letter.step}` : "", ", request ", request),
    letter.inputs.length > 0 ? tensorList(letter.inputs, "What it had sent") : "",
    !letter.may_be_sent_again && h("p", { class: "soft" }, "The request was too large to be kept, and cannot be sent again from here."),
  );
}
