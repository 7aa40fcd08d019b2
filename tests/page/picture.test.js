/** Numbers as paths. */

import assert from "node:assert/strict";
import test from "node:test";
import {
  areas,
  beginning,
  depth,
  gaps,
  largest,
  layers,
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

test("a failure began after the last ten calm seconds", () => {
  const calm = new Array(10).fill(0);
  assert.deepEqual(beginning([...calm, 0, 2, 0, 1]), { index: 11, isKnown: true });
  assert.deepEqual(beginning([3, ...calm, 2, ...calm.slice(1)]), { index: 11, isKnown: true });
  assert.equal(beginning([3, ...calm]), null);
  assert.equal(beginning([]), null);
});

test("of a failure that is older than the series, the beginning is not known", () => {
  assert.deepEqual(beginning([0, 2, 0, 1]), { index: 0, isKnown: false });
  assert.deepEqual(beginning([null, null, 0, 1]), { index: 2, isKnown: false });
  assert.equal(beginning([1, null, 0]), null);
});
