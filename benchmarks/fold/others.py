"""Programs that do less, and parts of the job; skipped where not installed."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from benchmarks.fold.question import Answer
from benchmarks.fold.traffic import FIRST, LINE

HERE = Path(__file__).parent

GOACCESS_FORMAT = (
    '{"ts":"%x.%^","pop":"%h","domain":"%v","status":"%s","cache":"%C","resp_bytes":"%b","proto":"%H","tls":"%K",'
    '"origin_ttfb_s":"%T","url":"%U"}'
)

COUNTED = re.compile(r"I +refs: +([\d,]+)")
"""What valgrind says of instructions."""

Counts = dict[tuple[Any, ...], Counter[str]]
"""`requests` and `resp_bytes` by second, service, POP and domain, or by nothing."""


class Skipped(Exception):
    """Why a program is not measured."""


def counts(answer: Answer, parts: int) -> Counts:
    """Return what all of the answer says of requests and bytes by the first `parts` of second, service, POP, domain."""
    found: Counts = defaultdict(Counter)
    for key, numbers in answer["domains"].items():
        if key[2]:  # of a POP, not of all of them
            size = sum(numbers.get(f"resp_{part}_bytes", 0) for part in ("header", "body"))
            found[key[:parts]].update(requests=numbers["requests"], resp_bytes=size)
    return found


class GoAccess:
    """Its report of requests by host, status, cache and URL."""

    command, missing, parts = "goaccess", "goaccess is not installed", 0

    def run(self, path: Path, out: Path) -> None:
        """Make the report; this is what is measured."""
        options = [f"--log-format={GOACCESS_FORMAT}", "--datetime-format=%s", "--no-ip-validation", "--no-progress"]
        subprocess.run([self.command, path, *options, "--output", out / "report.json"], check=True, capture_output=True)

    def counts(self, out: Path) -> Counts:
        """Return the totals of the report."""
        general = json.loads((out / "report.json").read_bytes())["general"]
        return {(): Counter(requests=general["valid_requests"], resp_bytes=general["bandwidth"])}


class Mtail:
    """Requests by status, cache words, and bytes: what `edge.mtail` says."""

    command, missing, parts = "mtail", "mtail is not installed", 4

    def run(self, path: Path, out: Path) -> None:
        """Count; this is what is measured."""
        options = ["--one_shot", "--progs", HERE / "edge.mtail", "--address", "127.0.0.1", "--port", "0"]
        with (out / "metrics.json").open("wb") as metrics:
            subprocess.run(
                [self.command, *options, "--logs", path], check=True, stdout=metrics, stderr=subprocess.DEVNULL
            )

    def counts(self, out: Path) -> Counts:
        """Return the counters."""
        metrics = json.loads((out / "metrics.json").read_bytes())
        found: Counts = defaultdict(Counter)
        for name in ("requests", "resp_bytes"):
            for value in metrics[name][0]["LabelValues"]:
                second, *others = value["Labels"][:4]
                found[int(second), *others][name] += value["Value"]["Value"]
        return found


class Benthos:
    """Requests and bytes, by windows: what `edge.benthos.yaml` says."""

    command = str(Path(sys.executable).with_name("benthos"))
    missing, parts = "it is not built (two minutes, so `make bench` does not): make benthos", 4

    def run(self, path: Path, out: Path) -> None:
        """Count; this is what is measured."""
        files = {"LOG": str(path), "OUT": str(out / "rows.jsonl")}
        subprocess.run(
            [self.command, "-c", HERE / "edge.benthos.yaml"], check=True, env=os.environ | files, timeout=300
        )

    def counts(self, out: Path) -> Counts:
        """Add up the rows of all windows."""
        found: Counts = defaultdict(Counter)
        for line in (out / "rows.jsonl").open("rb"):
            row = json.loads(line)
            key = (row["second"], row["service_id"], row["pop"], row["domain"])
            found[key].update(requests=row["requests"], resp_bytes=row["resp_bytes"])
        return found


PROGRAMS: dict[str, GoAccess | Mtail | Benthos] = {"GoAccess": GoAccess(), "mtail": Mtail(), "Benthos": Benthos()}
"""By name. They answer a part of the question."""


def simdjson(log: Path, lines: int) -> float:
    """Let simdjson read the fields; return its CPU seconds."""
    program = log.with_suffix(".simdjson")
    source = HERE / "simdjson.cpp"
    try:
        subprocess.run(
            ["g++", "-O3", "-march=native", "-o", program, source, "-lsimdjson"], check=True, capture_output=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise Skipped("simdjson is not installed, or g++ cannot compile against it") from error
    counted, _bytes, took = subprocess.run([program, log], check=True, stdout=subprocess.PIPE).stdout.split()
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
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", sys.executable]
    if shutil.which(command[0]) is None:
        raise Skipped("valgrind is not installed")
    pipes: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    # At the same time, because instructions are the same then.
    running = [subprocess.Popen([*command, *contend, "--log", str(log)], **pipes) for log in (small, large)]
    counts = []
    for process in running:
        said = process.communicate()[1]
        counted = COUNTED.search(said)
        assert counted, said
        counts.append(int(counted[1].replace(",", "")))
    return (counts[1] - counts[0]) * LINE / (large.stat().st_size - small.stat().st_size)
