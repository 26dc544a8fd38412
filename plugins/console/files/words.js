// Numbers, times and states as people read them.

const MINUS = "\u2212";

/** Something per second: 0.05/s, 2.4/s, 120/s, 1.3k/s. */
export function rate(perSecond) {
  return `${amount(perSecond)}/s`;
}

/** A number in at most four characters or so. */
export function amount(value) {
  if (value === 0) return "0";
  if (value < 0) return MINUS + amount(-value);
  if (value < 0.995) return value < 0.005 ? "<0.01" : value.toFixed(2);
  if (value < 9.95) return value.toFixed(1).replace(/\.0$/, "");
  if (value < 999.5) return String(Math.round(value));
  if (value < 999_500) return `${(value / 1e3).toFixed(value < 9_950 ? 1 : 0)}k`;
  return `${(value / 1e6).toFixed(1)}M`;
}

/** How often something happened, since the start. */
export function count(value) {
  return value.toLocaleString("en");
}

/** Milliseconds: 340 µs, 1.2 ms, 2.5 s; a dash where there is nothing. */
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  if (milliseconds === 0) return "0";
  if (milliseconds < 0.9995) return `${Math.round(milliseconds * 1000)} µs`;
  if (milliseconds < 99.5) return `${milliseconds.toFixed(milliseconds < 9.95 ? 1 : 0)} ms`;
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.round(milliseconds / 60_000)} min`;
}

/** A part of a whole: 0.3 %. */
export function percent(part, whole) {
  if (!whole) return "–";
  const share = (100 * part) / whole;
  if (share === 0 || share === 100) return `${share} %`;
  return share < 0.1 ? "<0.1 %" : `${share < 9.95 ? share.toFixed(1).replace(/\.0$/, "") : Math.round(share)} %`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** A moment: the time of today, with the day when it is another. */
export function moment(text) {
  const date = new Date(text);
  const clock = `${CLOCK.format(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  return date.toDateString() === new Date().toDateString() ? clock : `${DAY.format(date)}, ${clock}`;
}

/** "1 request", "3 requests". */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** A value of JSON in one line; whole numbers of any size as the server wrote them. */
export function json(value) {
  return JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? JSON.rawJSON?.(String(inner)) ?? String(inner) : inner));
}

/** A shape as people write it: [4, 30], ? for any length. */
export function shape(lengths) {
  return `[${lengths.map((length) => (length < 0 ? "?" : length)).join(", ")}]`;
}
