"""
Measures how cost grows, and prints the results that `plot.py` draws. See README.md.

    .venv/bin/python -m benchmarks.growth.measure [CURVE...] > benchmarks/growth/results.txt
"""

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.edge import run as edge
from benchmarks.edge.readers import Counts
from benchmarks.edge.traffic import blocks
from benchmarks.fold.traffic import FIRST
from benchmarks.history.traffic import EDGE, NAMES, SERVICE, Noise, minute, seal
from edgetally import _core
from edgetally.history.base import RecordedBatch, ServiceMinute
from edgetally.history.question import HistoryQuestion
from edgetally.history.reading import HistoryReaders
from edgetally.history.retention import KeepLimits
from edgetally.history.store import HistoryFile
from edgetally.history.tiers import DAY, HOUR, MINUTE, MINUTES

LINES = 200_000
"""At least so many lines are in the second."""

PIECE = 10_000
DRAIN_EVERY = 100_000
ROUNDS = 3
LIMIT = 2_000_000

DOMAINS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
POPS = (1, 3, 10, 30, 100)
SERVICES = (1, 10, 100, 1_000, 10_000)
CONNECTIONS = (1, 8, 64, 512)
READERS = (0, 1_000, 2_000, 4_000, 8_000)
DAYS = (1, 2, 5, 10, 20, 30)

FIRST_DAY = 1_795_305_600 - 29 * DAY

SECONDS = 6.0
"""How long connections and readers are measured."""

RATE = 100_000
"""Lines per second over the connections."""

QUIET_RATE = 20_000
"""Lines per second beside the readers: enough for every one of them to have an entry of each second."""


def lines(keys: int, key: Callable[[int], str]) -> Iterator[bytes]:
    """Yield the lines of one second, which have `keys` keys as `key` numbers them, in pieces."""
    count = max(LINES, keys)
    for first in range(0, count, PIECE):
        # A prime apart, so that neighbours have nothing in common.
        made = (key(number * 7_919 % keys) for number in range(first, first + PIECE))
        yield "".join(
            f'{{"ts":{FIRST}.5,{one},"status":"200","cache":"HIT","resp_bytes":"1234"}}\n' for one in made
        ).encode()


def costs(keys: int, key: Callable[[int], str], services: Sequence[str]) -> list[float]:
    """Return the CPU time of the fold, of merging and sealing, and of the entries, in microseconds per line."""
    found = []
    for _ in range(ROUNDS):
        fold = _core.Fold(max_lateness=1 << 40)
        window = _core.Window(domains=LIMIT, pops=LIMIT, services=LIMIT)
        spent = [0.0, 0.0, 0.0]
        count = drained = 0

        def merge(window: _core.Window = window, fold: _core.Fold = fold) -> None:
            if partial := fold.drain():
                window.merge(partial)

        for piece in lines(keys, key):
            spent[0] += cpu(lambda piece=piece, fold=fold: fold.feed(piece, FIRST))
            count += PIECE
            if count - drained >= DRAIN_EVERY:
                spent[1] += cpu(merge)
                drained = count
        spent[1] += cpu(merge)
        sealed: list[_core.Sealed] = []
        spent[1] += cpu(lambda sealed=sealed, window=window: sealed.extend(window.seal(FIRST)))
        spent[2] += cpu(lambda sealed=sealed: [one.entry("domains") for one in sealed])
        assert sum(one.records for one in sealed) == fold.report().accepted == count
        assert sorted(one.service_id for one in sealed) == sorted(services)
        assert not any(one.overflowed for one in sealed)
        found.append([1e6 * one / count for one in spent])
    return [min(column) for column in zip(*found, strict=True)]


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds that `work` takes."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def domains() -> Iterator[tuple[str, float, float]]:
    """Cost of a line against domains per second."""
    for count in DOMAINS:
        yield from staged(count, costs(count, lambda key: f'"domain":"www{key}.example"', ["default"]))


def pops() -> Iterator[tuple[str, float, float]]:
    """Cost of a line against POPs: 1,000 domains in each."""
    for count in POPS:
        keys = 1_000 * count
        yield from staged(
            count, costs(keys, lambda key: f'"pop":"P{key // 1_000}","domain":"www{key % 1_000}.example"', ["default"])
        )


