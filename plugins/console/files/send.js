// A request by hand: a form made from the signature of its target, or free where there is none.

import { get, path, post } from "./api.js";
import { empty, failure, h, heading, mark } from "./elements.js";
import { live } from "./live.js";
import { tensorList } from "./tensors.js";
import { Way } from "./way.js";
import { duration, shape } from "./words.js";

const DATATYPES = [
  "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BF16", "BYTES",
];

let fields = 0;

export function sendView({ query, signal, setQuery }) {
  const target = h("select", { name: "target", required: true });
  const form = h("form", { class: "stack send", "aria-label": "The request", novalidate: true });
  const result = h("section", { class: "stack", "aria-live": "polite", "aria-label": "The answer" });
  const nothing = empty("There is nothing to send to yet", "Pipelines and models show up here as soon as the server has some.");
  const place = h("div", { class: "stack" });
  let request = null;
  let asked = null;

  function showTargets() {
    if (!live.known) return;
    const of = (kind) => live.of(kind).map((each) => [`${kind.toLowerCase()}:${each.metadata.name}`, each.metadata.name]);
    const [pipelines, models] = [of("Pipeline"), of("Model")];
    const names = [...pipelines, ...models].map(([value]) => value);
    if (!names.length) {
      place.replaceChildren(nothing);
      return;
    }
    if (!target.isConnected) place.replaceChildren(h("div", { class: "bar" }, h("label", {}, "Send to", target)), form);
    if (target.dataset.names === names.join()) return;
    target.dataset.names = names.join();
    const now = target.value || query.get("target") || names[0];
    const group = (label, options) => options.length > 0 && h("optgroup", { label }, options.map(([value, name]) => h("option", { value }, name)));
    target.replaceChildren(...[group("Pipelines", pipelines), group("Models", models)].filter(Boolean));
    target.value = names.includes(now) ? now : names[0];
    // Who is typing keeps what was typed while other resources come and go.
    if (target.value !== asked) choose();
  }

  async function choose() {
    setQuery({ target: target.value });
    result.replaceChildren();
    // Nobody shall type into the fields of another target, which are about to go.
    form.replaceChildren();
    const [kind, name] = split(target.value);
    asked = target.value;
    let inputs = [];
    let note = null;
    try {
      inputs = (await get(kind === "pipeline" ? path`/v2/pipelines/${name}` : path`/v2/models/${`${name}.model`}`)).inputs;
    } catch (error) {
      note = failure(error);
    }
    if (asked !== target.value) return;
    request = new RequestForm(inputs, { mayNotWait: kind === "pipeline" });
    form.replaceChildren(...[note, request.element].filter(Boolean));
  }

  async function send(event) {
    event.preventDefault();
    if (!request) return;
    const body = request.body();
    if (body === null) return;
    const [kind, name] = split(target.value);
    const base = kind === "pipeline" ? path`/v2/pipelines/${name}` : path`/v2/models/${`${name}.model`}`;
    mark(form, "aria-busy", "true");
    const began = performance.now();
    let identity = null;
    try {
      const answer = await post(`${base}/${request.waits ? "infer" : "requests"}`, body);
      const took = performance.now() - began;
      showAnswer(result, answer.document, request.waits ? took : null);
      identity = answer.headers.get("penstock-request");
    } catch (error) {
      showError(result, error);
      identity = error.requestId;
    }
    // Of a model that is called on its own no way is kept: it has no steps.
    if (identity && kind === "pipeline") await showWay(result, identity, !request.waits);
    mark(form, "aria-busy", null);
    live.look();
  }

  target.addEventListener("change", choose);
  form.addEventListener("submit", send);
  live.addEventListener("resources", showTargets, { signal });
  showTargets();
  return { title: "Send a request", element: [heading("Send a request"), place, result] };
}

function split(target) {
  const colon = target.indexOf(":");
  return [target.slice(0, colon), target.slice(colon + 1)];
}

