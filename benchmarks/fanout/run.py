"""When ten thousand readers have what one seal brought, and what a waiting reader takes. See README.md."""

import json
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.harness import Server, percentile, read, row, serve, serve_asgi
from benchmarks.polls.run import nginx

READERS, SERVICES, ROUNDS = 10_000, 1_000, 5
LAST_MS, MEDIAN_MS, READER_KB = 200, 90, 25
PORT = 8498
"""Of nginx."""


MEASURED = {"edge_requests": 1, "edge_hit_requests": 1, "edge_resp_body_bytes": 2000, "requests": 1, "status_200": 1}
ANSWER = json.dumps(
    {
        "Data": [
            {
                "recorded": 1_763_769_600,
                "aggregated": {"www1.example": MEASURED},
                "datacenter": {"local": {"www1.example": MEASURED}},
            }
        ],
        "Timestamp": 1_763_769_601,
        "AggregateDelay": 2,
    }
).encode()
"""About as many bytes as each reader gets."""


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


def ask_at_once(body: bytes) -> list[float]:
    """Have all readers ask nginx for `body` at once; return the milliseconds from the first request to each answer."""
    with tempfile.TemporaryDirectory() as folder:
        server, url = nginx(Path(folder), body, PORT, pinned=False)
        try:
            command = [sys.executable, str(Path(__file__).with_name("client.py")), str(PORT), str(READERS)]
            client = subprocess.run(
                [*command, "1", "0", urlsplit(url).path], capture_output=True, text=True, check=True
            )
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
    answers: list[float] = json.loads(client.stdout.splitlines()[1])
    assert len(answers) == READERS
    return [1000 * answer for answer in answers]


def main() -> None:
    """Measure both servers, and print the medians."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ours, theirs = measure("edgetally", serve), measure("uvicorn", serve_asgi)
    rounds = [ask_at_once(ANSWER) for _ in range(ROUNDS)]
    file = Fanout(
        statistics.median(max(answers) for answers in rounds),
        statistics.median(percentile(answers, 0.5) for answers in rounds),
        0.0,
    )
    print(
        f"fan-out, nginx: a file, asked for at once: {file.half:.0f} ms to half of them, {file.last:.0f} ms to the last"
    )
    size, peer = f"{READERS:,} readers, {SERVICES:,} services", "uvicorn, raw ASGI"
    for question, unit, target, mine, other, limit in (
        ("last answer after the seal", "ms", LAST_MS, ours.last, theirs.last, file.last),
        ("p50 after the seal", "ms", MEDIAN_MS, ours.half, theirs.half, file.half),
        ("memory of a reader who waits", "KB", READER_KB, ours.kb, theirs.kb, None),
    ):
        result, compared = f"{mine:.3g} {unit}", f"{size}; {peer}: {other:.3g} {unit}"
        compared += f"; nginx, a file asked for at once: {limit:.3g} {unit}" if limit else ""
        row(f"fan-out: {question}", f"< {target} {unit}", result, compared, met=mine < target)


if __name__ == "__main__":
    main()
