"""How many syslog lines per second are received without loss, over UDP and TCP. See README.md."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import SERVICE_IDS, Server, percentile, read, row, serve

ROOT = Path(__file__).parents[2]
SECONDS = 10
UDP_TARGET = 200_000
AS_FAST_AS_POSSIBLE = 100_000_000
POLL_EVERY = 0.05


class Run(NamedTuple):
    """The result of one measurement."""

    rate: float
    """Lines sent per second."""
    missing: int
    """Lines missing from the entries."""
    cpu: float
    """CPU seconds per second, of all threads of the server."""
    polls_ms: list[float]
    """How long the API took to answer."""


def counted(server: Server, sent: int) -> int:
    """Wait until the entries stop growing; return the sum of their requests."""
    found = server.requests(SERVICE_IDS)
    deadline = time.monotonic() + 20
    while found < sent and time.monotonic() < deadline:
        time.sleep(1.1)
        before, found = found, server.requests(SERVICE_IDS)
        if before == found:
            break
    return found


def measure(kind: str, rate: int) -> Run:
    """Send traffic, and poll the API."""
    with serve("--syslog", f"{kind}:127.0.0.1:0", core=0) as server:
        command = ["taskset", "-c", "1", sys.executable, "-m", "benchmarks.syslog.sender"]
        command += [kind, str(server.port()), str(rate), str(SECONDS)]
        sender = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        polls_ms, before, began = [], server.cpu_seconds(), time.monotonic()
        while sender.poll() is None:
            asked = time.perf_counter()
            read(f"{server.url}/v1/domains/{SERVICE_IDS[0]}/ts/0")
            polls_ms.append(1000 * (time.perf_counter() - asked))
            time.sleep(POLL_EVERY)
        cpu = (server.cpu_seconds() - before) / (time.monotonic() - began)
        assert sender.stdout
        said = json.loads(sender.stdout.read())
        time.sleep(3)
        return Run(said["sent"] / said["seconds"], said["sent"] - counted(server, said["sent"]), cpu, polls_ms)


def main() -> None:
    """Measure UDP at the target rate, and TCP, which applies backpressure, at full speed."""
    # Slightly above the target, because the rate that was reached counts.
    for kind, rate in (("udp", UDP_TARGET * 1.03), ("tcp", AS_FAST_AS_POSSIBLE)):
        run = measure(kind, round(rate))
        half, most = (percentile(run.polls_ms, share) for share in (0.5, 0.99))
        print(
            f"syslog {kind}: {run.rate:,.0f} lines/s for {SECONDS} s, {run.missing:,} missing; "
            f"the server used {run.cpu:.0%} of its core; the API answered in {half:.1f} ms (p50), {most:.1f} ms (p99)",
            flush=True,
        )
        target = UDP_TARGET if kind == "udp" else 0
        row(
            f"syslog {kind}: lines/s for {SECONDS} s, none missing",
            f">= {target:,}" if target else "none set",
            f"{run.rate:,.0f}/s, {run.missing:,} missing, {run.cpu:.0%} of a core",
            "one receiving core, API answers meanwhile",
            met=run.rate >= target and not run.missing,
        )


if __name__ == "__main__":
    main()
