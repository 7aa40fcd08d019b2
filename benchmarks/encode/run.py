"""How fast a sealed second becomes JSON, against orjson with dicts of the same. See README.md."""

import time
from collections.abc import Callable
from typing import Any

import orjson

from benchmarks.fold.traffic import FIRST, lines
from benchmarks.harness import row
from edgetally import _core

LINES = 400_000
ROUNDS = 15
TARGET = 2.2
DATASETS = ("domains", "origins", "origin_insights")


def sealed_second() -> list[_core.Sealed]:
    """Return the sealed seconds of the fold benchmark's traffic."""
    fold = _core.Fold()
    fold.feed(b"".join(lines(LINES)), FIRST)
    window = _core.Window()
    window.merge(fold.drain())
    return window.seal(FIRST + 60)


def timed(call: Callable[[Any], bytes], argument: object) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call(argument)
    return time.perf_counter() - began


def main() -> None:
    """Compare the answers, then measure in turns."""
    sealed = sealed_second()
    print(f"encode: {len(sealed)} seconds of a service, {LINES:,} records")
    for dataset in DATASETS:
        entries = [one.entry(dataset) for one in sealed]
        dicts = [orjson.loads(entry) for entry in entries]
        assert [orjson.loads(orjson.dumps(one)) for one in dicts] == dicts
        size = sum(map(len, entries))
        # One second after the other, as readers request them, so that none is in the CPU cache.
        rounds = [
            [(timed(one.entry, dataset), timed(orjson.dumps, each)) for one, each in zip(sealed, dicts, strict=True)]
            for _ in range(ROUNDS)
        ]
        # The least of each: anything above it is other load on the machine.
        ours = sum(min(mine for mine, _ in pairs) for pairs in zip(*rounds, strict=True))
        theirs = sum(min(other for _, other in pairs) for pairs in zip(*rounds, strict=True))
        ratio, ours, theirs = theirs / ours, size / 1e6 / ours, size / 1e6 / theirs
        print(f"  {dataset:<16} {size / 1e6:5.1f} MB: {ours:6,.0f} MB/s, orjson {theirs:6,.0f} MB/s, ratio {ratio:.2f}")
        if dataset == "domains":
            row(
                "encode: bytes of entries/s",
                f">= {TARGET}x",
                f"{ratio:.2f}x, {ours:,.0f} MB/s",
                "orjson.dumps of dicts of the same",
                met=ratio >= TARGET,
            )


if __name__ == "__main__":
    main()
