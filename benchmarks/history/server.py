"""A server while hours are compacted, and how long one with much history takes to start."""

import http.client
import json
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from traffic import SERVICE, Minute, seal

from benchmarks.harness import Server, percentile, read, serve
from edgetally import _core
from edgetally.history.base import ServiceMinute
from edgetally.history.retention import KeepLimits
from edgetally.history.store import HistoryFile
from edgetally.history.tiers import HOUR, MINUTE

HOURS = 6
"""Hours that are compacted, one after the other."""

SECONDS = 5.0
"""How long requests are measured without compaction."""

EVERY = 0.01
"""Seconds between two pushes, and between two polls."""

LINES = 100
STARTS = 5


class Tail(NamedTuple):
    """The 99th percentiles of pushes and of polls, in milliseconds."""

    pushes: float
    polls: float


def repeated(address: str, request: Callable[[http.client.HTTPConnection], None], done: threading.Event) -> list[float]:
    """Make a request at a steady pace; return how many milliseconds each took."""
    took = []
    with closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        due = time.perf_counter()
        while not done.is_set():
            began = time.perf_counter()
            request(connection)
            took.append(1000 * (time.perf_counter() - began))
            due += EVERY
            time.sleep(max(0.0, due - time.perf_counter()))
    return took


def tail(server: Server, is_over: Callable[[float], bool]) -> Tail:
    """Push and poll until it is over, given for how many seconds that has been done."""
    lines = (
        {"service_id": "live", "domain": f"d{n}.example", "status": 200, "cache": "HIT", "resp_body_bytes": 900}
        for n in range(LINES)
    )
    body = "\n".join(map(json.dumps, lines)).encode()

    def push(connection: http.client.HTTPConnection) -> None:
        connection.request("POST", "/ingest", body)
        assert json.loads(connection.getresponse().read())["accepted"] == LINES

    def poll(connection: http.client.HTTPConnection) -> None:
        connection.request("GET", "/v1/domains/live/ts/h/limit/1")
        assert b"Timestamp" in connection.getresponse().read()

    done, found = threading.Event(), {}
    address = urlsplit(server.url).netloc
    threads = [
        threading.Thread(target=lambda name, made: found.update({name: repeated(address, made, done)}), args=one)
        for one in (("pushes", push), ("polls", poll))
    ]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    while not is_over(time.perf_counter() - began):
        time.sleep(EVERY)
    done.set()
    for thread in threads:
        thread.join()
    return Tail(**{name: percentile(took, 0.99) for name, took in found.items()})


def fill(directory: Path, hour: Sequence[Minute]) -> None:
    """Fill a history with hours that are over and not compacted."""
    first = int(time.time()) // HOUR * HOUR - HOURS * HOUR
    with closing(
        HistoryFile(directory, KeepLimits(dict.fromkeys(("minute", "hour", "day"), 99), 1 << 40), names=20_000)
    ) as file:
        sealed = seal(one.at(first + place * MINUTE) for place, one in times(hour))
        minutes = (closed(one, start) for one, start in zip(sealed, count(first, MINUTE), strict=False))
        while some := list(islice(minutes, len(hour))):
            file.add(some)


def closed(sealed: _core.Sealed, start: int) -> ServiceMinute:
    """Roll a second up to its minute."""
    rollup = _core.Rollup(start)
    rollup.add(sealed)
    return ServiceMinute(SERVICE, start, rollup.close())


def times(hour: Sequence[Minute]) -> list[tuple[int, Minute]]:
    """Return the minutes of all hours, numbered."""
    return list(enumerate([*hour] * HOURS))


def beside_compaction(hour: Sequence[Minute]) -> tuple[Tail, Tail]:
    """Return the tails without and with compaction."""
    with serve() as server:
        without = tail(server, lambda seconds: seconds > SECONDS)
    with tempfile.TemporaryDirectory(prefix="edgetally-bench-") as folder:
        fill(Path(folder), hour)

        def left() -> int:
            with closing(sqlite3.connect(Path(folder) / "history.sqlite")) as database:
                ((minutes,),) = database.execute("SELECT count(*) FROM minutes")
                return int(minutes)

        before = left()
        assert before == HOURS * len(hour)
        with serve("--data-dir", folder) as server:
            beside = tail(server, lambda _: left() <= len(hour))
    return without, beside


def starts(directory: Path) -> tuple[float, float]:
    """Return the medians of the milliseconds until a server answers: with an empty directory, and with this one."""

    def start(*flags: str) -> float:
        began = time.perf_counter()
        with serve(*flags) as server:
            assert b'"Data":[]' in read(f"{server.url}/v1/domains/idle/ts/h")
            return 1000 * (time.perf_counter() - began)

    rounds = [(start(), start("--data-dir", str(directory))) for _ in range(STARTS)]
    empty, full = zip(*rounds[1:], strict=True)
    return statistics.median(empty), statistics.median(full)
