/** Numbers as SVG paths: one step a second, null is a gap. Knows no document. */

/** @import { Ranking, Series } from "./types.js" */

import { moment } from "./format.js";
import { coming, counted, unit } from "./state.js";

/** Status classes, from the bottom up; `none` is requests without a status. */
export const CLASSES = /** @type {const} */ (["5xx", "4xx", "3xx", "2xx", "1xx", "none"]);

/**
 * The series of each class, with requests that have no status on top.
 * @param {Record<string, Series>} series by column
 * @returns {Series[]} in the order of CLASSES
 */
export function layers(series) {
  const all = counted(series);
  const known = CLASSES.slice(0, -1).map((name) => series[name] ?? []);
  const none = all.map((one, i) => {
    if (one === null) return null;
    return Math.max(0, one - known.reduce((sum, values) => sum + (values[i] ?? 0), 0));
  });
  return [...known, none];
}

/**
 * The largest value; 1 if there is none, so that it can be divided by.
 * @param {Series} values
 * @returns {number}
 */
export function largest(values) {
  return values.reduce((/** @type {number} */ most, one) => Math.max(most, one ?? 0), 0) || 1;
}

/** So many seconds with answers and without a failure are the end of a failure. */
const CALM = 10;

/**
 * Where the failure began that goes on at the end of a series.
 * @param {Series} failed
 * @param {Series} all steps without any are no sign of calm
 * @param {number} [step] in seconds
 * @param {number} [last] the same of the last, which may still go on
 * @returns {{ index: number, isKnown: boolean } | null}
 *   null: there is none; `isKnown` false: nothing is known of the time before `index`, or nothing came then
 */
export function beginning(failed, all, step = 1, last = step) {
  let [index, calm] = [-1, 0];
  for (let i = failed.length - 1; i >= 0 && calm < CALM; i -= 1) {
    if (failed[i]) [index, calm] = [i, 0];
    else if (all[i]) calm += i < failed.length - 1 ? step : last;
  }
  return index < 0 ? null : { index, isKnown: calm > 0 && failed[index - 1] !== null };
}

/**
 * The same in words: `since 04:40:12 UTC`; empty if there is none.
 * @param {Ranking} ranking
 * @param {Record<string, Series>} series by column
 * @returns {string}
 */
export function since(ranking, series) {
  const failed = series["5xx"] ?? [];
  const step = unit(ranking);
  const began = beginning(failed, counted(series), step, step - coming(ranking));
  if (!began) return "";
  const at = ranking.second - (failed.length - 1 - began.index) * step;
  return `since ${began.isKnown ? "" : "before "}${moment(at, step)} UTC`;
}

/**
 * Where nothing is known, after something was: from top to bottom.
 * @param {Series} values
 * @param {number} height of the picture; a second is one wide
 * @returns {string} empty if there is no such second
 */
export function gaps(values, height) {
  let path = "";
  let start = values.findIndex((one) => one !== null);
  while (start >= 0 && start < values.length) {
    let end = start;
    while (values[end] === null) end += 1;
    if (end > start) path += `M${start} 0H${end}V${height}H${start}Z`;
    start = end + 1;
  }
  return path;
}

/**
 * Areas on top of each other: one path per layer.
 * @param {Series[]} stacked from the bottom up, all of the same length
 * @param {number} top the value at the upper edge
 * @param {number} height of the picture; a second is one wide
 * @returns {string[]}
 */
export function areas(stacked, top, height) {
  const length = stacked[0]?.length ?? 0;
  let floor = new Array(length).fill(0);
  return stacked.map((values) => {
    const ceiling = floor.map((below, i) => below + (values[i] ?? 0));
    const path = area(values, floor, ceiling, height / top, height);
    floor = ceiling;
    return path;
  });
}

/**
 * One area between two lines of steps.
 * @param {Series} values
 * @param {number[]} floor
 * @param {number[]} ceiling
 * @param {number} scale
 * @param {number} height
 * @returns {string}
 */
function area(values, floor, ceiling, scale, height) {
  const y = (/** @type {number} */ value) => Number((height - value * scale).toFixed(1));
  let path = "";
  for (let start = 0; start < values.length; start += 1) {
    if (!values[start]) continue;
    let end = start;
    while (values[end]) end += 1;
    // Along the ceiling and back along the floor; equal neighbours share a step.
    path += `M${start} ${y(floor[start])}V${y(ceiling[start])}`;
    for (let i = start; i < end; i += 1) {
      if (i + 1 < end && ceiling[i + 1] === ceiling[i]) continue;
      path += `H${i + 1}${i + 1 < end ? `V${y(ceiling[i + 1])}` : ""}`;
    }
    path += `V${y(floor[end - 1])}`;
    for (let i = end - 1; i >= start; i -= 1) {
      if (i > start && floor[i - 1] === floor[i]) continue;
      path += `H${i}${i > start ? `V${y(floor[i - 1])}` : ""}`;
    }
    path += "Z";
    start = end;
  }
  return path;
}

/**
 * Parts of a whole, side by side: `[start, width]` of each, in shares of 1.
 * @param {number[]} parts
 * @returns {[number, number][]}
 */
export function slices(parts) {
  const all = parts.reduce((sum, one) => sum + one, 0) || 1;
  let start = 0;
  return parts.map((part) => {
    const slice = /** @type {[number, number]} */ ([start / all, part / all]);
    start += part;
    return slice;
  });
}

/**
 * How dark a cell is: 0 for nothing, then 1 to 5 by the logarithm of the share of the largest.
 * @param {number} value
 * @param {number} most
 * @returns {number}
 */
export function depth(value, most) {
  if (value <= 0) return 0;
  return Math.max(1, Math.min(5, 5 + Math.round(Math.log2(value / most) / 1.5)));
}
