/** What is looked at, as an address; and what state the page is in, in words. Knows no document. */

/** @import { Condition, Look, Ranking, Series } from "./types.js" */

import { duration } from "./format.js";

/** @type {Look} */
const DEFAULT = {
  service: "",
  of: "domains",
  by: "trouble",
  pop: "",
  match: "",
  focus: "",
  at: 0,
  downsample: "second",
};

/** The orders of keys 1 to 6. */
export const ORDERS = {
  domains: ["trouble", "requests", "5xx", "4xx", "bandwidth", "fetches"],
  origins: ["trouble", "responses", "5xx", "4xx", "bytes"],
};

/** What the strip can be made of, and the seconds of each. */
export const UNITS = { second: 1, minute: 60, hour: 3_600, day: 86_400 };

/** The same in words. */
export const EACH = new Map([
  [UNITS.second, "a second"],
  [UNITS.minute, "a minute"],
  [UNITS.hour, "an hour"],
  [UNITS.day, "a day"],
]);

/** For so many seconds after the start, there is no minute before to compare with. */
const STARTING = 70;
/** `now` in a ranking is the sum of so many seconds, minutes, hours or days. */
const STEPS = 10;
/** A second is late if it is not there so long after it was due. */
const STALE = 3;

/**
 * Read the part of an address behind `#`. What is not valid counts as absent.
 * @param {string} hash
 * @returns {Look}
 */
export function read(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const of = given.get("of") === "origins" ? "origins" : "domains";
  const at = Number(given.get("at"));
  const units = /** @type {Look["downsample"][]} */ (Object.keys(UNITS));
  return {
    service: given.get("service") ?? DEFAULT.service,
    of,
    by: ORDERS[of].find((one) => one === given.get("by")) ?? DEFAULT.by,
    pop: given.get("pop") ?? DEFAULT.pop,
    match: given.get("match") ?? DEFAULT.match,
    focus: given.get("focus") ?? DEFAULT.focus,
    at: Number.isSafeInteger(at) && at > 0 ? at : DEFAULT.at,
    downsample: units.find((one) => one === given.get("downsample")) ?? DEFAULT.downsample,
  };
}

/**
 * Write the part of an address behind `#`, without what is as by default.
 * @param {Look} look
 * @returns {string}
 */
export function write(look) {
  const names = /** @type {(keyof Look)[]} */ (Object.keys(DEFAULT));
  const given = names.filter((name) => look[name] !== DEFAULT[name]).map((name) => [name, String(look[name])]);
  return given.length ? `#${new URLSearchParams(given)}` : "";
}

/**
 * The address of the ranking that a look asks for, relative to the page.
 * @param {Look} look
 * @returns {string}
 */
export function question(look) {
  const { service, ...parameters } = look;
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== 0 && value !== "second");
  return `top/${encodeURIComponent(service)}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

/**
 * The seconds of one step of the strip: an old second is answered by its minute, an older one by its hour or day.
 * @param {Ranking} ranking
 * @returns {number}
 */
export function unit(ranking) {
  return ranking.window / STEPS;
}

/**
 * The series of requests or responses.
 * @param {Record<string, Series>} series
 * @returns {Series}
 */
export const counted = (series) => series.requests ?? series.responses ?? [];

/**
 * The seconds of the last step that are still to come: it may be the running minute, hour or day.
 * @param {Ranking} ranking
 * @returns {number}
 */
export function coming({ second, window, newest = second + window }) {
  const whole = window / STEPS - 1;
  return Math.max(0, Math.min(whole, second + whole - newest));
}

/**
 * The seconds that are known of `now` or `before`, at least 1: rates are sums divided by them.
 * @param {Ranking} ranking
 * @param {"now" | "before"} [of]
 * @returns {number}
 */
export function known(ranking, of = "now") {
  return Math.max(1, ranking.known[of]);
}

/**
 * For how long there were no requests, as far as is known.
 * @param {Ranking} ranking
 * @returns {number} seconds
 */
function idleFor(ranking) {
  const values = counted(ranking.all.series);
  const last = values.findLastIndex(Boolean);
  const known = values.filter((one) => one !== null).length;
  return last < 0 ? known : values.length - 1 - last;
}

/**
 * The state of the page.
 * @param {{
 *   look: Look,
 *   ranking: Ranking | null,
 *   now: number,
 *   lostAt: number,
 *   retryAt: number,
 *   problem: "" | "refused" | "gone" | "empty",
 *   sentence: string,
 * }} seen `now`, `lostAt`, `retryAt`: seconds by the server's clock; `lostAt` 0: connected; `sentence`: of /readyz
 * @returns {Condition}
 */
export function condition({ look, ranking, now, lostAt, retryAt, problem, sentence }) {
  if (problem === "refused") return { name: "refused", text: "a token is needed" };
  if (problem === "gone") return { name: "gone", text: "nothing is known of that time" };
  if (problem === "empty") return { name: "idle", text: "no requests yet" };
  if (lostAt) {
    const again = retryAt > now ? `, again in ${duration(retryAt - now)}` : ", trying again";
    return { name: "offline", text: `no connection for ${duration(now - lostAt)}${again}` };
  }
  if (!ranking) return { name: "connecting", text: "connecting" };
  if (look.at) return { name: "frozen", text: `frozen, ${duration(now - look.at)} ago` };
  if (look.downsample !== "second") return { name: "live", text: `by ${look.downsample}` };
  const behind = now - ranking.second - ranking.AggregateDelay;
  if (behind > STALE) {
    return { name: "stale", text: `stands still for ${duration(behind)}${sentence ? `: ${sentence}` : ""}` };
  }
  const idle = idleFor(ranking);
  // First: a service that does not exist has no requests either.
  if (idle >= ranking.window) return { name: "idle", text: `no requests for ${duration(idle)}` };
  return starting(ranking) ? { name: "starting", text: "starting: no comparison yet" } : { name: "live", text: "live" };
}

/**
 * Whether there is no minute before to compare with, so that no change is shown: not yet, or nothing is known of it.
 * @param {Ranking} ranking
 * @returns {boolean}
 */
export function starting(ranking) {
  if (ranking.second - ranking.since < STARTING * unit(ranking)) return true;
  const values = counted(ranking.all.series);
  const back = values.length - ranking.ago / unit(ranking);
  return [...values.slice(-STEPS), ...values.slice(back - STEPS, back)].includes(null);
}

/**
 * The order in which rows are shown. While it rests, rows keep their position and new ones come last.
 * @param {string[]} shown
 * @param {string[]} ranked
 * @param {boolean} rests
 * @returns {{ order: string[], moved: string[] }} `moved`: rows that would move up
 */
export function arrange(shown, ranked, rests) {
  if (!rests) return { order: ranked, moved: [] };
  const there = new Set(ranked);
  const kept = shown.filter((name) => there.has(name));
  const old = new Set(kept);
  const order = [...kept, ...ranked.filter((name) => !old.has(name))];
  const position = new Map(order.map((name, i) => [name, i]));
  return { order, moved: ranked.filter((name, i) => (position.get(name) ?? 0) > i) };
}
