"""What a line in a wrapper costs, against the same line by itself. See README.md."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.fold.traffic import FIRST, SECONDS, lines
from benchmarks.harness import row
from benchmarks.instructions.run import READABLE, inclusive
from edgetally import _core

FEW, MANY = 1_000, 4_000
"""Lines that are folded before their instructions are counted, and with those that are."""
FEED = "Fold::__pymethod_feed__"
"""The function in which they are counted, with all that it calls."""
ROUNDS = 5
TARGET = 4 / 3

TIME = "2026-11-22T02:20:35.123456789Z"
ENTRY = {
    "_BOOT_ID": "4d5a8f3c9a2b4c5d8e7f6a5b4c3d2e1f", "PRIORITY": "6", "_UID": "33", "_GID": "33",
    "_MACHINE_ID": "4d5a8f3c9a2b4c5d8e7f6a5b4c3d2e1f", "_HOSTNAME": "edge1", "_TRANSPORT": "stdout",
    "SYSLOG_IDENTIFIER": "nginx", "_PID": "812", "_COMM": "nginx", "_SYSTEMD_UNIT": "nginx.service",
}  # fmt: skip
"""What is the same in every entry of a journal."""


def as_json(members: dict[str, object]) -> str:
    """Return an object as log drivers write it."""
    return json.dumps(members, separators=(",", ":"))


def as_entry(line: str) -> str:
    """Return an entry of a journal. It differs from the one before as far as its line does."""
    number = sum(line[:80].encode())
    own = {
        "__CURSOR": f"s=4d5a8f3c9a2b4c5d;i={number:x};b=9a2b4c5d8e7f6a5b;m={number * 977:x};x={number * 7919:x}",
        "__REALTIME_TIMESTAMP": f"1795314035{number:06}",
        "__MONOTONIC_TIMESTAMP": f"24837{number}",
    }
    return as_json({**own, **ENTRY, "MESSAGE": line})


WRAPPERS: dict[str, Callable[[str], str]] = {
    "syslog, RFC 3164": lambda line: f"<190>Nov 22 02:20:35 edge1 nginx: {line}",
    "syslog, RFC 5424": lambda line: f"<190>1 2026-11-22T02:20:35.123456Z edge1 nginx 812 - - {line}",
    "syslog, in a file": lambda line: f"2026-11-22T02:20:35.123456+00:00 edge1 nginx: {line}",
    "CRI": lambda line: f"{TIME} stdout F {line}",
    "compose": lambda line: f"nginx-1  | {line}",
    "docker": lambda line: as_json({"log": line + "\n", "stream": "stdout", "time": TIME}),
    "journal": as_entry,
    "message": lambda line: as_json({"@timestamp": TIME, "message": line, "host": {"name": "edge1"}}),
    "comma": lambda line: line + ",",
}


def fold(log: bytes) -> _core.Fold:
    """Fold a log."""
    folding = _core.Fold()
    folding.feed(log, FIRST)
    folding.finish(FIRST)
    return folding


def counted(log: bytes) -> list[bytes]:
    """Return every entry of a log."""
    window = _core.Window()
    window.merge(fold(log).drain())
    return [sealed.entry("domains") for sealed in window.seal(FIRST + 2 * SECONDS)]


def instructions(logs: list[list[bytes]]) -> list[float]:
    """
    Return the instructions per line of folding each log, behind its first lines.

    One process folds all of them, and the counts are written and begin anew behind each call: it starts once.
    """
    with tempfile.TemporaryDirectory(prefix="edgetally-wrappers-") as folder:
        parts = []
        for number, log in enumerate(logs):
            for name, some in (("first", log[:FEW]), ("rest", log[FEW:])):
                parts.append(Path(folder, f"{name}.{number}"))
                parts[-1].write_bytes(b"".join(some))
        out = Path(folder, "out")
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--dump-after=*{FEED}*", *READABLE]
        command += [sys.executable, str(Path(__file__).with_name("parts.py")), str(FIRST), *map(str, parts)]
        subprocess.run(command, check=True, capture_output=True)
        costs = []
        for number, log in enumerate(logs):
            counts = inclusive(Path(f"{out}.{2 * number + 2}").read_text())
            found = [count for function, count in counts.items() if function.endswith(FEED)]
            assert len(found) == 1, f"callgrind did not count {FEED}"
            costs.append(found[0] / len(log[FEW:]))
        return costs


def seconds(log: bytes) -> float:
    """Return the seconds that folding takes."""
    began = time.perf_counter()
    fold(log)
    return time.perf_counter() - began


def costs(logs: dict[str, list[str]]) -> dict[str, float]:
    """Return what a line of each log costs: instructions, or seconds without valgrind."""
    encoded = {name: [f"{line}\n".encode() for line in log] for name, log in logs.items()}
    if shutil.which("valgrind"):
        return dict(zip(encoded, instructions(list(encoded.values())), strict=True))
    rounds = [{name: seconds(b"".join(log)) for name, log in encoded.items()} for _ in range(ROUNDS)]
    return {name: min(one[name] for one in rounds) / MANY for name in logs}


def main() -> None:
    """Compare the counts, then the costs."""
    plain = [line.decode().rstrip("\n") for line in lines(MANY)]
    logs = {"plain": plain, **{name: list(map(wrap, plain)) for name, wrap in WRAPPERS.items()}}
    want = counted("\n".join(plain).encode())
    for name, log in logs.items():
        assert counted("\n".join(log).encode()) == want, name
    print(f"wrappers: {MANY:,} requests; every wrapper counts the same")
    cost = costs(logs)
    for name in WRAPPERS:
        ratio = cost[name] / cost["plain"]
        row(f"fold: a line in {name}", f"<= {TARGET:.2f} x", f"{ratio:.2f} x", "the line itself", met=ratio <= TARGET)


if __name__ == "__main__":
    main()