/** The form: one group of fields for each tensor, or the whole request as JSON. */
class RequestForm {
  constructor(inputs, { mayNotWait }) {
    this.known = inputs.length > 0;
    this.tensors = h("div", { class: "stack" });
    this.fields = [];
    this.text = h("textarea", { rows: "12", spellcheck: "false", class: "mono" });
    this.trouble = h("p", { class: "notice bad", hidden: true, role: "alert" });
    this.raw = false;
    this.later = h("input", { type: "checkbox" });
    for (const input of inputs) this.#add(input);
    if (!this.known) this.#add({ name: "", datatype: "FP32", shape: [] });
    const more = h("button", { type: "button", class: "button", onclick: () => this.#add({ name: "", datatype: "FP32", shape: [] }).focus() }, "Add a tensor");
    this.byField = h(
      "div",
      { class: "stack" },
      !this.known && h("p", { class: "soft" }, "The signature is not known, so nothing is filled in: name the tensors that it wants."),
      this.tensors,
      !this.known && h("div", {}, more),
    );
    this.byText = h("div", { class: "stack", hidden: true }, h("label", { class: "field" }, "The body of the request, as V2 has it", this.text));
    this.switch = h("button", { type: "button", class: "button", onclick: () => this.#switch() }, "Write it as JSON");
    this.element = h(
      "div",
      { class: "stack" },
      this.byField,
      this.byText,
      this.trouble,
      h(
        "div",
        { class: "bar" },
        h("button", { class: "button primary" }, "Send"),
        this.switch,
        mayNotWait && h("label", { class: "check" }, this.later, "Do not wait for the answer"),
      ),
    );
  }

  get waits() {
    return !this.later.checked;
  }

  /** The body as text, so that numbers stay as they were typed; null when a field is wrong. */
  body() {
    this.trouble.hidden = true;
    try {
      if (this.raw) {
        JSON.parse(this.text.value);
        return this.text.value;
      }
      return `{"inputs": [${this.fields.map((field) => field.json()).filter(Boolean).join(", ")}]}`;
    } catch (error) {
      this.trouble.textContent = error instanceof SyntaxError ? `That is no JSON: ${error.message}` : error.message;
      this.trouble.hidden = false;
      (error.field ?? this.text).focus();
      return null;
    }
  }

  #add(input) {
    const field = new TensorFields(input, !this.known);
    field.onremove = () => {
      this.fields = this.fields.filter((each) => each !== field);
      field.element.remove();
    };
    this.fields.push(field);
    this.tensors.append(field.element);
    return field;
  }

  #switch() {
    if (!this.raw) {
      const body = this.body();
      if (body === null) return;
      this.text.value = JSON.stringify(JSON.parse(body, keepNumbers), null, 1);
    }
    this.raw = !this.raw;
    this.byField.hidden = this.raw;
    this.byText.hidden = !this.raw;
    this.switch.textContent = this.raw ? "Use the form" : "Write it as JSON";
    (this.raw ? this.text : this.fields[0]?.data)?.focus();
  }
}

function keepNumbers(_, value, context) {
  return typeof value === "number" && JSON.rawJSON && context?.source ? JSON.rawJSON(context.source) : value;
}

/** The fields of one tensor. */
class TensorFields {
  constructor(input, free) {
    const id = `tensor-${(fields += 1)}`;
    this.free = free;
    this.input = input;
    const example = free ? "" : JSON.stringify(exampleOf(input));
    this.name = h("input", { id: `${id}-name`, value: input.name, autocomplete: "off", spellcheck: "false" });
    this.datatype = h("select", { id: `${id}-datatype` }, DATATYPES.map((each) => h("option", { value: each }, each)));
    this.datatype.value = input.datatype || "FP32";
    this.shape = h("input", { id: `${id}-shape`, autocomplete: "off", placeholder: "from the values", "aria-describedby": `${id}-hint` });
    this.data = h("textarea", { id: `${id}-data`, rows: String(Math.min(8, Math.ceil(example.length / 90) + 1)), spellcheck: "false", class: "mono", placeholder: "[[1, 2, 3]]" });
    this.data.value = example;
    const field = (control, label, grow = false) => h("label", { class: grow ? "field grow" : "field", for: control.id }, label, control);
    this.element = h(
      "fieldset",
      { class: "card" },
      h("legend", {}, free ? "A tensor" : input.name),
      h(
        "div",
        { class: "fields" },
        free && field(this.name, "Name", true),
        field(this.datatype, "Datatype"),
        field(this.shape, "Shape", true),
        free && h("button", { type: "button", class: "button", onclick: () => this.onremove() }, "Remove"),
      ),
      field(this.data, "Values, as JSON"),
      h("p", { class: "soft", id: `${id}-hint` }, free ? "" : `The signature wants ${input.datatype || "any datatype"} ${shape(input.shape)}. `, "Nested lists give the shape; with a shape, values may be flat."),
    );
  }

  focus() {
    (this.free ? this.name : this.data).focus();
  }

  /** The tensor as JSON; empty for a free one that was not filled in. Raises what is wrong. */
  json() {
    const text = this.data.value.trim();
    const name = this.free ? this.name.value.trim() : this.input.name;
    if (this.free && !name && !text) return "";
    if (!name) throw this.#wrong(this.name, "a tensor needs a name");
    let parsed;
    try {
      parsed = JSON.parse(text);
    } catch (error) {
      throw this.#wrong(this.data, `the values of '${name}' are no JSON: ${error.message}`);
    }
    const data = Array.isArray(parsed) ? text : `[${text}]`;
    const lengths = this.#shape(Array.isArray(parsed) ? parsed : [parsed], name);
    return `{"name": ${JSON.stringify(name)}, "datatype": "${this.datatype.value}", "shape": ${JSON.stringify(lengths)}, "data": ${data}}`;
  }

  #shape(values, name) {
    const text = this.shape.value.replace(/[[\]\s]/g, "");
    if (!text) return shapeOf(values);
    const lengths = text.split(/[,x]/).map(Number);
    if (lengths.some((length) => !Number.isInteger(length) || length < 0)) {
      throw this.#wrong(this.shape, `the shape of '${name}' is '${this.shape.value}'; write it as 1, 4`);
    }
    return lengths;
  }

  #wrong(field, message) {
    return Object.assign(new Error(message), { field });
  }
}

