"""How much of the bare fold rate is left when the same lines are pushed over HTTP. See README.md."""

import http.client
import json
import statistics
import time
from urllib.parse import urlsplit

from benchmarks.fold.traffic import FIRST, LINE
from benchmarks.harness import BATCH, SERVICE_IDS, at, batches, row, serve, wait_for
from edgetally import _core

ROUNDS = 5
SECONDS = 3.0
TARGET = 0.6
DRAIN_EVERY = 100
"""Batches that a bare fold adds up before it is drained: at a GB/s, a tenth of a second."""

PER_BATCH = BATCH // LINE


def bare(pushes: list[bytes]) -> float:
    """Return the lines per second of a fold that somebody feeds and drains, and that is all."""
    fold = _core.Fold(service_id="default", pop="local")
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        fold.feed(pushes[count % len(pushes)], FIRST)
        count += 1
        if count % DRAIN_EVERY == 0:
            fold.drain()
    elapsed = time.perf_counter() - began
    assert fold.report().accepted == count * PER_BATCH
    return count * PER_BATCH / elapsed


def pushed(url: str, pushes: list[bytes]) -> tuple[int, float]:
    """Push over one connection, the next once the one before was answered; how many lines, and how many a second."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    began, count, accepted = time.perf_counter(), 0, 0
    now, current = 0, pushes
    while time.perf_counter() - began < SECONDS:
        if int(time.time()) != now:
            now = int(time.time())
            current = [at(push, now) for push in pushes]
        connection.request("POST", "/ingest", current[count % len(pushes)])
        accepted += json.loads(connection.getresponse().read())["accepted"]
        count += 1
    elapsed = time.perf_counter() - began
    assert accepted == count * PER_BATCH, "a line was refused"
    return accepted, accepted / elapsed


def main() -> None:
    """Take turns, and print the ratio."""
    pushes = batches(32)
    with serve() as server:
        total, pairs = 0, []
        for _ in range(ROUNDS):
            folded = bare(pushes)
            lines, rate = pushed(server.url, pushes)
            total += lines
            pairs.append((rate, folded))
        wait_for(lambda: server.requests(SERVICE_IDS) == total)
    ratio = statistics.median(rate / folded for rate, folded in pairs)
    print("push: one connection, batches of 1 MB, uncompressed; every line was found in an entry")
    print("  pushed lines/s " + " ".join(f"{rate:10,.0f}" for rate, _ in pairs))
    print("  folded lines/s " + " ".join(f"{folded:10,.0f}" for _, folded in pairs))
    row(
        "push: lines/s over one connection",
        f">= {TARGET:.0%}",
        f"{ratio:.0%}, {statistics.median(rate for rate, _ in pairs):,.0f} lines/s",
        "the bare fold, one thread, in turns",
        met=ratio >= TARGET,
    )


if __name__ == "__main__":
    main()
