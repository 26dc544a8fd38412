// What the server is doing: its resources as they change, and its counters every two seconds.
// Nothing is asked while nobody looks at the page.

import { address, ask, events, get } from "./api.js";
import { Readings } from "./figures.js";

const EVERY_MS = 2000;
const AGAIN_MS = 3000;
const FIGURES = new URL("../figures", import.meta.url);

const keyOf = (resource) => `${resource.kind} ${resource.metadata.name}`;

/** Tells listeners of changes: "resources", "figures", "state". */
class Live extends EventTarget {
  state = "connecting";
  error = null;
  readings = new Readings();
  #resources = new Map();
  #watching = null;
  #timer = null;
  #known = false;

  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#pause() : this.#resume()));
    if (document.hidden) this.#tell("paused");
    else this.#resume();
  }

  /** Whether the resources have been read once. */
  get known() {
    return this.#known;
  }

  /** The resources of a kind, in the order of their names. */
  of(kind) {
    return [...this.#resources.values()]
      .filter((each) => each.kind === kind)
      .sort((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
  }

  /** One resource, undefined when it is not there. */
  get(kind, name) {
    return this.#resources.get(`${kind} ${name}`);
  }

  /** Reads the counters now, and not when it is their turn. */
  async look() {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    try {
      const { document: figures } = await ask(FIGURES);
      this.readings.add(figures, performance.now());
      this.dispatchEvent(new Event("figures"));
    } catch {
      // The watch says that the server is gone, and why; counters come back with it.
    }
    clearTimeout(this.#timer);
    if (!document.hidden) this.#timer = setTimeout(() => this.look(), EVERY_MS);
  }

  #pause() {
    clearTimeout(this.#timer);
    this.#watching?.abort();
    this.#watching = null;
    this.#tell("paused");
  }

  #resume() {
    this.readings.clear();
    this.#follow();
    this.look();
  }

  async #follow() {
    if (document.hidden || this.#watching) return;
    try {
      const { resources } = await get("/v1/resources");
      this.#resources = new Map(resources.map((each) => [keyOf(each), each]));
      this.#known = true;
      this.dispatchEvent(new Event("resources"));
      this.#watch(Math.max(0, ...resources.map((each) => each.status.revision)));
    } catch (error) {
      this.#lost(error);
    }
  }

  async #watch(revision) {
    if (document.hidden || this.#watching) return;
    const watching = new AbortController();
    this.#watching = watching;
    const where = address("/v1/watch", { from_revision: String(revision) });
    try {
      for await (const { name, data } of events(where, watching.signal, () => this.#tell("live"))) {
        if (name === "error") break;
        this.#change(name, JSON.parse(data));
      }
    } catch {
      // What comes next says what is wrong, if it is still so.
    }
    watching.abort();
    if (this.#watching !== watching) return;
    this.#watching = null;
    this.#lost(new Error("the connection to the server is lost"));
  }

  #change(name, resource) {
    if (name === "deleted") this.#resources.delete(keyOf(resource));
    else this.#resources.set(keyOf(resource), resource);
    this.dispatchEvent(new Event("resources"));
  }

  #lost(error) {
    this.error = error;
    this.#tell("lost");
    setTimeout(() => this.#follow(), AGAIN_MS);
  }

  #tell(state) {
    if (this.state === state) return;
    this.state = state;
    if (state === "live") this.error = null;
    this.dispatchEvent(new Event("state"));
  }
}

export const live = new Live();
