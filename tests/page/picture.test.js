/** Numbers as paths. */

/** @import { Ranking } from "../../python/edgetally/api/page/static/types.js" */

import assert from "node:assert/strict";
import test from "node:test";
import {
  areas,
  beginning,
  depth,
  gaps,
  largest,
  layers,
  since,
  slices,
} from "../../python/edgetally/api/page/static/picture.js";

/**
 * The area of a path of right angles.
 * @param {string} path
 * @returns {number}
 */
function area(path) {
  let sum = 0;
  for (const part of path.split("Z").filter(Boolean)) {
    let [x, y] = [0, 0];
    for (const [, command, numbers] of part.matchAll(/([MHV])([-\d. ]+)/g)) {
      const [first, second] = numbers.trim().split(" ").map(Number);
      if (command === "M") [x, y] = [first, second];
      else if (command === "V") y = first;
      else {
        sum -= (first - x) * y;
        x = first;
      }
    }
  }
  return Math.abs(sum);
}

test("the area of a layer is the sum of its numbers", () => {
  const stacked = [
    [0, 2, 2, null, 1, 0, 5],
    [3, 3, 0, null, 1, 1, 0],
  ];
  const paths = areas(stacked, 10, 100);
  assert.deepEqual(paths.map(area), [100, 80]);
});

test("gaps are where nothing is known after something was", () => {
  assert.equal(gaps([null, null, 4, null, null, 0, null], 10), "M3 0H5V10H3ZM6 0H7V10H6Z");
  assert.equal(gaps([null, null], 10), "");
  assert.equal(gaps([null, 1, 2], 10), "");
});

test("nothing is drawn where nothing is known or came", () => {
  assert.deepEqual(areas([[null, 0, null]], 1, 10), [""]);
  assert.deepEqual(areas([[null, 4, null]], 4, 10), ["M1 10V0H2V10H1Z"]);
});

test("requests without a status are a layer of their own", () => {
  const series = {
    requests: [10, null],
    "2xx": [4, null],
    "5xx": [1, null],
    "1xx": [0, null],
    "3xx": [0, null],
    "4xx": [2, null],
  };
  assert.deepEqual(
    layers(series).map((one) => one[0]),
    [1, 2, 0, 4, 0, 3],
  );
  assert.deepEqual(
    layers(series).map((one) => one[1]),
    new Array(6).fill(null),
  );
});

test("scales", () => {
  assert.equal(largest([null, 3, 2]), 3);
  assert.equal(largest([null, 0]), 1);
  assert.deepEqual(slices([1, 0, 3]), [
    [0, 0.25],
    [0.25, 0],
    [0.25, 0.75],
  ]);
  assert.deepEqual(
    [0, 1, 50, 100].map((value) => depth(value, 100)),
    [0, 1, 4, 5],
  );
});

const calm = new Array(10).fill(0);
const ten = new Array(10).fill(9);

/**
 * Where a failure began among nine requests a step, or as many as given.
 * @param {(number | null)[]} failed
 * @param {{ all?: (number | null)[], step?: number, last?: number }} [how]
 */
const began = (failed, { all = failed.map((one) => (one === null ? null : 9)), step, last } = {}) =>
  beginning(failed, all, step, last);

test("a failure began after the last ten calm seconds", () => {
  assert.deepEqual(began([...calm, 0, 2, 0, 1]), { index: 11, isKnown: true });
  assert.deepEqual(began([3, ...calm, 2, ...calm.slice(1)]), { index: 11, isKnown: true });
  assert.equal(began([3, ...calm]), null);
  assert.equal(began([]), null);
});

test("one calm minute, hour or day is enough", () => {
  assert.deepEqual(began([5, 0, 3, 0, 2, 1], { step: 60 }), { index: 4, isKnown: true });
  assert.deepEqual(began([null, null, 0, 0, 2, 1], { step: 86_400 }), { index: 4, isKnown: true });
  assert.equal(began([5, 0], { step: 3_600 }), null);
});

test("a minute that has just begun is no sign of calm", () => {
  assert.deepEqual(began([0, 4, 5, 0], { step: 60, last: 3 }), { index: 1, isKnown: true });
  assert.equal(began([0, 4, 5, 0], { step: 60, last: 30 }), null);
});

test("of a failure that is older than the series, the beginning is not known", () => {
  assert.deepEqual(began([2, 0, 0, 1]), { index: 0, isKnown: false });
  assert.deepEqual(began([null, null, 1, 1]), { index: 2, isKnown: false });
  assert.deepEqual(began([null, 4, 5, 2], { step: 60 }), { index: 1, isKnown: false });
});

test("what is calm when the series begins was calm", () => {
  assert.deepEqual(began([0, 2, 0, 1]), { index: 1, isKnown: true });
  assert.deepEqual(began([null, null, 0, 1]), { index: 3, isKnown: true });
});

test("seconds without a request are no sign of calm", () => {
  const failed = [...calm, ...calm.slice(4), 1, ...calm, 0, 1, ...calm, 0, 1];
  const all = [...ten, ...calm.slice(4), 1, ...calm, 0, 1, ...calm, 0, 1];
  assert.deepEqual(began(failed, { all }), { index: 16, isKnown: true });
  assert.deepEqual(began(failed.slice(10), { all: all.slice(10) }), { index: 6, isKnown: false });
  assert.deepEqual(began([0, 0, 6, 0, 5], { all: [9, 0, 9, 0, 9], step: 60 }), { index: 2, isKnown: true });
});

test("a time without a server is no sign of calm, and a failure may have begun in it", () => {
  assert.deepEqual(began([0, 3, null, null, 4], { step: 60 }), { index: 1, isKnown: true });
  assert.deepEqual(began([3, 0, null, 4, 4], { step: 60 }), { index: 3, isKnown: false });
  assert.deepEqual(began([null, 0, 3, null], { step: 60 }), { index: 2, isKnown: true });
});

test("since when is said in steps of the strip", () => {
  const ranking = (/** @type {Partial<Ranking>} */ change) =>
    /** @type {Ranking} */ ({ second: 1_795_322_460, window: 10, ...change });
  const requests = new Array(6).fill(9);
  assert.equal(since(ranking({}), { requests, "5xx": [...calm.slice(4, 8), 1, 1] }), "since 04:40:59 UTC");
  assert.equal(
    since(ranking({ window: 600 }), { responses: requests, "5xx": [3, 0, 3, 0, 1, 1] }),
    "since 04:40:00 UTC",
  );
  const running = ranking({ window: 36_000, second: 1_795_320_000, newest: 1_795_320_004 });
  assert.equal(since(running, { requests, "5xx": [0, 0, 3, 4, 4, 0] }), "since 2026-11-22 01:00:00 UTC");
  assert.equal(since(ranking({}), { requests: [], "5xx": [] }), "");
});