function shapeOf(values) {
  return Array.isArray(values) ? [values.length, ...(values.length ? shapeOf(values[0]) : [])] : [];
}

/** Values that fit the signature, so that there is something to change: nothing is known of more. */
function exampleOf({ datatype, shape: lengths }) {
  const value = datatype === "BYTES" ? "text" : datatype === "BOOL" ? false : 0;
  const wanted = lengths.map((length) => (length < 0 ? 1 : length));
  if (wanted.reduce((product, length) => product * length, 1) > 1024) return [];
  if (!wanted.length) return [value];
  return wanted.reduceRight((inner, length) => Array.from({ length }, () => inner), value);
}

function showAnswer(place, document, took) {
  const words = took === null ? "It was taken in, and is at work." : `Answered after ${duration(took)}, seen from here.`;
  place.replaceChildren(
    h("div", { class: "section-head" }, h("h2", {}, took === null ? "Taken in" : "Answer"), h("span", { class: "pill", "data-tone": took === null ? "busy" : "good" }, took === null ? "open" : "ok")),
    h("p", { class: "soft" }, words),
    document.outputs ? tensorList(document.outputs, "Tensors of the answer") : "",
  );
}

function showError(place, error) {
  place.replaceChildren(h("div", { class: "section-head" }, h("h2", {}, "Answer"), h("span", { class: "pill", "data-tone": "bad" }, error.code ?? "error")), failure(error));
}

/** The way of the request, where it was kept. */
async function showWay(place, id, open) {
  place.append(h("p", {}, h("a", { href: `#/requests/${encodeURIComponent(id)}` }, "Request ", h("span", { class: "id" }, id))));
  if (open) return;
  try {
    const story = await get(path`/v1/requests/${id}`);
    const way = new Way();
    await way.show(story);
    place.append(h("h2", {}, "Its way"), way.element);
  } catch (error) {
    place.append(h("p", { class: "soft" }, error.message));
  }
}
