/** Numbers as SVG paths: one step a second, null is a gap. Knows no document. */

/** @import { Series } from "./types.js" */

import { date, time } from "./format.js";

const HOUR = 3_600;

/** Status classes, from the bottom up; `none` is requests without a status. */
export const CLASSES = /** @type {const} */ (["5xx", "4xx", "3xx", "2xx", "1xx", "none"]);

/**
 * The series of each class, with requests that have no status on top.
 * @param {Record<string, Series>} series by column
 * @returns {Series[]} in the order of CLASSES
 */
export function layers(series) {
  const all = series.requests ?? series.responses ?? [];
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

/** So many seconds without a failure are the end of a failure. */
const CALM = 10;

/**
 * Where the failure began that goes on at the end of a series.
 * @param {Series} values
 * @returns {{ index: number, isKnown: boolean } | null}
 *   null: there is none; `isKnown` false: it began before `index`, the first second that is known
 */
export function beginning(values) {
  let [index, calm] = [-1, 0];
  for (let i = values.length - 1; i >= 0; i -= 1) {
    const value = values[i];
    if (value === null) return index < 0 ? null : { index: i + 1, isKnown: false };
    if (value > 0) [index, calm] = [i, 0];
    else calm += 1;
    if (calm >= CALM) return index < 0 ? null : { index, isKnown: true };
  }
  return index < 0 ? null : { index: 0, isKnown: false };
}

/**
 * The same in words: `since 04:40:12 UTC`; empty if there is none.
 * @param {Series} values
 * @param {number} last the second at the end
 * @param {number} [step] of the series in seconds
 * @returns {string}
 */
export function since(values, last, step = 1) {
  const began = beginning(values);
  if (!began) return "";
  const at = last - (values.length - 1 - began.index) * step;
  return `since ${began.isKnown ? "" : "before "}${step < HOUR ? time(at) : `${date(at)} ${time(at)}`} UTC`;
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
