"""How many lines a CPU second folds, and how many other tools manage. See README.md."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.fold import others
from benchmarks.fold.contenders import CONTENDERS, answer
from benchmarks.fold.question import KEYS, Answer
from benchmarks.fold.traffic import LINE, ODD_LINES, lines
from benchmarks.harness import row

OURS, OURS_ALONE = "edgetally", "edgetally, 1 thread"
MODULE = "benchmarks.fold.run"
FEWER = 5
"""GoAccess and mtail read a fifth of the log, because they are slow."""


class Cost(NamedTuple):
    """What a run took."""

    cpu_s: float
    """Of all threads."""
    wall_s: float
    memory_mb: float
    """Peak of the process, including what it loaded before the run."""


def peak_kb() -> int:
    """Return the peak memory of this program; `ru_maxrss` would include that of the program that started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # not Linux
    return int(status.read_text().partition("VmHWM:")[2].split()[0])


# --- one contender, in a process of its own --------------------------------------------------------------------------


def contend(name: str, path: Path, out: Path) -> Cost:
    """Run one contender in this process; it writes its answer to the folder `out`."""
    contender_type, threads = CONTENDERS[name]
    contender: Any = contender_type(threads)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    contender.run(path, out)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall, peak_kb() / 1024)


def measure(name: str, path: Path, read: Callable[[Path], Any] | None = None) -> Any:  # noqa: ANN401 - what `read` gives
    """Run one contender in a process of its own; return its cost, or what `read` finds in its answer."""
    with tempfile.TemporaryDirectory(dir=path.parent) as out:
        command = [sys.executable, "-m", MODULE, "--contender", name, "--log", str(path), "--out", out]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        return Cost(*json.loads(done.stdout)) if read is None else read(Path(out))


# --- all of them -----------------------------------------------------------------------------------------------------


def check(path: Path) -> Answer:
    """Compare every measurement of every row of all contenders, exit on a difference, and return the answer."""
    answers: dict[str, Answer] = {name: measure(name, path, answer) for name in CONTENDERS}
    first = answers[OURS]
    for name, other in answers.items():
        for dataset in KEYS:
            ours, theirs = first[dataset], other[dataset]
            different = [row for row in {**ours, **theirs} if ours.get(row) != theirs.get(row)]
            if different:
                row = different[0]
                found = {key: set((table.get(row) or {}).items()) for key, table in (("a", ours), ("b", theirs))}
                sys.exit(
                    f"{dataset}: edgetally and {name} differ in {len(different)} rows, as in {row}: "
                    f"{sorted(found['a'] - found['b'])} and {sorted(found['b'] - found['a'])}"
                )
    return first


def write(path: Path, count: int, **kind: bool) -> Path:
    """Write a log."""
    with path.open("wb") as log:
        log.writelines(lines(count, **kind))
    assert path.stat().st_size == LINE * count
    return path


def ratio(question: str, target: float, reached: float, compared: str) -> None:
    """Print the row of a question whose result is a ratio."""
    row(question, f"≥ {target:g}", f"{reached:.2f}", compared, met=reached >= target)


def compare(directory: Path, path: Path, count: int, runs: int) -> dict[str, Cost]:
    """Check and measure the contenders that answer all of the question, in turns; return the cheapest run of each."""
    if "clickhouse" not in CONTENDERS:
        print("clickhouse: skipped, chdb is not installed (500 MB, so `make bench` does not)")
    for log, kind in ((write(directory / "odd.ndjson", ODD_LINES, odd=True), "odd lines"), (path, "lines")):
        found = check(log)
        rows = sum(map(len, found.values()))
        numbers = sum(len(shown) for table in found.values() for shown in table.values())
        size = log.stat().st_size // LINE
        print(f"fold: {size:,} {kind} of {LINE} bytes; all found the same {numbers:,} numbers in {rows:,} rows")
    # In turns, so that a slow moment of the machine hits all of them.
    costs = [{name: measure(name, path) for name in CONTENDERS} for _ in range(runs)]
    best = {name: min(one[name] for one in costs) for name in CONTENDERS}
    print(f"\n{'':<22}{'CPU s':>8}{'wall s':>8}{'lines per CPU s':>18}{'CPU, relative':>15}{'memory MB':>12}")
    for name, cost in best.items():
        speed, relative = count / cost.cpu_s, cost.cpu_s / best[OURS_ALONE].cpu_s
        memory = f"{cost.memory_mb:.0f}"
        print(f"{name:<22}{cost.cpu_s:>8.2f}{cost.wall_s:>8.2f}{speed:>18,.0f}{relative:>14.1f}x{memory:>12}")
    print()
    for other in list(CONTENDERS)[2:]:
        ratio("fold: CPU time of the same work", 10, best[other].cpu_s / best[OURS_ALONE].cpu_s, other)
    for other in list(CONTENDERS)[2::2]:
        walls = [min(one[name].wall_s for one in costs) for name in (other, OURS)]
        ratio("fold: wall clock of the same work on all cores", 10, walls[0] / walls[1], other)
    return best


