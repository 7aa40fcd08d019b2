"""How fast does a sealed second become JSON, against orjson with dicts of the same. See README.md."""

import statistics
import time

import orjson

from benchmarks.fold.traffic import FIRST, lines
from benchmarks.harness import row
from edgetally import _core

LINES = 400_000
ROUNDS = 15
TARGET = 3.0
DATASETS = ("domains", "origins", "origin_insights")


def sealed_second() -> list[_core.Sealed]:
    """Return the seconds of the traffic that the fold is measured with, sealed."""
    fold = _core.Fold(service_id="default", pop="local")
    fold.feed(b"".join(lines(LINES)), FIRST)
    window = _core.Window(domains=10_000, origins=1_000, addresses=10_000, pops=1_000, services=10_000)
    window.merge(fold.drain())
    return window.seal(FIRST + 60)


def main() -> None:
    """Compare what they say, then take turns."""
    sealed = sealed_second()
    print(f"encode: {len(sealed)} seconds of a service, {LINES:,} records")
    for dataset in DATASETS:
        entries = [one.entry(dataset) for one in sealed]
        dicts = [orjson.loads(entry) for entry in entries]
        assert [orjson.loads(orjson.dumps(one)) for one in dicts] == dicts
        size = sum(map(len, entries))
        pairs = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for one in sealed:
                one.entry(dataset)
            between = time.perf_counter()
            for each in dicts:
                orjson.dumps(each)
            pairs.append((between - began, time.perf_counter() - between))
        ratio = statistics.median(theirs / ours for ours, theirs in pairs)
        ours, theirs = (size / 1e6 / statistics.median(times) for times in zip(*pairs, strict=True))
        print(f"  {dataset:<16} {size / 1e6:5.1f} MB: {ours:6,.0f} MB/s, orjson {theirs:6,.0f} MB/s, ratio {ratio:.2f}")
        if dataset == "domains":
            row(
                "encode: bytes of entries/s",
                f">= {TARGET:.0f}x",
                f"{ratio:.2f}x, {ours:,.0f} MB/s",
                "orjson.dumps of dicts of the same",
                met=ratio >= TARGET,
            )


if __name__ == "__main__":
    main()
