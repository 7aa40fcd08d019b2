"""Shared by all benchmarks: a server to measure, traffic to send it, and the row of the table of results."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.fold.traffic import FIRST, LINE, SECONDS, lines

BATCH = 1_000_000
"""Approximate bytes of a push."""

STARTED = re.compile(rb"http://127\.0\.0\.1:\d+")
"""What the log of a server says once it answers requests."""

SYSLOG_PORT = re.compile(rb"(?:udp|tcp):127\.0\.0\.1:(\d+)")
"""What the log says for each syslog listener."""


def row(question: str, target: str, result: str, compared: str, *, met: bool) -> None:
    """Print one row of the table of results; `benchmarks/run` collects them."""
    print(f"| {question} | {target} | {result} | {compared} | {'met' if met else 'MISSED'} |", flush=True)


def read(url: str, data: bytes | None = None) -> bytes:
    """Return the body of the response."""
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:  # noqa: S310 - our own server
        body: bytes = answer.read()
        return body


def wait_for(condition: Callable[[], Any], seconds: float = 15) -> None:
    """Wait until `condition` holds; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still waiting after {seconds} s"
        time.sleep(0.02)


class Server(NamedTuple):
    """A server that is measured."""

    pid: int
    url: str
    log: Path
    """Its log."""

    def port(self) -> int:
        """Return the port of its syslog listener."""
        found = SYSLOG_PORT.search(self.log.read_bytes())
        assert found, self.log.read_text()
        return int(found[1])

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its threads."""
        return self._scheduled()[0]

    def _scheduled(self) -> tuple[float, float]:
        """Return the seconds in which its threads ran, and in which they waited for a core."""
        threads = [(one / "schedstat").read_text().split() for one in Path(f"/proc/{self.pid}/task").iterdir()]
        return sum(int(ran) for ran, *_ in threads) / 1e9, sum(int(waited) for _, waited, _ in threads) / 1e9

    def kernel_seconds(self) -> float:
        """Return how much of its CPU time was in the kernel, to 10 ms."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return int(stat[12]) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Return its resident memory in bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def settle(self) -> None:
        """
        Wait until it has done what it was asked: it takes, or waits for, less than a tenth of a core for 0.3 s.

        At most 5 seconds: on a busy machine it may wait for a core each time that it looks at the clock.
        """
        calm, used, deadline = 0, sum(self._scheduled()), time.monotonic() + 5
        while calm < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
            before, used = used, sum(self._scheduled())
            calm = calm + 1 if used - before < 0.01 else 0

    def entries(self, service_id: str, dataset: str = "domains") -> list[dict[str, Any]]:
        """Return the entries of the last 120 seconds."""
        found: list[dict[str, Any]] = json.loads(read(f"{self.url}/v1/{dataset}/{service_id}/ts/h"))["Data"]
        return found

    def requests(self, service_ids: list[str]) -> int:
        """Return the sum of requests over its entries."""
        entries = [entry for service_id in service_ids for entry in self.entries(service_id)]
        return sum(names["requests"] for entry in entries for names in entry["aggregated"].values())

    def now(self) -> int:
        """Return its clock, the newest cursor."""
        clock: int = json.loads(read(f"{self.url}/v1/domains/idle/ts/0"))["Timestamp"]
        return clock


@contextlib.contextmanager
def serve(*flags: str, core: int | None = None) -> Iterator[Server]:
    """Run a server with a journal on disk, pinned to `core` if given, and stop it."""
    with tempfile.TemporaryDirectory(prefix="edgetally-bench-") as folder:
        command = ["edgetally", "serve", "--listen", "127.0.0.1:0", "--data-dir", folder, *flags]
        with _running(command, Path(folder), core) as server:
            yield server


@contextlib.contextmanager
def serve_asgi(answer: bytes = b"", core: int | None = None) -> Iterator[Server]:
    """Run `benchmarks/asgi.py` on uvicorn, pinned to `core` if given, and stop it; `/answer.json` is `answer`."""
    with tempfile.TemporaryDirectory(prefix="edgetally-bench-") as folder:
        (Path(folder) / "answer.json").write_bytes(answer)
        command = ["uvicorn", "--app-dir", str(Path(__file__).parent), "asgi:app", "--port", "0", "--http", "httptools"]
        command += ["--loop", "uvloop", "--lifespan", "off", "--no-access-log", "--timeout-graceful-shutdown", "1"]
        with _running(command, Path(folder), core) as server:
            yield server


@contextlib.contextmanager
def _running(command: list[str], folder: Path, core: int | None) -> Iterator[Server]:
    """Run a Python module in `folder` from when its log has its URL, and stop it."""
    log = folder / "log"
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    with log.open("wb") as out:
        process = subprocess.Popen([*pinned, sys.executable, "-m", *command], stdout=out, stderr=out, cwd=folder)
    try:
        wait_for(lambda: STARTED.search(log.read_bytes()) or process.poll() is not None)
        found = STARTED.search(log.read_bytes())
        assert found, log.read_text()
        yield Server(process.pid, found[0].decode(), log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


SERVICE_IDS = [f"service{number}" for number in range(5)]
"""The services of the traffic."""


def batches(count: int) -> list[bytes]:
    """Return the traffic of the fold benchmark as pushes, all in one second."""
    each = BATCH // LINE
    made = list(lines(count * each))
    return [retimed(b"".join(made[at : at + each]), FIRST, FIRST + SECONDS - 1) for at in range(0, count * each, each)]


def retimed(batch: bytes, since: int, until: int | None = None) -> bytes:
    """Set all records of a batch, which has the seconds `since` to `until`, to the second `since`."""
    for second in range(since, 1 + (until or since)):
        batch = batch.replace(b'{"ts":%d' % second, b'{"ts":%d' % since)
    return batch


def at(batch: bytes, second: int) -> bytes:
    """Set a batch of the second FIRST to `second`."""
    return batch.replace(b'{"ts":%d' % FIRST, b'{"ts":%d' % second)


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
