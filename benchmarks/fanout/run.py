"""When ten thousand readers have what one seal brought, and what a waiting reader takes. See README.md."""

import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.harness import Server, percentile, read, row, serve

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


def main() -> None:
    """Measure several rounds, and print the median."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rounds, memory = [], []
    for _ in range(ROUNDS):
        with serve() as server:  # a new one each time, because used memory is not returned
            answers, each = wake(server)
            rounds.append([1000 * answer for answer in answers])
            memory.append(each / 1024)
    last = statistics.median(max(answers) for answers in rounds)
    half = statistics.median(percentile(answers, 0.5) for answers in rounds)
    kb = statistics.median(memory)
    print(f"fan-out: {READERS:,} readers wait for {SERVICES:,} services, and one seal wakes all")
    print("  ms to the last answer  " + " ".join(f"{max(answers):7.0f}" for answers in rounds))
    print("  ms to half of them     " + " ".join(f"{percentile(answers, 0.5):7.0f}" for answers in rounds))
    print("  ms to the first        " + " ".join(f"{min(answers):7.0f}" for answers in rounds))
    print("  KB of memory a reader  " + " ".join(f"{each:7.1f}" for each in memory))
    compared = f"{READERS:,} readers, {SERVICES:,} services"
    row("fan-out: last answer after the seal", f"< {LAST_MS} ms", f"{last:.0f} ms", compared, met=last < LAST_MS)
    row("fan-out: p50 after the seal", f"< {MEDIAN_MS} ms", f"{half:.0f} ms", compared, met=half < MEDIAN_MS)
    row("fan-out: memory of a reader who waits", f"< {READER_KB} KB", f"{kb:.1f} KB", compared, met=kb < READER_KB)


if __name__ == "__main__":
    main()
