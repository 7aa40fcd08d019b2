"""Programs that do less, or a part, each measured in its own way; skipped where not installed."""

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.fold.traffic import FIRST, LINE

HERE = Path(__file__).parent

GOACCESS_FORMAT = (
    '{"ts":"%x.%^","pop":"%h","domain":"%v","status":"%s","cache":"%C","resp_bytes":"%b","proto":"%H","tls":"%K",'
    '"origin_ttfb_s":"%T","url":"%U"}'
)


class Skipped(Exception):
    """Why a program is not measured."""


class Seconds(NamedTuple):
    """What a run took."""

    cpu: float
    wall: float


def _run(command: list[str]) -> tuple[Seconds, bytes]:
    if shutil.which(command[0]) is None:
        raise Skipped(f"{command[0]} is not installed")
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Seconds(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall), done.stdout


def goaccess(log: Path, lines: int) -> Seconds:
    """Let GoAccess make its report of requests by host, status, cache and URL."""
    report = log.with_suffix(".goaccess.json")
    command = ["goaccess", str(log), f"--log-format={GOACCESS_FORMAT}", "--datetime-format=%s", "--no-ip-validation"]
    took, _ = _run([*command, "--no-progress", "--output", str(report)])
    counted = json.loads(report.read_bytes())["general"]["valid_requests"]
    assert counted == lines, counted
    return took


def mtail(log: Path, lines: int) -> Seconds:
    """Let mtail count requests by status, cache words and bytes."""
    command = ["mtail", "--one_shot", "--progs", str(HERE / "edge.mtail"), "--logs", str(log)]
    took, stdout = _run([*command, "--address", "127.0.0.1", "--port", "0"])
    metrics = json.loads(stdout)["requests"][0]["LabelValues"]
    counted = sum(metric["Value"]["Value"] for metric in metrics)
    assert counted == lines, counted
    return took


def simdjson(log: Path, lines: int) -> float:
    """Let simdjson read the fields; return its CPU seconds."""
    program = log.with_suffix(".simdjson")
    source = str(HERE / "simdjson.cpp")
    try:
        _run(["g++", "-O3", "-march=native", "-o", str(program), source, "-lsimdjson"])
    except subprocess.CalledProcessError as error:
        raise Skipped("simdjson is not installed, or g++ cannot compile against it") from error
    _, stdout = _run([str(program), str(log)])
    counted, _bytes, took = stdout.split()
    assert int(counted) == lines, counted
    return float(took)


def bare_fold(log: Path, lines: int) -> float:
    """Fold a log from memory, and nothing else; return the least CPU seconds of five rounds."""
    from edgetally import _core  # noqa: PLC0415 - not needed to measure the others

    blocks = []
    with log.open("rb", buffering=0) as file:
        while block := file.read(1 << 18):
            blocks.append(block)
    least = float("inf")
    for _ in range(5):
        fold = _core.Fold()
        began = time.process_time()
        for block in blocks:
            fold.feed(block, FIRST)
        fold.finish(FIRST)
        least = min(least, time.process_time() - began)
        assert fold.report().accepted == lines
    return least


def instructions(small: Path, large: Path, contend: list[str]) -> float:
    """Return the instructions per line in `contend`: the difference between a large and a small log."""
    counts = []
    for log in (small, large):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, *contend]
        if shutil.which(command[0]) is None:
            raise Skipped("valgrind is not installed")
        done = subprocess.run([*command, "--log", str(log)], check=True, capture_output=True, text=True)
        collected = done.stderr.partition("Collected :")[2].split()
        counts.append(int(collected[0]))
    return (counts[1] - counts[0]) * LINE / (large.stat().st_size - small.stat().st_size)
