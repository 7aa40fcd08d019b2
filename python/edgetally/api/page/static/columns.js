/** What the tiles and the table say of each dataset. Knows no document. */

/** @import { Ranking, Row, Sum } from "./types.js" */

import { change, duration, full, offload, percent, percentile, short } from "./format.js";
import { known } from "./state.js";

/** How many columns of origins come before the latency buckets. */
const BEFORE_BUCKETS = 7;
export const MAX_POPS = 12;

/**
 * One sum by column name, and its latency buckets.
 * @typedef {{ all: number, buckets: number[], of: (name: string) => number, seconds: number }} Counts
 */

/**
 * @param {Ranking} ranking
 * @param {number[]} numbers in the order of `ranking.columns`
 * @param {"now" | "before"} [of]
 * @returns {Counts}
 */
export function counts(ranking, numbers, of) {
  const position = new Map(ranking.columns.map((name, i) => [name, i]));
  return {
    all: numbers[0] ?? 0,
    buckets: ranking.of === "origins" ? numbers.slice(BEFORE_BUCKETS) : [],
    of: (name) => numbers[position.get(name) ?? -1] ?? 0,
    get seconds() {
      return known(ranking, of);
    },
  };
}

/**
 * @typedef {object} Column
 * @property {string} head
 * @property {string} title what it is, in words
 * @property {string} [by] the order that it stands for
 * @property {(now: Counts) => string} text
 * @property {(now: Counts) => number} [value] what its change is taken from
 * @property {(now: Counts) => boolean} [bad] whether it deserves attention
 * @property {boolean} [wide] left out on narrow screens
 */

/** @type {Column} */
const REQUESTS = {
  head: "requests/s",
  title: "requests a second",
  by: "requests",
  text: (now) => short(now.all / now.seconds),
  value: (now) => now.all / now.seconds,
};

/** @type {Column} */
const FAILED = {
  head: "5xx %",
  title: "share of answers that are 5xx",
  by: "5xx",
  text: (now) => percent(now.of("5xx"), now.all),
  value: (now) => now.of("5xx") / (now.all || 1),
  bad: (now) => now.of("5xx") > 0,
};

/** @type {Column} */
const REFUSED = {
  head: "4xx %",
  title: "share of answers that are 4xx",
  by: "4xx",
  text: (now) => percent(now.of("4xx"), now.all),
  value: (now) => now.of("4xx") / (now.all || 1),
};

/** @type {Column} */
const HITS = {
  head: "hits %",
  title: "share of requests that the cache answered",
  text: (now) => percent(now.of("hits"), now.of("hits") + now.of("misses")),
  value: (now) => now.of("hits") / (now.of("hits") + now.of("misses") || 1),
  wide: true,
};

/** @type {Column} */
const OFFLOAD = {
  head: "offload %",
  title: "share of the bytes sent that did not come from an origin",
  text: (now) => offload(now.of("sent"), now.of("fetched")),
  wide: true,
};

/**
 * @param {string} name
 * @returns {Column}
 */
const bits = (name) => ({
  head: "bit/s",
  title: "bits a second",
  by: name,
  text: (now) => short((8 * now.of(name)) / now.seconds),
  value: (now) => now.of(name) / now.seconds,
  wide: true,
});

/** @type {Column} */
const FETCHES = {
  head: "fetches/s",
  title: "requests to origins a second",
  by: "fetches",
  text: (now) => short(now.of("fetches") / now.seconds),
  value: (now) => now.of("fetches") / now.seconds,
  wide: true,
};

/** @type {Column} */
const UNANSWERED = {
  head: "unanswered/s",
  title: "requests to origins without a response, a second",
  text: (now) => short(now.of("unanswered") / now.seconds),
  value: (now) => now.of("unanswered") / now.seconds,
  bad: (now) => now.of("unanswered") > 0,
  wide: true,
};

/** @type {Column} */
const ORIGIN_FAILED = {
  head: "origin 5xx %",
  title: "share of requests to origins that they answered with 5xx",
  text: (now) => percent(now.of("origin_5xx"), now.of("fetches")),
  value: (now) => now.of("origin_5xx") / (now.of("fetches") || 1),
  bad: (now) => now.of("origin_5xx") > 0,
};

