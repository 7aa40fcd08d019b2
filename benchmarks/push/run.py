"""How much of the bare fold's rate is left when the same lines are pushed over HTTP. See README.md."""

import json
import socket
import statistics
import threading
import time
from urllib.parse import urlsplit

from benchmarks.fold.traffic import FIRST, LINE
from benchmarks.harness import BATCH, SERVICE_IDS, at, batches, row, serve, wait_for
from edgetally import _core

ROUNDS = 5
SECONDS = 1.0
TARGET = 0.6
IN_FLIGHT = 4
"""Pushes sent before the first is answered."""
DRAIN_EVERY = 100
"""Batches that the bare fold adds up before it is drained: a tenth of a second at 1 GB/s."""

PER_BATCH = BATCH // LINE


def bare(pushes: list[bytes]) -> float:
    """Return the lines per second of a fold that is fed and drained, and nothing else."""
    fold = _core.Fold()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        fold.feed(pushes[count % len(pushes)], FIRST)
        count += 1
        if count % DRAIN_EVERY == 0:
            fold.drain()
    elapsed = time.perf_counter() - began
    assert fold.report().accepted == count * PER_BATCH
    return count * PER_BATCH / elapsed


def pushed(url: str, pushes: list[bytes], in_flight: int) -> tuple[int, float]:
    """Push over one connection with so many in flight; return the lines, and lines per second."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as connection, connection.makefile("rb") as answers:
        may_send, accepted = threading.Semaphore(in_flight), []

        def listen() -> None:
            while answers.readline():
                fields = dict(line.split(b": ", 1) for line in iter(answers.readline, b"\r\n"))
                accepted.append(json.loads(answers.read(int(fields[b"Content-Length"])))["accepted"])
                may_send.release()

        listener = threading.Thread(target=listen)
        listener.start()
        began, count = time.perf_counter(), 0
        now, current = 0, pushes
        while time.perf_counter() - began < SECONDS:
            if int(time.time()) != now:
                now = int(time.time())
                current = [at(push, now) for push in pushes]
            may_send.acquire()
            body = current[count % len(current)]
            connection.sendall(b"POST /ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body))
            connection.sendall(body)
            count += 1
        for _ in range(in_flight):
            may_send.acquire()
        elapsed = time.perf_counter() - began
        connection.shutdown(socket.SHUT_WR)
        listener.join()
    assert accepted == [PER_BATCH] * count, "a line was rejected"
    return count * PER_BATCH, count * PER_BATCH / elapsed


def main() -> None:
    """Measure in turns, and print the ratio."""
    pushes = batches(32)
    with serve() as server:
        total = 0
        rates: list[tuple[float, ...]] = []
        for _ in range(ROUNDS):
            folded = bare(pushes)
            found = [pushed(server.url, pushes, in_flight) for in_flight in (IN_FLIGHT, 1)]
            total += sum(lines for lines, _ in found)
            rates.append((folded, *(rate for _, rate in found)))
        wait_for(lambda: server.requests(SERVICE_IDS) == total)
    print("push: one connection, batches of 1 MB, uncompressed; every line was found in an entry")
    for name, column in zip(("folded", f"{IN_FLIGHT} at a time", "1 at a time"), zip(*rates, strict=True), strict=True):
        print(f"  {name:<12} lines/s " + " ".join(f"{rate:10,.0f}" for rate in column))
    both = [statistics.median(one[which] / one[0] for one in rates) for which in (1, 2)]
    row(
        "push: lines/s over one connection",
        f">= {TARGET:.0%}",
        f"{both[0]:.0%}, {statistics.median(rate for _, rate, _ in rates):,.0f} lines/s; {both[1]:.0%} one at a time",
        f"the bare fold, one thread, in turns; {IN_FLIGHT} pushes in flight",
        met=both[0] >= TARGET,
    )


if __name__ == "__main__":
    main()
