"""When ten thousand readers have what one seal brought, and what a waiting reader takes. See README.md."""

import json
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.harness import Server, percentile, read, row, serve, serve_asgi
from benchmarks.polls.run import nginx

READERS, SERVICES, ROUNDS = 10_000, 1_000, 3
DELAY = 2
"""Seconds between the start of a second and its seal, of both servers."""

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


class Wake(NamedTuple):
    """All readers were answered by one seal."""

    answers: list[float]
    """Milliseconds from the seal to each answer."""
    kb: float
    """KB of memory of a reader who waits."""
    cpu: float
    """Milliseconds of CPU of the server from the seal to the last answer."""
    kernel: float
    """How many of them were the kernel's: sending is its work."""


class Readers(NamedTuple):
    """A server, and the client whose readers wait for it."""

    server: Server
    client: subprocess.Popen[str]
    kb: float
    """KB of memory of a reader who waits."""


def waiting(server: Server) -> Readers:
    """Let all readers wait."""
    before = server.memory()
    port = str(urlsplit(server.url).port)
    command = [sys.executable, str(Path(__file__).with_name("client.py")), port, str(READERS), str(SERVICES)]
    client = subprocess.Popen([*command, str(server.now())], stdout=subprocess.PIPE, text=True)
    assert client.stdout
    assert client.stdout.readline() == "waiting\n"
    server.settle()
    return Readers(server, client, (server.memory() - before) / READERS / 1024)


def wake(readers: Readers) -> Wake:
    """Answer all readers by one seal."""
    server, client = readers.server, readers.client
    # Early in a second, so that everything is merged long before its seal.
    time.sleep(1.1 - time.time() % 1)
    second = int(time.time())
    read(f"{server.url}/ingest", records(second))
    time.sleep(second + DELAY - 0.05 - time.time())
    used, kernel = server.cpu_seconds(), server.kernel_seconds()
    assert client.stdout
    answers = json.loads(client.stdout.readline())
    used, kernel = server.cpu_seconds() - used, server.kernel_seconds() - kernel
    client.wait()
    assert len(answers) == READERS
    return Wake([1000 * answer for answer in answers], readers.kb, 1000 * used, 1000 * kernel)


class Fanout(NamedTuple):
    """Medians of several rounds."""

    last: float
    """Milliseconds from the seal to the last answer."""
    half: float
    """Milliseconds to half of the answers."""
    kb: float
    """KB of memory per waiting reader."""
    cpu: float
    """Milliseconds of CPU of the server for one wake."""
    kernel: float
    """The kernel's share of them."""


def wake_both() -> tuple[Wake, Wake]:
    """Wake the readers of Edgetally, then those of uvicorn; both are new, because used memory is not returned."""
    with serve() as ours, serve_asgi() as theirs:
        readers = waiting(ours), waiting(theirs)
        return wake(readers[0]), wake(readers[1])


def show(name: str, wakes: Sequence[Wake]) -> Fanout:
    """Print several rounds of one server; return their medians."""
    rounds = [one.answers for one in wakes]
    print(f"fan-out, {name}: {READERS:,} readers wait for {SERVICES:,} services, and one seal wakes all")
    print("  ms to the last answer  " + " ".join(f"{max(answers):7.0f}" for answers in rounds))
    print("  ms to half of them     " + " ".join(f"{percentile(answers, 0.5):7.0f}" for answers in rounds))
    print("  ms to the first        " + " ".join(f"{min(answers):7.0f}" for answers in rounds))
    print("  ms of CPU, of all      " + " ".join(f"{one.cpu:7.0f}" for one in wakes))
    print("  ms of CPU, the kernel's" + " ".join(f"{one.kernel:7.0f}" for one in wakes))
    print("  KB of memory a reader  " + " ".join(f"{one.kb:7.1f}" for one in wakes))
    return Fanout(
        statistics.median(max(answers) for answers in rounds),
        statistics.median(percentile(answers, 0.5) for answers in rounds),
        statistics.median(one.kb for one in wakes),
        statistics.median(one.cpu for one in wakes),
        sum(one.kernel for one in wakes) / sum(one.cpu for one in wakes),
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
    ours, theirs = map(show, ("edgetally", "uvicorn"), zip(*(wake_both() for _ in range(ROUNDS)), strict=True))
    rounds = [ask_at_once(ANSWER) for _ in range(ROUNDS)]
    last = statistics.median(max(answers) for answers in rounds)
    half = statistics.median(percentile(answers, 0.5) for answers in rounds)
    print(f"fan-out, nginx: a file, asked for at once: {half:.0f} ms to half of them, {last:.0f} ms to the last")
    size, peer = f"{READERS:,} readers, {SERVICES:,} services", "uvicorn, raw ASGI"
    for question, unit, target, mine, other, limit in (
        ("last answer after the seal", "ms", LAST_MS, ours.last, theirs.last, last),
        ("p50 after the seal", "ms", MEDIAN_MS, ours.half, theirs.half, half),
        ("memory of a reader who waits", "KB", READER_KB, ours.kb, theirs.kb, None),
    ):
        result, compared = f"{mine:.3g} {unit}", f"{size}; {peer}: {other:.3g} {unit}"
        compared += f"; nginx, a file asked for at once: {limit:.3g} {unit}" if limit else ""
        row(f"fan-out: {question}", f"< {target} {unit}", result, compared, met=mine < target)
    shares = [f"{each.cpu:.0f} ms, {each.kernel:.0%} of it the kernel's" for each in (ours, theirs)]
    row(
        "fan-out: CPU of a wake",
        "less than the peer",
        shares[0],
        f"{size}; {peer}: {shares[1]}",
        met=ours.cpu < theirs.cpu,
    )


if __name__ == "__main__":
    main()
