/** What the tiles and the table say. */

/** @import { Ranking } from "../../python/edgetally/api/page/static/types.js" */

import assert from "node:assert/strict";
import test from "node:test";
import {
  changed,
  choosePops,
  counts,
  popColumns,
  TILES,
  tooltip,
} from "../../python/edgetally/api/page/static/columns.js";

/**
 * A ranking of POPs with so many requests, 5xx, and fetches without a response.
 * @param {Record<string, [number, number, number]>} pops
 * @returns {Ranking}
 */
function ranked(pops) {
  const found = Object.entries(pops).map(([name, now]) => ({ name, now, before: [0, 0, 0] }));
  return /** @type {Ranking} */ (
    /** @type {unknown} */ ({ of: "domains", columns: ["requests", "5xx", "unanswered"], pops: found })
  );
}

/** @type {Record<string, [number, number, number]>} */
const healthy = Object.fromEntries([...Array(20).keys()].map((n) => [`P${10 + n}`, [100 - n, 0, 0]]));

test("the busiest POPs have a column, in alphabetical order, and the others share one", () => {
  const ranking = ranked({ ...healthy, B: [500, 0, 0] });
  const { names, positions } = popColumns(ranking, choosePops(ranking));
  assert.deepEqual(names, ["B", ...[...Array(11).keys()].map((n) => `P${10 + n}`), "9 more"]);
  assert.deepEqual(positions.flat().sort(), [...Array(21).keys()].sort());
});

test("a POP that fails has a column, however little traffic it has", () => {
  const ranking = ranked({ ...healthy, X: [2, 1, 0], Y: [1, 0, 1], Z: [1, 0, 0] });
  const { names } = popColumns(ranking, choosePops(ranking));
  assert.deepEqual(names.slice(-3), ["X", "Y", "11 more"]);
});

test("a POP that was not there when POPs were chosen is among the others", () => {
  const ranking = ranked({ A: [1, 0, 0], B: [1, 0, 0] });
  assert.deepEqual(popColumns(ranking, ["A"]), { names: ["A", "1 more"], positions: [[0], [1]] });
  assert.deepEqual(popColumns(ranking, ["A", "B", "gone"]).names, ["A", "B"]);
});

test("a running minute is compared by what is known of it", () => {
  const series = { requests: new Array(300).fill(600) };
  const all = { now: [5_700], before: [6_000], series };
  const times = { window: 600, ago: 3_600, known: { now: 570, before: 600 } };
  const ranking = /** @type {Ranking} */ (
    /** @type {unknown} */ ({ of: "domains", columns: ["requests"], all, ...times })
  );
  const [column] = TILES.domains;
  const [now, before] = [counts(ranking, all.now), counts(ranking, all.before, "before")];
  assert.equal(column.text(now), "10.0");
  assert.equal(changed(column, now, before), "");
  assert.equal(tooltip(ranking, all), "requests 5\u202f700, 1 h before 6\u202f000");
});
