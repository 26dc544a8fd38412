// The server: requests to it, and its errors.

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

/** Document and headers of an answer; raises ServerError. */
export async function ask(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { cache: "no-store", ...options });
  } catch {
    throw new ServerError(0, { error: `the server at ${ROOT.host} does not answer; is it running?` });
  }
  const text = await answer.text();
  let document;
  try {
    document = text ? JSON.parse(text, exact) : {};
  } catch {
    document = { error: text.slice(0, 500) };
  }
  if (!answer.ok) throw new ServerError(answer.status, document);
  return { document, headers: answer.headers };
}

/** The document at a path. */
export async function get(where, query) {
  return (await ask(address(where, query))).document;
}

/** Posts JSON that is text already. */
export function post(where, body) {
  return ask(address(where), { method: "POST", body, headers: { "content-type": "application/json" } });
}