def services() -> Iterator[tuple[str, float, float]]:
    """Cost of a line against services: 10,000 domains in all."""
    for count in SERVICES:
        names = [f"s{number}" for number in range(count)]
        yield from staged(
            count,
            costs(10_000, lambda key, count=count: f'"service_id":"s{key % count}","domain":"www{key}.example"', names),
        )


def staged(count: int, found: list[float]) -> Iterator[tuple[str, float, float]]:
    """Yield the points of three curves, each on top of the one before."""
    fold, merged, shown = found
    yield "fold", count, fold
    yield "and merge, seal", count, fold + merged
    yield "and entries", count, fold + merged + shown


def connections() -> Iterator[tuple[str, float, float]]:
    """Cost of a line against connections that push."""
    pool = blocks(200_000)
    edge.READERS = Counts(0, 0, 0)
    for count in CONNECTIONS:
        trial = edge.measure(edge.Way("push", "push", count, RATE, 200_000, None), pool, RATE, SECONDS)
        assert not trial.missing
        yield "server", count, trial.cpu


def readers() -> Iterator[tuple[str, float, float]]:
    """CPU of a second against readers of entries."""
    pool = blocks(20_000)
    for name, counts in (
        ("long polls", lambda count: Counts(count, 0, 0)),
        ("streams", lambda count: Counts(0, count, 0)),
    ):
        for count in READERS:
            edge.READERS = counts(count)
            trial = edge.measure(edge.Way("push", "push", 8, QUIET_RATE, 20_000, None), pool, QUIET_RATE, SECONDS)
            assert not trial.missing
            yield name, count, 1000 * trial.cpu * trial.rate / 1e6


class Nothing:
    """Everything is in the file."""

    def batches(self, _services: object) -> list[RecordedBatch]:
        """Return nothing."""
        return []


def history() -> Iterator[tuple[str, float, float]]:
    """Time of questions against the days that the history has: minutes of one domain in ten POPs."""
    noise = Noise()
    hour = [minute(noise, FIRST_DAY + place * MINUTE, range(1)) for place in range(60)]
    each = sum(counters[EDGE] for one in hour for *_, counters in one.rows)
    with tempfile.TemporaryDirectory(prefix="edgetally-bench-") as folder:
        keep = KeepLimits({"minute": 10_000, "hour": 10_000, "day": 10_000}, 1 << 40)
        with closing(HistoryFile(Path(folder), keep, names=20_000)) as file:
            filled = 0
            for days in DAYS:
                for start in range(FIRST_DAY + filled * DAY, FIRST_DAY + days * DAY, HOUR):
                    file.add([*rolled_up(one.at(start + place * MINUTE) for place, one in enumerate(hour))])
                    while file.maintain(start + 2 * HOUR):
                        pass
                filled = days
                for name, asked_days in (("its last day, by minute", 1), ("all of it, by minute", days)):
                    yield name, days, answered(file.path, days, asked_days, 24 * each)


def rolled_up(partials: Iterable[bytes]) -> Iterator[ServiceMinute]:
    """Yield the minute of each partial."""
    for one in seal(partials):
        start = one.second // MINUTE * MINUTE
        rollup = _core.Rollup(start)
        rollup.add(one)
        yield ServiceMinute(SERVICE, start, rollup.close())


def answered(path: Path, days: int, asked: int, each_day: int) -> float:
    """Return the median of the milliseconds that a question takes about the newest `asked` of all days."""
    end = FIRST_DAY + days * DAY
    question = HistoryQuestion(
        services=(SERVICE,),
        dataset="domains",
        tier=MINUTES,
        start=end - asked * DAY,
        end=end,
        metrics=("edge_requests",),
        names=frozenset(NAMES[:1]),
        group_by=frozenset(),
        limit=200,
    )
    took = []
    with closing(HistoryReaders(path, Nothing())) as reader:
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            data = reader.answer(question).data
            took.append(1000 * (time.perf_counter() - began))
    (found,) = json.loads(data)
    assert sum(value["edge_requests"] for value in found["values"]) == asked * each_day
    return statistics.median(took[1:])


CURVES = {
    "domains": domains,
    "pops": pops,
    "services": services,
    "connections": connections,
    "readers": readers,
    "history": history,
}


def main() -> None:
    """Measure every curve, or those that were named."""
    print(f"# {datetime.now(UTC).date()}, {platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    for curve in sys.argv[1:] or CURVES:
        for name, x, y in CURVES[curve]():
            print(f"{curve}\t{name}\t{x}\t{y:.4g}", flush=True)


if __name__ == "__main__":
    main()
