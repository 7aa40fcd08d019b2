"""When ten thousand readers have what one seal brought, as streams and as long polls. See README.md."""

import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.harness import percentile, read, row, serve

READERS, SERVICES, ROUNDS = 10_000, 1_000, 3
LAST_MS = 250


class Measured(NamedTuple):
    """Medians of several seconds."""

    half: float
    """Milliseconds from the seal until half of the readers have the entry."""
    last: float
    """Until all have it."""
    cpu: float
    """Milliseconds of CPU that the server used for each second, pushes included."""


def records(second: int) -> bytes:
    """Return one record per service."""
    made = [
        {"ts": second, "service_id": f"s{number}", "domain": f"www{number}.example", "status": 200, "cache": "HIT"}
        for number in range(SERVICES)
    ]
    return b"\n".join(json.dumps(one | {"resp_body_bytes": 2000, "proto": "h2"}).encode() for one in made)


def measure(kind: str) -> Measured:
    """Let all readers have the entries of some seconds, and print when they did."""
    with serve() as server:
        port = str(urlsplit(server.url).port)
        command = [sys.executable, str(Path(__file__).with_name("client.py")), port, str(READERS), str(SERVICES)]
        client = subprocess.Popen([*command, str(server.now()), str(ROUNDS), kind], stdout=subprocess.PIPE, text=True)
        assert client.stdout
        assert client.stdout.readline() == "waiting\n"
        server.settle()  # all requests were read, and none was answered
        rounds, used = [], []
        for _ in range(ROUNDS):
            # Early in a second, so that everything is merged long before its seal.
            time.sleep(1.1 - time.time() % 1)
            before = server.cpu_seconds()
            read(f"{server.url}/ingest", records(int(time.time())))
            rounds.append([1000 * answer for answer in json.loads(client.stdout.readline())])
            server.settle()  # polls are asked again
            used.append(1000 * (server.cpu_seconds() - before))
        client.wait()
    print(f"streams: {READERS:,} readers of {SERVICES:,} services, {kind}")
    print("  ms to half of them     " + " ".join(f"{percentile(answers, 0.5):7.0f}" for answers in rounds))
    print("  ms to the last         " + " ".join(f"{max(answers):7.0f}" for answers in rounds))
    print("  ms of CPU of the server" + " ".join(f"{each:7.0f}" for each in used))
    half = statistics.median(percentile(answers, 0.5) for answers in rounds)
    return Measured(half, statistics.median(max(answers) for answers in rounds), statistics.median(used))


def main() -> None:
    """Measure both, and print the medians."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    streams, polls = measure("stream"), measure("poll")
    size = f"{READERS:,} readers, {SERVICES:,} services; long polls: "
    row(
        "streams: last event after the seal",
        f"< {LAST_MS} ms",
        f"{streams.last:.0f} ms, half {streams.half:.0f} ms",
        f"{size}{polls.last:.0f} ms, half {polls.half:.0f} ms",
        met=streams.last < LAST_MS,
    )
    row(
        "streams: CPU of a second",
        "less than long polls",
        f"{streams.cpu:.0f} ms",
        f"{size}{polls.cpu:.0f} ms",
        met=streams.cpu < polls.cpu,
    )


if __name__ == "__main__":
    main()