/** @type {Column} */
const RESPONSES = { ...REQUESTS, head: "responses/s", title: "responses a second", by: "responses" };

/**
 * @param {number} share
 * @returns {Column}
 */
const latency = (share) => ({
  head: `p${share * 100}`,
  title: `${share * 100} of 100 first bytes came within this time: the end of a bucket`,
  text: (now) => percentile(now.buckets, share),
  wide: true,
});
const LATENCIES = [0.5, 0.95, 0.99].map(latency);

export const TILES = {
  domains: [REQUESTS, FAILED, REFUSED, HITS, OFFLOAD, bits("bandwidth"), FETCHES, ORIGIN_FAILED, UNANSWERED],
  origins: [RESPONSES, FAILED, REFUSED, ...LATENCIES, bits("bytes")],
};

export const COLUMNS = {
  domains: [REQUESTS, FAILED, { ...REFUSED, wide: true }, HITS, OFFLOAD, bits("bandwidth")],
  origins: [RESPONSES, FAILED, { ...REFUSED, wide: true }, ...LATENCIES, bits("bytes")],
};

/**
 * How a column changed; of shares, in points of their own.
 * @param {Column} column
 * @param {Counts} now
 * @param {Counts} before
 * @returns {string}
 */
export function changed(column, now, before) {
  return column.value ? change(column.value(now), column.value(before)) : "";
}

/**
 * The numbers of a row in full, for its tooltip.
 * @param {Ranking} ranking
 * @param {Sum} row
 * @returns {string}
 */
export function tooltip(ranking, row) {
  const ago = duration(ranking.ago);
  const said = ranking.columns.map((name, i) => `${name} ${full(row.now[i])}, ${ago} before ${full(row.before[i])}`);
  return said.filter((_, i) => row.now[i] || row.before[i]).join("\n");
}

/**
 * Whether a row is in trouble: it failed, fell silent, or waits for origins in vain.
 * @param {Ranking} ranking
 * @param {Row} row
 * @returns {boolean}
 */
export function isTroubled(ranking, row) {
  const now = counts(ranking, row.now);
  return row.silent || now.of("5xx") > 0 || now.of("unanswered") > 0;
}

/**
 * The POPs that have a column: those with the most failures, then the busiest; twelve at most.
 * @param {Ranking} ranking
 * @returns {string[]}
 */
export function choosePops(ranking) {
  const found = ranking.pops.map((pop) => {
    const now = counts(ranking, pop.now);
    return { name: pop.name, trouble: now.of("5xx") + now.of("unanswered"), all: now.all + pop.before[0] };
  });
  found.sort((a, b) => b.trouble - a.trouble || b.all - a.all || (a.name < b.name ? -1 : 1));
  return found.slice(0, MAX_POPS).map((pop) => pop.name);
}

/**
 * The columns of POPs, in alphabetical order. POPs without one share the last.
 * @param {Ranking} ranking
 * @param {string[]} chosen
 * @returns {{ names: string[], positions: number[][] }} `positions`: in the ranking
 */
export function popColumns(ranking, chosen) {
  const own = ranking.pops.map((pop, i) => ({ name: pop.name, i })).filter((pop) => chosen.includes(pop.name));
  own.sort((a, b) => (a.name < b.name ? -1 : 1));
  const names = own.map((pop) => pop.name);
  const positions = own.map((pop) => [pop.i]);
  const others = [...ranking.pops.keys()].filter((i) => !chosen.includes(ranking.pops[i].name));
  if (others.length) {
    names.push(`${others.length} more`);
    positions.push(others);
  }
  return { names, positions };
}

/**
 * The parts of the status bar, in the order of CLASSES.
 * @param {Counts} now
 * @returns {number[]}
 */
export function statuses(now) {
  const known = ["5xx", "4xx", "3xx", "2xx", "1xx"].map(now.of);
  return [...known, Math.max(0, now.all - known.reduce((sum, one) => sum + one, 0))];
}
