// What happened lately, from two readings of the same counters.

const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

/** How counters by name have grown; those that are lower than before began anew. */
function grown(now, before = {}) {
  return Object.fromEntries(
    Object.entries(now).map(([name, count]) => [name, count >= (before[name] ?? 0) ? count - (before[name] ?? 0) : count]),
  );
}

function grownCounts(now, before = []) {
  return now.map((count, index) => (count >= (before[index] ?? 0) ? count - (before[index] ?? 0) : count));
}

/**
 * The duration in milliseconds that a part of all took at most; null where there were none. Bucket i
 * holds what took less than 2**i microseconds and at least half of that; within it, an even spread.
 */
export function quantile(buckets, part) {
  const wanted = part * total(buckets);
  if (wanted === 0) return null;
  let below = 0;
  for (const [index, held] of buckets.entries()) {
    if (held && below + held >= wanted) {
      const low = index === 0 ? 0 : 2 ** (index - 1);
      return (low + (2 ** index - low) * ((wanted - below) / held)) / 1000;
    }
    below += held;
  }
  return null;
}

function timed(buckets) {
  return { p50: quantile(buckets, 0.5), p95: quantile(buckets, 0.95) };
}

function stepBetween(now, before, seconds) {
  const calls = grownCounts(now.calls, before?.calls);
  const ran = total(calls);
  const failures = grown(now.failures, before?.failures);
  const failed = total(failures);
  const retried = now.retries - Math.min(before?.retries ?? 0, now.retries);
  return {
    ...now,
    called: total(now.calls),
    failedEver: total(now.failures),
    skippedEver: total(now.skips),
    rate: ran / seconds,
    // Every attempt is a call, and those that failed put nothing out.
    outRate: Math.max(0, ran - failed - retried) / seconds,
    failedRate: failed / seconds,
    skippedRate: total(grown(now.skips, before?.skips)) / seconds,
    ...timed(calls),
  };
}

function between(now, before, seconds) {
  const answers = grown(now.answers, before?.answers);
  const answered = total(answers);
  const steps = now.steps.map((step) => {
    const same = before?.steps.find((other) => other.step === step.step && other.model === step.model);
    return stepBetween(step, same, seconds);
  });
  const ok = answers.ok ?? 0;
  return {
    ...now,
    answered: total(now.answers),
    failedEver: total(now.answers) - (now.answers.ok ?? 0),
    rate: answered / seconds,
    okRate: ok / seconds,
    failedRate: (answered - ok) / seconds,
    failed: answered - ok,
    recent: answered,
    ...timed(grownCounts(now.latency, before?.latency)),
    steps,
  };
}

const keyOf = (counters) => `${counters.kind} ${counters.name}`;

/** Keeps the readings of some seconds, and tells what happened between the first and the last. */
export class Readings {
  constructor(kept = 8) {
    this.kept = kept;
    this.readings = [];
    this.rates = new Map();
  }

  /** Takes a reading, made at a time in milliseconds. */
  add(document, now) {
    const last = this.readings.at(-1);
    const byName = new Map(document.pipelines.map((each) => [keyOf(each), each]));
    if (last) this.#remember(byName, last, (now - last.now) / 1000);
    this.readings.push({ now, byName, refused: document.refused });
    if (this.readings.length > this.kept) this.readings.shift();
  }

  /** Forgets everything: nobody looked for a while. */
  clear() {
    this.readings = [];
    this.rates.clear();
  }

  /** What is known of a pipeline or a model that is called on its own; null while nothing is. */
  of(kind, name) {
    const last = this.readings.at(-1);
    const now = last?.byName.get(`${kind} ${name}`);
    if (!now) return null;
    const first = this.readings[0];
    const seconds = (last.now - first.now) / 1000;
    // A first reading alone says nothing about rates.
    if (!seconds) return between(now, now, 1);
    return between(now, first.byName.get(keyOf(now)), seconds);
  }

  /** Requests that were refused before they reached a pipeline; null while nothing is known. */
  refused() {
    const last = this.readings.at(-1);
    if (!last) return null;
    const first = this.readings[0];
    const seconds = (last.now - first.now) / 1000;
    return { rate: seconds ? total(grown(last.refused, first.refused)) / seconds : 0, ever: total(last.refused) };
  }

  /** The rates of a pipeline over the last readings, the latest at the end. */
  history(kind, name) {
    return this.rates.get(`${kind} ${name}`) ?? [];
  }

  /** What all steps that call a model have done together, and calls of it on its own. */
  ofModel(name) {
    const last = this.readings.at(-1);
    if (!last) return null;
    const steps = [...last.byName.values()].flatMap((each) => {
      const counters = this.of(each.kind, each.name);
      return counters.steps.filter((step) => step.model === name).map((step) => ({ ...step, in: each }));
    });
    const sum = (field) => steps.reduce((all, step) => all + step[field], 0);
    return { steps, called: sum("called"), rate: sum("rate"), failedEver: sum("failedEver"), failedRate: sum("failedRate") };
  }

  #remember(byName, last, seconds) {
    for (const [key, now] of byName) {
      const before = last.byName.get(key);
      const rates = this.rates.get(key) ?? [];
      rates.push(seconds > 0 ? total(grown(now.answers, before?.answers)) / seconds : 0);
      if (rates.length > 60) rates.shift();
      this.rates.set(key, rates);
    }
  }
}
