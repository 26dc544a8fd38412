// The bearer token, where the server wants one: asked for once, and kept until the tab is closed.

import { h } from "./elements.js";

const KEPT = "penstock-token";

let asking = null;
let declined = false;

/** What goes beside a request. */
export function credentials() {
  const token = sessionStorage.getItem(KEPT);
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/**
 * Asks for another token, saying why; whether somebody gave one. Requests that are refused at the
 * same time ask once, and who declines is not asked again.
 */
export function anotherToken(why) {
  if (declined) return Promise.resolve(false);
  asking ??= new Promise((resolve) => show(why, resolve)).finally(() => (asking = null));
  return asking;
}

function show(why, resolve) {
  const field = h("input", { type: "password", name: "token", required: true, autocomplete: "off" });
  const give = h("button", { class: "button primary" }, "Go on");
  const leave = h("button", { class: "button", type: "button" }, "Without it");
  const form = h("form", { method: "dialog", class: "stack" },
    h("h2", { id: "token-title" }, "The server wants a token"),
    h("p", { id: "token-why" }, `${why}.`),
    h("label", {}, "Token", field),
    h("div", { class: "bar" }, give, leave),
  );
  const dialog = h("dialog", { class: "token", "aria-labelledby": "token-title", "aria-describedby": "token-why" }, form);
  leave.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", () => sessionStorage.setItem(KEPT, field.value.trim()));
  form.addEventListener("submit", () => (dialog.returnValue = "given"));
  dialog.addEventListener("close", () => {
    declined = dialog.returnValue !== "given";
    dialog.remove();
    resolve(!declined);
  });
  document.body.append(dialog);
  dialog.showModal();
}
