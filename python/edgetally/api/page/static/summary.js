/** What stands around the table: tiles, the strip of five minutes, POPs to choose from, the last line. */

/** @import { Look, Ranking } from "./types.js" */

import { changed, counts, TILES } from "./columns.js";
import { byId, drawPaths, hatching, html, offer, picture, set, write } from "./element.js";
import { date, duration, full, moment, time } from "./format.js";
import { areas, CLASSES, gaps, largest, layers, since } from "./picture.js";
import { coming, counted, EACH, UNITS, unit } from "./state.js";

const STRIP_HEIGHT = 96;
/** A label nearer to an edge is left out, in steps. */
const EDGE = 16;
/** Seconds between lines of the strip, by those of a step; days: see below. */
const LINES = new Map([
  [UNITS.second, UNITS.minute],
  [UNITS.minute, UNITS.hour],
  [UNITS.hour, 2 * UNITS.day],
]);

const strip = byId("strip");
const needle = /** @type {HTMLElement} */ (strip.querySelector(".needle"));
const legend = /** @type {HTMLElement} */ (strip.querySelector(".legend"));
const minutes = /** @type {HTMLElement} */ (strip.querySelector(".minutes"));
const stripPicture = picture(1, STRIP_HEIGHT, ["unknown", ...CLASSES, "minutes"]);
strip.prepend(stripPicture);
// The strip is as wide as the page, its hatching is not.
hatching("hatch-strip")(stripPicture);

/**
 * Draw the sums of all names.
 * @param {Ranking} ranking
 * @param {boolean} quiet no change is shown
 */
export function drawTiles(ranking, quiet) {
  const [now, before] = [counts(ranking, ranking.all.now), counts(ranking, ranking.all.before, "before")];
  const tiles = byId("tiles");
  const columns = TILES[ranking.of];
  if (tiles.dataset.of !== ranking.of) {
    tiles.dataset.of = ranking.of;
    const made = columns.map(({ head, title }) =>
      html("div", { title }, html("dt", {}, head), html("dd"), html("dd", { class: "change" })),
    );
    tiles.replaceChildren(...made);
  }
  columns.forEach((column, i) => {
    const [, value, change] = tiles.children[i].children;
    write(value, column.text(now));
    value.classList.toggle("bad", column.bad?.(now) ?? false);
    write(change, quiet ? "" : changed(column, now, before));
  });
}

/**
 * Draw the seconds before the one that is shown.
 * @param {Ranking} ranking
 * @param {{ frozen: boolean, newest: number }} how `newest`: the newest second that can be looked at
 */
export function drawStrip(ranking, { frozen, newest }) {
  const { series } = ranking.all;
  const all = counted(series);
  const last = all.length - 1;
  const most = largest(all);
  set(stripPicture, "viewBox", `0 0 ${all.length} ${STRIP_HEIGHT}`);
  const step = unit(ranking);
  const first = ranking.second - last * step;
  const isMarked = (/** @type {number} */ second) =>
    step === UNITS.day ? date(second).endsWith("-01") : second % (LINES.get(step) ?? step) === 0;
  const marks = all.map((_, i) => i).filter((i) => isMarked(first + i * step));
  const lines = marks.map((i) => `M${i} 0V${STRIP_HEIGHT}`).join("");
  const unknown = gaps(all, STRIP_HEIGHT);
  drawPaths(stripPicture, [unknown, ...areas(layers(series), most, STRIP_HEIGHT), lines]);
  drawMinutes(
    marks.filter((i) => i >= EDGE && i <= last - EDGE),
    first,
    all.length,
    step,
  );
  needle.hidden = !frozen;
  const failed = series["5xx"]?.[last] ?? 0;
  const those = ranking.of === "domains" ? "requests" : "responses";
  set(strip, "aria-valuemin", String(ranking.since));
  set(strip, "aria-valuemax", String(Math.max(newest, ranking.second)));
  set(strip, "aria-valuenow", String(ranking.second));
  set(
    strip,
    "aria-valuetext",
    `${moment(ranking.second, step)}, ${full(all[last] ?? 0)} ${those}, ${full(failed)} of them 5xx`,
  );
  const began = since(ranking, series);
  const peak = all.some(Boolean) ? most : 0;
  const said = [
    `hatched: 5xx ${began}${unknown && " · grey: unknown"}`.replace("  ", " "),
    `at most ${full(peak)} ${those} ${EACH.get(step)}`,
  ];
  if (!legend.children.length) legend.replaceChildren(...said.map(() => html("span")));
  said.forEach((text, i) => void write(legend.children[i], text));
  legend.children[0].classList.toggle("bad", began !== "");
}

/**
 * Write times below the strip.
 * @param {number[]} marks positions, in steps from the left
 * @param {number} first the second at the left
 * @param {number} length of the strip in steps
 * @param {number} step in seconds
 */
function drawMinutes(marks, first, length, step) {
  while (minutes.children.length > marks.length) minutes.lastChild?.remove();
  while (minutes.children.length < marks.length) minutes.append(html("span"));
  marks.forEach((mark, i) => {
    const label = /** @type {HTMLElement} */ (minutes.children[i]);
    const at = first + mark * step;
    write(label, step < UNITS.hour ? time(at).slice(0, 5) : date(at).slice(5));
    label.style.left = `${((100 * mark) / length).toFixed(2)}%`;
  });
}

/**
 * The second of the strip that was clicked.
 * @param {Ranking} ranking
 * @param {number} x of the pointer
 * @returns {number}
 */
export function clickedSecond(ranking, x) {
  const box = stripPicture.getBoundingClientRect();
  const length = ranking.all.series["5xx"]?.length ?? 1;
  const steps = Math.floor(((x - box.left) / box.width) * length) - length + 1;
  const second = ranking.second + steps * unit(ranking);
  return Math.max(ranking.since, Math.min(ranking.second, second));
}

/**
 * Offer the POPs that have traffic.
 * @param {Ranking} ranking
 * @param {Look} look
 */
export function drawPops(ranking, look) {
  const select = /** @type {HTMLSelectElement} */ (byId("pop"));
  offer(select, [...new Set(["", ...ranking.pops.map((pop) => pop.name), look.pop])].sort(), "all");
  select.value = look.pop;
}

/**
 * Say how far these numbers can be believed.
 * @param {Ranking} ranking
 */
export function drawFoot(ranking) {
  const said = [
    `last ${duration(ranking.window)} against ${duration(ranking.ago)} before`,
    `late ${full(ranking.late)}`,
    `_other ${full(ranking.other)}`,
    `_invalid ${full(ranking.invalid)}`,
    `known for ${duration(ranking.second - ranking.since + unit(ranking) - coming(ranking))}`,
  ];
  if (ranking.rejected !== undefined) said.push(`all services since the start: rejected ${full(ranking.rejected)}`);
  write(byId("foot"), said.join(" · "));
}
