"""What many followed files cost, while they are idle and when all of them are rotated. See README.md."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Server, read, row, serve, wait_for

IDLE_FILES = 1_000
IDLE_SECONDS = 10
IDLE_CORES = 0.1
LOGS = 300
GENERATIONS = 30
STALL_MS = 50
RESTART_SECONDS = 2.0
LINE = b'{"domain":"a.example","status":200,"resp_body_bytes":100}\n'
ACCEPTED = re.compile(rb"^edgetally_records_accepted_total (\d+)", re.MULTILINE)

ROTATE = """
import os, sys
folder, logs, generations = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for log in range(logs):
    for number in range(generations, 0, -1):
        os.rename(f"{folder}/{log}.log.{number}", f"{folder}/{log}.log.{number + 1}")
    os.rename(f"{folder}/{log}.log", f"{folder}/{log}.log.1")
    with open(f"{folder}/{log}.log", "wb") as file:
        file.write(sys.argv[4].encode() + b"\\n")
"""
"""Rotates all logs, and writes a line to each new file."""


def accepted(server: Server) -> int:
    """Return how many lines count so far."""
    found = ACCEPTED.search(read(f"{server.url}/metrics"))
    assert found
    return int(found[1])


def rotate(folder: Path, generations: int) -> subprocess.Popen[bytes]:
    """Rotate all logs, in a process beside this one."""
    line = LINE.decode().strip()
    return subprocess.Popen([sys.executable, "-c", ROTATE, folder, str(LOGS), str(generations), line])


def slowest_while(server: Server, condition: Callable[[], bool]) -> float:
    """Ask for `/healthz` until `condition` holds, and return the longest answer in ms."""
    times, deadline = [0.0], time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        asked = time.perf_counter()
        read(f"{server.url}/healthz")
        times.append(1000 * (time.perf_counter() - asked))
        time.sleep(0.001)
    return max(times)


def idle(folder: Path) -> float:
    """Return the cores that idle files take."""
    for number in range(IDLE_FILES):
        (folder / f"{number}.log").touch()
    with serve("--follow", f"{folder}/*.log") as server:
        time.sleep(2)
        for number in range(IDLE_FILES):
            with (folder / f"{number}.log").open("ab") as file:
                file.write(LINE)
        wait_for(lambda: accepted(server) == IDLE_FILES, 30)
        time.sleep(3)
        before, began = server.cpu_seconds(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        return (server.cpu_seconds() - before) / (time.monotonic() - began)


def rotated(folder: Path, data: Path) -> tuple[float, float]:
    """Return the longest answer in ms while all logs are rotated, and the seconds that a restart takes to read on."""
    for log in range(LOGS):
        for number in range(1, GENERATIONS + 1):
            (folder / f"{log}.log.{number}").write_bytes(LINE)
            os.utime(folder / f"{log}.log.{number}", (1_000_000_000, 1_000_000_000))
        (folder / f"{log}.log").touch()
    flags = ("--follow", f"{folder}/*.log", "--data-dir", str(data))
    with serve(*flags) as server:
        time.sleep(3)
        rotation = rotate(folder, GENERATIONS)
        slowest = slowest_while(server, lambda: rotation.poll() is not None and accepted(server) >= LOGS)
        time.sleep(1)
        assert accepted(server) == LOGS, "older generations were read again"
        os.kill(server.pid, signal.SIGKILL)
    assert rotate(folder, GENERATIONS + 1).wait() == 0
    began = time.monotonic()
    with serve(*flags) as server:
        wait_for(lambda: accepted(server) >= LOGS, 60)
        seconds = time.monotonic() - began
        time.sleep(1)
        assert accepted(server) == LOGS, "older generations were read again"
    return slowest, seconds


def main() -> None:
    """Measure, and print the rows."""
    with tempfile.TemporaryDirectory(prefix="edgetally-bench-") as folder:
        cores = idle(Path(folder))
    row(
        f"follow: {IDLE_FILES:,} idle files",
        f"<= {IDLE_CORES} cores",
        f"{cores:.3f} cores",
        "",
        met=cores <= IDLE_CORES,
    )
    with tempfile.TemporaryDirectory(prefix="edgetally-bench-") as folder, tempfile.TemporaryDirectory() as data:
        slowest, seconds = rotated(Path(folder), Path(data))
    row(
        f"follow: {LOGS} logs with {GENERATIONS} generations, all renamed",
        f"answers in {STALL_MS} ms, restart in {RESTART_SECONDS:g} s",
        f"{slowest:.0f} ms, {seconds:.1f} s",
        "",
        met=slowest <= STALL_MS and seconds <= RESTART_SECONDS,
    )


if __name__ == "__main__":
    main()
