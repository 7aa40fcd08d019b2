"""When ten thousand readers have what one seal brought, and what a waiting reader takes. See README.md."""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.harness import Server, percentile, read, row, serve, serve_asgi

READERS, SERVICES, ROUNDS = 10_000, 1_000, 5
LAST_MS, MEDIAN_MS, READER_KB = 500, 150, 25


def records(second: int) -> bytes:
    """Return one record per service."""
    made = [
        {"ts": second, "service_id": f"s{number}", "domain": f"www{number}.example", "status": 200, "cache": "HIT"}
        for number in range(SERVICES)
    ]
    return b"\n".join(json.dumps(one | {"resp_body_bytes": 2000, "proto": "h2"}).encode() for one in made)


def wake(server: Server) -> tuple[list[float], float]:
    """Answer all readers by one seal; return the seconds from the seal to each answer, and bytes per reader."""
    before = server.memory()
    port = str(urlsplit(server.url).port)
    command = [sys.executable, str(Path(__file__).with_name("client.py")), port, str(READERS), str(SERVICES)]
    client = subprocess.Popen([*command, str(server.now())], stdout=subprocess.PIPE, text=True)
    assert client.stdout
    assert client.stdout.readline() == "waiting\n"
    time.sleep(1.5)  # by then all requests were read, and none was answered
    each = (server.memory() - before) / READERS
    # Early in a second, so that everything is merged long before its seal.
    time.sleep(1.1 - time.time() % 1)
    read(f"{server.url}/ingest", records(int(time.time())))
    used = server.cpu_seconds()
    answers = json.loads(client.stdout.readline())
    print(f"  the server used {1000 * (server.cpu_seconds() - used):.0f} ms of CPU for one wake")
    client.wait()
    assert len(answers) == READERS
    return answers, each


class Fanout(NamedTuple):
    """Medians of several rounds."""

    last: float
    """Milliseconds from the seal to the last answer."""
    half: float
    """Milliseconds to half of the answers."""
    kb: float
    """KB of memory per waiting reader."""


def measure(name: str, serve: Callable[[], AbstractContextManager[Server]]) -> Fanout:
    """Measure several rounds of one server, and print them."""
    rounds, memory = [], []
    for _ in range(ROUNDS):
        with serve() as server:  # a new one each time, because used memory is not returned
            answers, each = wake(server)
            rounds.append([1000 * answer for answer in answers])
            memory.append(each / 1024)
    print(f"fan-out, {name}: {READERS:,} readers wait for {SERVICES:,} services, and one seal wakes all")
    print("  ms to the last answer  " + " ".join(f"{max(answers):7.0f}" for answers in rounds))
    print("  ms to half of them     " + " ".join(f"{percentile(answers, 0.5):7.0f}" for answers in rounds))
    print("  ms to the first        " + " ".join(f"{min(answers):7.0f}" for answers in rounds))
    print("  KB of memory a reader  " + " ".join(f"{each:7.1f}" for each in memory))
    return Fanout(
        statistics.median(max(answers) for answers in rounds),
        statistics.median(percentile(answers, 0.5) for answers in rounds),
        statistics.median(memory),
    )


def main() -> None:
    """Measure both servers, and print the medians."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ours, theirs = measure("edgetally", serve), measure("uvicorn", serve_asgi)
    size, peer = f"{READERS:,} readers, {SERVICES:,} services", "uvicorn, raw ASGI"
    for question, unit, target, mine, other in (
        ("last answer after the seal", "ms", LAST_MS, ours.last, theirs.last),
        ("p50 after the seal", "ms", MEDIAN_MS, ours.half, theirs.half),
        ("memory of a reader who waits", "KB", READER_KB, ours.kb, theirs.kb),
    ):
        result, compared = f"{mine:.3g} {unit}", f"{size}; {peer}: {other:.3g} {unit}"
        row(f"fan-out: {question}", f"< {target} {unit}", result, compared, met=mine < target)


if __name__ == "__main__":
    main()