def scale(directory: Path, path: Path, count: int, runs: int, alone: Cost) -> None:
    """Measure all cores, and many keys."""
    if (os.cpu_count() or 1) > 1:
        pairs = [(measure(OURS_ALONE, path), measure(OURS, path)) for _ in range(runs)]
        speed_ups = sorted(one.wall_s / all_.wall_s for one, all_ in pairs)
        ratio("fold: speed on all cores", 1.9, speed_ups[len(speed_ups) // 2], "one thread, median of pairs")
    many = write(directory / "many.ndjson", count, many=True)
    cost = min(measure(OURS_ALONE, many) for _ in range(runs))
    ratio("fold: lines per CPU s over 100,000 keys a second", 0.5, alone.cpu_s / cost.cpu_s, "over 2,000")
    many.unlink()


def part(directory: Path, path: Path, count: int, best: dict[str, Cost]) -> None:
    """Measure the programs that do less, or only a part."""
    fewer = directory / "fewer.ndjson"
    with path.open("rb") as log:
        fewer.write_bytes(log.read(path.stat().st_size // FEWER // LINE * LINE))
    for name, run in (("GoAccess", others.goaccess), ("mtail", others.mtail)):
        try:
            took = run(fewer, fewer.stat().st_size // LINE).wall * count * LINE / fewer.stat().st_size
        except others.Skipped as reason:
            print(f"{name}: skipped, {reason}")
        else:
            ratio("fold: wall clock", 25, took / best[OURS].wall_s, f"{name}, {count / took:,.0f} lines/s, for less")
    try:
        parse, fold = others.simdjson(path, count), others.bare_fold(path, count)
    except others.Skipped as reason:
        print(f"simdjson: skipped, {reason}")
    else:
        compared = f"simdjson's parse, {count / parse:,.0f}"
        print(f"lines per CPU s: fold alone {count / fold:,.0f}, {compared}")
        ratio("fold alone: lines per CPU s", 1, parse / fold, compared)
        ratio("fold, the whole job: lines per CPU s", 1, parse / best[OURS_ALONE].cpu_s, compared)
    small = directory / "small.ndjson"
    small.write_bytes(fewer.read_bytes()[: fewer.stat().st_size // 10 // LINE * LINE])
    contender = ["-m", MODULE, "--contender", OURS_ALONE, "--out", str(directory)]
    try:
        print(f"instructions per line, the whole job: {others.instructions(small, fewer, contender):,.0f}")
    except others.Skipped as reason:
        print(f"instructions: skipped, {reason}")


def main() -> None:
    """Check, then measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5, help="the one with the least CPU time counts")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        print(json.dumps(contend(arguments.contender, arguments.log, arguments.out)))
        return
    with tempfile.TemporaryDirectory(prefix="edgetally-fold-") as name:
        directory, count, runs = Path(name), arguments.lines, arguments.runs
        path = write(directory / "log.ndjson", count)
        best = compare(directory, path, count, runs)
        scale(directory, path, count, runs, best[OURS_ALONE])
        part(directory, path, count, best)


if __name__ == "__main__":
    main()
