/** Numbers as text. */

import assert from "node:assert/strict";
import test from "node:test";
import {
  bucket,
  change,
  duration,
  full,
  offload,
  percent,
  percentile,
  short,
  time,
} from "../../python/edgetally/api/page/static/format.js";

test("numbers have three digits and a unit", () => {
  const texts = [0, 0.001, 0.4, 1, 6.874, 37.12, 125.4, 999.6, 1_152, 207_000_000, 4e12].map(short);
  assert.deepEqual(texts, ["0", "<0.01", "0.40", "1.00", "6.87", "37.1", "125", "1.00 k", "1.15 k", "207 M", "4.00 T"]);
  for (let value = 0.01; value < 1e15; value *= 1.07) {
    const [digits] = short(value).split(" ");
    assert.ok(digits.replace(/^0?\.?0*/, "").replace(".", "").length <= 3, short(value));
  }
});

test("a share is 0 only if nothing is, and 100 only if all is", () => {
  assert.equal(percent(0, 0), "–");
  assert.equal(percent(0, 10), "0");
  assert.equal(percent(1, 1_000_000), "<0.1");
  assert.equal(percent(13, 1_000), "1.3");
  assert.equal(percent(995, 10_000), "10");
  assert.equal(percent(87, 100), "87");
  assert.equal(percent(999_999, 1_000_000), ">99.9");
  assert.equal(percent(1_000_000, 1_000_000), "100");
  for (const whole of [3, 1_000, 123_457]) {
    for (let part = 0; part <= whole; part += Math.ceil(whole / 1_000)) {
      assert.equal(percent(part, whole) === "0", part === 0);
      assert.equal(percent(part, whole) === "100", part === whole);
    }
  }
});

test("offload is never negative", () => {
  assert.equal(offload(100, 6), "94");
  assert.equal(offload(100, 600), "0");
  assert.equal(offload(0, 6), "–");
});

test("a change is shown from 10 % on, in words", () => {
  const changes = [change(95, 100), change(109, 100), change(78, 100), change(116, 100), change(900, 100)];
  assert.deepEqual(changes, ["", "", "▼22%", "▲16%", "×9.0"]);
  assert.deepEqual([change(5, 0), change(0, 5), change(0, 0)], ["new", "gone", ""]);
  assert.equal(change(3_000, 1), "×3.00 k");
});

test("a percentile is the end of its bucket", () => {
  assert.equal(percentile(new Array(12).fill(0), 0.5), "–");
  const buckets = [0, 0, 10, 80, 9, 0, 0, 0, 0, 0, 0, 1];
  assert.deepEqual(
    [0.5, 0.95, 0.99, 1].map((share) => percentile(buckets, share)),
    ["≤50 ms", "≤100 ms", "≤100 ms", ">60 s"],
  );
  assert.equal(bucket(0), "≤1 ms");
});

test("times", () => {
  assert.deepEqual([0, 41, 60, 130, 11_100].map(duration), ["0 s", "41 s", "1 min", "2 min 10 s", "3 h 5 min"]);
  assert.deepEqual([36_000, 36_059, 216_000, 432_000].map(duration), ["10 h", "10 h", "2 days 12 h", "5 days"]);
  assert.equal(time(1_795_322_466), "04:41:06");
  assert.equal(full(1_234_567), "1\u202f234\u202f567");
});
