/** Numbers as text: three digits and a unit, and honest at both ends. Knows no document. */

const UNITS = ["", " k", " M", " G", " T", " P"];
const NONE = "–";

/**
 * A number as text, cut to three digits: 37.1, 125, 1.15 k.
 * @param {number} value not negative
 * @returns {string}
 */
export function short(value) {
  if (value === 0) return "0";
  if (value < 0.01) return "<0.01";
  let unit = 0;
  while (unit < UNITS.length - 1 && Number(value.toPrecision(3)) >= 1000) {
    value /= 1000;
    unit += 1;
  }
  return (value >= 100 ? value.toFixed(0) : value.toPrecision(value < 0.995 ? 2 : 3)) + UNITS[unit];
}

/**
 * A whole number in full: 1 234 567.
 * @param {number} value
 * @returns {string}
 */
export function full(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/**
 * A share in per cent. It is 0 only if nothing is, and 100 only if all is.
 * @param {number} part
 * @param {number} whole
 * @returns {string}
 */
export function percent(part, whole) {
  if (!(whole > 0)) return NONE;
  const share = (100 * part) / whole;
  if (part <= 0) return "0";
  if (part >= whole) return "100";
  if (share < 0.1) return "<0.1";
  if (share > 99.9) return ">99.9";
  return share < 9.95 || share >= 99.5 ? share.toFixed(1) : share.toFixed(0);
}

/**
 * How much of what edges sent did not come from origins.
 * @param {number} sent bytes
 * @param {number} fetched bytes
 * @returns {string}
 */
export function offload(sent, fetched) {
  return percent(Math.max(0, sent - fetched), sent);
}

/**
 * How a sum changed, in words: ▼22%, ▲16%, ×9, new, gone. Empty below 10 %.
 * @param {number} now
 * @param {number} before
 * @returns {string}
 */
export function change(now, before) {
  if (before === 0) return now === 0 ? "" : "new";
  if (now === 0) return "gone";
  const ratio = now / before;
  if (ratio >= 10) return `×${short(ratio)}`;
  if (ratio >= 2) return `×${ratio.toFixed(1)}`;
  if (ratio >= 1.1) return `▲${((ratio - 1) * 100).toFixed(0)}%`;
  if (ratio <= 0.9) return `▼${percent(before - now, before)}%`;
  return "";
}

/** The ends of the latency buckets, in the order of the answer. */
const ENDS = ["1 ms", "5 ms", "10 ms", "50 ms", "100 ms", "250 ms", "500 ms", "1 s", "5 s", "10 s", "60 s"];

/**
 * The name of a latency bucket.
 * @param {number} index
 * @returns {string}
 */
export function bucket(index) {
  return index < ENDS.length ? `≤${ENDS[index]}` : `>${ENDS[ENDS.length - 1]}`;
}

/**
 * The bucket in which a percentile lies. More is not known.
 * @param {number[]} buckets how many there were in each
 * @param {number} share 0 to 1
 * @returns {string}
 */
export function percentile(buckets, share) {
  const all = buckets.reduce((sum, one) => sum + one, 0);
  if (all === 0) return NONE;
  let [index, below] = [0, buckets[0]];
  while (below < all * share) {
    index += 1;
    below += buckets[index];
  }
  return bucket(index);
}

/**
 * A stretch of time: 41 s, 2 min 10 s, 3 h 5 min.
 * @param {number} seconds
 * @returns {string}
 */
export function duration(seconds) {
  seconds = Math.max(0, Math.round(seconds));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} days${hours % 24 ? ` ${hours % 24} h` : ""}`;
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/**
 * A Unix second as a time of day in UTC: 04:41:06.
 * @param {number} second
 * @returns {string}
 */
export function time(second) {
  return new Date(second * 1000).toISOString().slice(11, 19);
}

/**
 * A Unix second as a date in UTC: 2026-11-28.
 * @param {number} second
 * @returns {string}
 */
export function date(second) {
  return new Date(second * 1000).toISOString().slice(0, 10);
}

/**
 * A time of a series: with its date if the steps are long.
 * @param {number} second
 * @param {number} step
 * @returns {string}
 */
export function moment(second, step) {
  return step < 3_600 ? time(second) : `${date(second)} ${time(second)}`;
}
