// The server: requests to it, its events and its errors.

import { anotherToken, credentials } from "./token.js";

const ROOT = new URL(document.querySelector('meta[name="penstock-root"]').content, document.baseURI);

/** What the server answered instead of what was asked for; the message is its own sentence. */
export class ServerError extends Error {
  constructor(status, document) {
    super(document.error ?? `the server answered with status ${status}`);
    this.status = status;
    this.code = document.code;
    this.step = document.step;
    this.details = document.details;
    this.requestId = document.request_id;
  }
}

/** The address of a path of the server, whatever stands before it. */
export function address(path, query = {}) {
  const url = new URL(path.replace(/^\//, ""), ROOT);
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  return url;
}

/** A path with names in it, each made safe. */
export function path(strings, ...names) {
  return strings.map((text, index) => text + (index < names.length ? encodeURIComponent(names[index]) : "")).join("");
}

/** Whole numbers that JavaScript would round stay exact. */
function exact(_, value, context) {
  const rounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return rounded && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value;
}

/** An answer that is none of an error; raises ServerError. */
async function answered(url, options) {
  let answer;
  const headers = { ...options.headers, ...credentials() };
  try {
    answer = await fetch(url, { cache: "no-store", ...options, headers });
  } catch {
    throw new ServerError(0, { error: `the server at ${ROOT.host} does not answer; is it running?` });
  }
  if (answer.ok) return answer;
  const error = new ServerError(answer.status, read(await answer.text()));
  // Another token can also help where this one is for requests alone; pages elsewhere are refused changes.
  const unknown = error.code === "unauthenticated" || (error.code === "forbidden" && !options.method);
  if (unknown && (await anotherToken(error.message))) return answered(url, options);
  throw error;
}

function read(text) {
  try {
    return text ? JSON.parse(text, exact) : {};
  } catch {
    return { error: text.slice(0, 500) };
  }
}

/** Document and headers of an answer; raises ServerError. */
export async function ask(url, options = {}) {
  const answer = await answered(url, options);
  return { document: read(await answer.text()), headers: answer.headers };
}

/** The events of a stream, name and data, once it is `open`; EventSource could bring no token. */
export async function* events(url, signal, open) {
  const answer = await answered(url, { signal });
  open();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      if (fields.event) yield { name: fields.event, data: fields.data };
    }
  }
}

/** The document at a path. */
export async function get(where, query) {
  return (await ask(address(where, query))).document;
}

/** Posts JSON that is text already. */
export function post(where, body) {
  return ask(address(where), { method: "POST", body, headers: { "content-type": "application/json" } });
}
