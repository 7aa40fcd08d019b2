/** Streams of events. */

import assert from "node:assert/strict";
import test from "node:test";
import { backoff, parser } from "../../python/edgetally/api/page/static/connection.js";

const STREAM =
  'retry: 1500\n\nid: 17\nevent: ranking\ndata: {"a":1}\n\n: comment\nevent: clock\r\ndata: {}\r\n\r\nid: 18\ndata: one\ndata: two\n\n';

test("events are the same wherever the text is cut", () => {
  const whole = parser()(STREAM);
  assert.deepEqual(whole, [
    { event: "message", data: "", id: "", retry: 1500 },
    { event: "ranking", data: '{"a":1}', id: "17", retry: 0 },
    { event: "clock", data: "{}", id: "17", retry: 0 },
    { event: "message", data: "one\ntwo", id: "18", retry: 0 },
  ]);
  for (let first = 0; first <= STREAM.length; first += 1) {
    for (const second of [first, Math.min(STREAM.length, first + 1), Math.min(STREAM.length, first + 9)]) {
      const parse = parser();
      const pieces = [STREAM.slice(0, first), STREAM.slice(first, second), STREAM.slice(second)];
      assert.deepEqual(pieces.flatMap(parse), whole);
    }
  }
});

test("an event without its end is none", () => {
  assert.deepEqual(parser()("event: ranking\ndata: {}\n"), []);
});

test("tries are made further and further apart, and at random", () => {
  assert.deepEqual(
    [1, 2, 3, 4].map((tries) => backoff(tries, 1)),
    [1, 2, 4, 8],
  );
  assert.equal(backoff(30, 1), 30);
  assert.equal(backoff(1, 0), 0.5);
});
