"""What envelopes and ids cost a reader, and which part of a large cluster reaches its limit first. See README.md."""

import gc
import os
import secrets
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from benchmarks.cluster.model import Rates, report
from benchmarks.fold.traffic import FIRST
from benchmarks.harness import row
from edgetally import _core

SERVICES, DOMAINS, LINES = 40, 10, 2
"""Of one drain of a node. Each domain has so many lines."""

ROWS = SERVICES * (DOMAINS + 1)
"""Of its partial: one for each domain, and one for each service."""

PARTITIONS, NODES, SECONDS, ROUNDS = 12, 100, 10, 5
IDS = 500_000
READ_ROWS = 5e6


class Drain(NamedTuple):
    """What a node appends at once."""

    second: int
    partial: bytes
    envelopes: Sequence[tuple[int, bytes]]


def lines(second: int) -> bytes:
    """Return the lines of one drain."""
    made = [
        f'{{"ts":{second},"service_id":"service-{service}","domain":"www{domain}.example{service}.com","pop":"fra",'
        '"status":200,"cache":"HIT","proto":"h2","tls":"1.3","resp_bytes":61234,"resp_body_bytes":60734}\n'
        for service in range(SERVICES)
        for domain in range(DOMAINS)
    ]
    return LINES * "".join(made).encode()


def folded(second: int) -> bytes:
    """Return the partial of one drain."""
    fold = _core.Fold()
    fold.feed(lines(second), second)
    return fold.drain()


def envelopes(partial: bytes, second: int) -> list[tuple[int, bytes]]:
    """Return the envelopes of a partial."""
    return _core.envelopes(
        [(secrets.token_bytes(16), partial)], born=second, attempt=secrets.randbits(64), partitions=PARTITIONS
    )


def merged(drains: Sequence[Drain]) -> list[_core.Window]:
    """Merge all partials into one window."""
    window = _core.Window()
    for drain in drains:
        window.merge(drain.partial)
    return [window]


def read(drains: Sequence[Drain]) -> list[_core.Window]:
    """Read all envelopes, and merge what counts into the window of each partition."""
    readers = [_core.LogReader(horizon=600, aggregate_delay=2, is_beginning=True) for _ in range(PARTITIONS)]
    windows = [_core.Window() for _ in range(PARTITIONS)]
    for drain in drains:
        for number, envelope in drain.envelopes:
            windows[number].merge(readers[number].read(envelope, drain.second * 1000).partial)
    return windows


def entries(windows: Sequence[_core.Window]) -> list[tuple[int, str, bytes]]:
    """Return all entries."""
    sealed = chain.from_iterable(window.seal(FIRST + SECONDS) for window in windows)
    return sorted((one.second, one.service_id, one.entry("domains")) for one in sealed)


def fastest(work: Callable[[], object]) -> float:
    """Return the seconds of CPU that it takes at best."""
    found = []
    for _ in range(ROUNDS):
        gc.collect()
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def id_bytes() -> float:
    """Return the memory that an id takes."""
    reader = _core.LogReader(horizon=600, aggregate_delay=2, is_beginning=True)
    partial = folded(FIRST)
    before = resident()
    for _ in range(IDS):
        ((_, envelope), *_) = _core.envelopes([(secrets.token_bytes(16), partial)], born=FIRST, attempt=0, partitions=1)
        reader.read(envelope, FIRST * 1000)
    assert reader.ids == IDS
    return (resident() - before) / IDS


def main() -> None:
    """Measure, and put the rates into the model."""
    drains = []
    for second in range(FIRST, FIRST + SECONDS):
        partial = folded(second)
        drains += [Drain(second, partial, envelopes(partial, second)) for _ in range(NODES)]
    rows = ROWS * len(drains)
    expected, found = entries(merged(drains)), entries(read(drains))
    assert len(expected) == SERVICES * SECONDS
    assert found == expected, "the entries of the partitions are not those of the whole"

    plain, reading = fastest(lambda: merged(drains)), fastest(lambda: read(drains))
    text = lines(FIRST)
    fold = _core.Fold()

    def fold_only() -> None:
        for _ in range(NODES):
            fold.feed(text, FIRST)
            fold.drain()

    def fold_and_append() -> None:
        for _ in range(NODES):
            fold.feed(text, FIRST)
            envelopes(fold.drain(), FIRST)

    partial = drains[0].partial
    folding, appending = fastest(fold_only), fastest(fold_and_append)
    splitting = fastest(lambda: [envelopes(partial, FIRST) for _ in range(NODES)])
    windows = merged(drains)
    start = time.process_time()
    sealed = windows[0].seal(FIRST + SECONDS)
    sealing = time.process_time() - start
    rates = Rates(
        folded_lines=NODES * SERVICES * DOMAINS * LINES / folding,
        appended_rows=NODES * ROWS / splitting,
        read_rows=rows / reading,
        sealed_rows=SECONDS * ROWS / sealing,
        row_bytes=len(partial) / ROWS,
        sealed_row_bytes=sum(one.size for one in sealed) / (SECONDS * ROWS),
        id_bytes=id_bytes(),
    )
    print(
        f"cluster: {len(drains):,} drains of {ROWS} rows; the entries of {PARTITIONS} partitions are those of the whole"
    )
    for name, value in rates._asdict().items():
        print(f"  {name:18}{value:14,.0f}")
    print(report(rates))
    print(f"  lines folded and put into envelopes, compared with folded only: {folding / appending:.0%}")
    rate, compared = rates.read_rows, f"merged without envelopes: {rows / plain / 1e6:.1f} M/s"
    row(
        "cluster: rows that a reader merges per core", "5 M/s", f"{rate / 1e6:.1f} M/s", compared, met=rate >= READ_ROWS
    )


if __name__ == "__main__":
    main()
