/** Numbers as paths. */

import assert from "node:assert/strict";
import test from "node:test";
import { areas, depth, largest, layers, slices } from "../../python/edgetally/api/page/static/picture.js";

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
