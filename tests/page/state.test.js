/** The address, and the states of the page. */

import assert from "node:assert/strict";
import test from "node:test";
import {
  arrange,
  condition,
  known,
  question,
  read,
  starting,
  unit,
  write,
} from "../../python/edgetally/api/page/static/state.js";

/** @import { Ranking } from "../../python/edgetally/api/page/static/types.js" */

const NOW = 1_795_322_468;

/**
 * @param {Partial<Ranking>} [change]
 * @returns {Ranking}
 */
function ranking(change = {}) {
  const second = NOW - 2;
  const sum = { now: [0], before: [0] };
  return {
    service: "shop",
    of: "domains",
    by: "trouble",
    second,
    Timestamp: NOW,
    AggregateDelay: 2,
    since: second - 299,
    window: 10,
    ago: 60,
    known: { now: 10, before: 10 },
    columns: ["requests"],
    all: { ...sum, series: { requests: new Array(300).fill(7) } },
    rows: [],
    rest: { ...sum, names: 0 },
    pops: [],
    focus: null,
    late: 0,
    overflowed: 0,
    other: 0,
    invalid: 0,
    ...change,
  };
}

/**
 * @param {Partial<Parameters<typeof condition>[0]>} [change]
 * @returns {[string, string]}
 */
function stateOf(change = {}) {
  const seen = {
    look: read(""),
    ranking: ranking(),
    now: NOW,
    lostAt: 0,
    retryAt: 0,
    problem: /** @type {const} */ (""),
    sentence: "",
  };
  const { name, text } = condition({ ...seen, ...change });
  return [name, text];
}

test("nothing is compared with a gap", () => {
  const at = (/** @type {number} */ gap) => {
    const requests = new Array(300).fill(7).map((one, i) => (i === gap ? null : one));
    return starting(ranking({ all: { now: [0], before: [0], series: { requests } } }));
  };
  // The last ten seconds, and the ten a minute before.
  assert.deepEqual([229, 230, 239, 240, 289, 290, 299].map(at), [false, true, true, false, false, true, true]);
});

test("an address says all of what is looked at", () => {
  const hash = "#service=shop&of=origins&by=5xx&pop=FRA&match=pay&focus=pay+%26+go&at=1795322466";
  const look = read(hash);
  assert.deepEqual(look, {
    service: "shop",
    of: "origins",
    by: "5xx",
    pop: "FRA",
    match: "pay",
    focus: "pay & go",
    at: 1_795_322_466,
    downsample: "second",
  });
  assert.equal(write(look), hash);
  assert.equal(write(read("")), "");
  assert.equal(question(look), `top/shop?of=origins&by=5xx&pop=FRA&match=pay&focus=pay+%26+go&at=1795322466`);
});

test("what an address says wrongly counts as absent", () => {
  for (const at of ["-3", "soon", "1.5", "1e99"]) assert.equal(read(`#at=${at}`).at, 0);
  assert.equal(read("#of=clouds&by=color").of, "domains");
  assert.equal(read("#of=origins&by=fetches").by, "trouble");
});

test("every state has words of its own", () => {
  const look = { ...read("#service=shop"), at: NOW - 41 };
  assert.deepEqual(stateOf(), ["live", "live"]);
  assert.deepEqual(stateOf({ ranking: null }), ["connecting", "connecting"]);
  assert.deepEqual(stateOf({ look }), ["frozen", "frozen, 41 s ago"]);
  assert.deepEqual(stateOf({ now: NOW + 9 }), ["stale", "stands still for 9 s"]);
  assert.deepEqual(stateOf({ now: NOW + 9, sentence: "disk full" }), ["stale", "stands still for 9 s: disk full"]);
  assert.deepEqual(stateOf({ lostAt: NOW - 12, retryAt: NOW + 4 }), [
    "offline",
    "no connection for 12 s, again in 4 s",
  ]);
  assert.deepEqual(stateOf({ lostAt: NOW - 12 }), ["offline", "no connection for 12 s, trying again"]);
  assert.deepEqual(stateOf({ problem: "refused" })[0], "refused");
  assert.deepEqual(stateOf({ problem: "gone" }), ["gone", "nothing is known of that time"]);
  assert.deepEqual(stateOf({ ranking: ranking({ since: NOW - 60 }) })[0], "starting");
});

test("idle is counted from the last request", () => {
  const requests = new Array(300).fill(0).fill(5, 0, 170);
  assert.deepEqual(stateOf({ ranking: ranking({ all: { now: [0], before: [0], series: { requests } } }) }), [
    "idle",
    "no requests for 2 min 10 s",
  ]);
  const none = new Array(300).fill(0);
  const idle = ranking({ all: { now: [0], before: [0], series: { requests: none } } });
  assert.deepEqual(stateOf({ ranking: idle }), ["idle", "no requests for 5 min"]);
  const young = new Array(300).fill(null).fill(0, 286);
  const unknown = ranking({ since: NOW - 14, all: { now: [0], before: [0], series: { requests: young } } });
  assert.deepEqual(stateOf({ ranking: unknown }), ["idle", "no requests for 14 s"]);
});

test("rows keep their position while the order rests", () => {
  assert.deepEqual(arrange([], ["b", "a"], false), { order: ["b", "a"], moved: [] });
  assert.deepEqual(arrange(["a", "gone", "b"], ["new", "b", "a"], true), { order: ["a", "b", "new"], moved: ["new"] });
  assert.deepEqual(arrange(["a", "b"], ["a", "b", "c"], true), { order: ["a", "b", "c"], moved: [] });
});

test("a strip of minutes, hours or days stands in the address and in the question", () => {
  for (const downsample of ["minute", "hour", "day"]) {
    const look = read(`#service=shop&downsample=${downsample}`);
    assert.equal(look.downsample, downsample);
    assert.equal(question(look), `top/shop?of=domains&by=trouble&downsample=${downsample}`);
    assert.deepEqual(stateOf({ look }), ["live", `by ${downsample}`]);
  }
  assert.equal(read("#downsample=week").downsample, "second");
});

test("the step of the strip is a tenth of what is added up", () => {
  assert.equal(unit(ranking()), 1);
  assert.equal(unit(ranking({ window: 600 })), 60);
});

test("rates are of the seconds that are known", () => {
  const young = ranking({ window: 600, ago: 3_600, known: { now: 545, before: 0 } });
  assert.equal(known(young), 545);
  assert.equal(known(young, "before"), 1);
});
