"""How many lines a CPU second folds, and how many other tools manage. See README.md."""

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.fold import others
from benchmarks.fold.contenders import CONTENDERS, answer
from benchmarks.fold.others import PROGRAMS, counts
from benchmarks.fold.question import KEYS, Answer
from benchmarks.fold.traffic import LINE, ODD_LINES, lines
from benchmarks.harness import row

OURS, OURS_ALONE = "edgetally", "edgetally, 1 thread"
MODULE = "benchmarks.fold.run"
FEWER = 10
"""The programs that do less read a tenth of the log, because they are slow."""
PAIRS = 3
"""Times that all cores are compared with one."""


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


def cpu_s() -> float:
    """Return the CPU time of all threads, and of programs that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def contend(name: str, path: Path, out: Path) -> Cost:
    """Run one contender in this process, once standard input ends; it writes its answer to the folder `out`."""
    if name in PROGRAMS:
        contender: Any = PROGRAMS[name]
    else:
        contender_type, threads = CONTENDERS[name]
        contender = contender_type(threads)
    print("loaded", flush=True)
    sys.stdin.read()
    before, began = cpu_s(), time.perf_counter()
    contender.run(path, out)
    wall, cpu = time.perf_counter() - began, cpu_s() - before
    return Cost(cpu, wall, max(peak_kb(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024)


def measure_at_once(names: list[str], path: Path, read: Callable[[Path], Any] | None = None) -> list[tuple[Cost, Any]]:
    """Run contenders at the same time, each in a process of its own; return costs, and what `read` finds in answers."""
    with contextlib.ExitStack() as stack:
        running = []
        for name in names:
            out = stack.enter_context(tempfile.TemporaryDirectory(dir=path.parent))
            command = [sys.executable, "-m", MODULE, "--contender", name, "--log", str(path), "--out", out]
            pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            running.append((Path(out), stack.enter_context(subprocess.Popen(command, **pipes))))
        for _, process in running:
            process.stdout.readline()
        for _, process in running:
            process.stdin.close()
        found = []
        for out_path, process in running:
            said = process.stdout.read()
            if process.wait():
                sys.exit(f"{' '.join(process.args)}: exit status {process.returncode}")
            found.append((Cost(*json.loads(said)), read and read(out_path)))
        return found


def measure(name: str, path: Path) -> Cost:
    """Return the cost of one contender."""
    return measure_at_once([name], path)[0][0]


# --- all of them -----------------------------------------------------------------------------------------------------


def check(runs: dict[str, tuple[Cost, Answer]]) -> tuple[Answer, dict[str, Cost]]:
    """Compare every measurement of every row of all contenders, exit on a difference; return the answer, and costs."""
    first = runs[OURS][1]
    for name, (_, other) in runs.items():
        for dataset in KEYS:
            same(f"{dataset}: edgetally and {name}", first[dataset], other[dataset])
    return first, {name: cost for name, (cost, _) in runs.items()}


def same(what: str, ours: Mapping[Any, Mapping[str, int]], theirs: Mapping[Any, Mapping[str, int]]) -> None:
    """Exit if two tables differ."""
    different = [row for row in {**ours, **theirs} if ours.get(row) != theirs.get(row)]
    if different:
        row = different[0]
        a, b = (set(table.get(row, {}).items()) for table in (ours, theirs))
        sys.exit(f"{what} differ in {len(different)} rows, as in {row}: {sorted(a - b)} and {sorted(b - a)}")


def write(path: Path, count: int, **kind: bool) -> Path:
    """Write a log."""
    with path.open("wb") as log:
        log.writelines(lines(count, **kind))
    assert path.stat().st_size == LINE * count
    return path


def beginning(log: Path, path: Path, count: int) -> Path:
    """Write the first lines of a log."""
    with log.open("rb") as file:
        path.write_bytes(file.read(count * LINE))
    return path


def ratio(question: str, target: float, reached: float, compared: str) -> None:
    """Print the row of a question whose result is a ratio."""
    row(question, f"≥ {target:g}", f"{reached:.2f}", compared, met=reached >= target)


def whole(odd: Path, path: Path, runs: int) -> list[dict[str, Cost]]:
    """Check and measure the contenders that answer all of the question, in turns; return what each run took."""
    if "clickhouse" not in CONTENDERS:
        print("clickhouse: skipped, chdb is not installed (500 MB, so `make bench` does not)")
    # Odd lines are not timed, so all contenders may fold them at the same time.
    folded = dict(zip(CONTENDERS, measure_at_once(list(CONTENDERS), odd, answer), strict=True))
    say(odd, "odd lines", check(folded)[0])
    # In turns, so that a slow moment of the machine hits all of them. The checked turn is the first.
    found, checked = check({name: measure_at_once([name], path, answer)[0] for name in CONTENDERS})
    say(path, "lines", found)
    return [checked, *({name: measure(name, path) for name in CONTENDERS} for _ in range(runs - 1))]


def say(log: Path, kind: str, found: Answer) -> None:
    """Print what all found in a log."""
    size, rows = log.stat().st_size // LINE, sum(map(len, found.values()))
    numbers = sum(len(shown) for table in found.values() for shown in table.values())
    print(f"fold: {size:,} {kind} of {LINE} bytes; all found the same {numbers:,} numbers in {rows:,} rows")


def less(fewer: Path) -> dict[str, Cost]:
    """Check and measure the programs that answer a part of the question, once."""
    expected = measure_at_once([OURS], fewer, answer)[0][1]
    costs = {}
    for name, program in PROGRAMS.items():
        if shutil.which(program.command) is None:
            print(f"{name}: skipped, {program.missing}")
            continue
        costs[name], found = measure_at_once([name], fewer, program.counts)[0]
        same(f"edgetally and {name}", counts(expected, program.parts), found)
    return costs


def show(costs: dict[str, tuple[int, Cost]]) -> None:
    """Print a table of what it took to read some lines."""
    print(
        f"\n{'':<22}{'lines':>12}{'CPU s':>8}{'wall s':>8}{'lines per CPU s':>18}{'CPU, relative':>15}{'memory MB':>12}"
    )
    unit = costs[OURS_ALONE][1].cpu_s / costs[OURS_ALONE][0]
    for name, (count, cost) in costs.items():
        speed, relative, memory = count / cost.cpu_s, cost.cpu_s / count / unit, f"{cost.memory_mb:.0f}"
        print(
            f"{name:<22}{count:>12,}{cost.cpu_s:>8.2f}{cost.wall_s:>8.2f}{speed:>18,.0f}{relative:>14.1f}x{memory:>12}"
        )
    print()


def compare(odd: Path, path: Path, fewer: Path, runs: int) -> dict[str, Cost]:
    """Compare with other tools; return the cheapest run of each that answers all of the question."""
    count, few = path.stat().st_size // LINE, fewer.stat().st_size // LINE
    costs = whole(odd, path, runs)
    best = {name: min(one[name] for one in costs) for name in CONTENDERS}
    rest = less(fewer)
    show({name: (count, cost) for name, cost in best.items()} | {name: (few, cost) for name, cost in rest.items()})
    for other in list(CONTENDERS)[2:]:
        ratio("fold: CPU time of the same work", 10, best[other].cpu_s / best[OURS_ALONE].cpu_s, other)
    for other in list(CONTENDERS)[2::2]:
        walls = [min(one[name].wall_s for one in costs) for name in (other, OURS)]
        ratio("fold: wall clock of the same work on all cores", 10, walls[0] / walls[1], other)
    for name, cost in rest.items():
        took = cost.wall_s * count / few
        ratio("fold: wall clock", 25, took / best[OURS].wall_s, f"{name}, {count / took:,.0f} lines/s, for less")
    return best


def scale(path: Path, many: Path, runs: int, alone: Cost) -> None:
    """Measure all cores, and many keys."""
    if (os.cpu_count() or 1) > 1:
        threads, processes = [], []
        for _ in range(PAIRS):
            one, all_ = measure(OURS_ALONE, path), measure(OURS, path)
            two = measure_at_once([OURS_ALONE] * 2, path)
            threads.append(one.wall_s / all_.wall_s)
            processes.append(2 * one.wall_s / max(cost.wall_s for cost, _ in two))
        compared = f"one thread, median of pairs; two processes reach {statistics.median(processes):.2f}"
        ratio("fold: speed on all cores", 1.9, statistics.median(threads), compared)
    cost = min(measure(OURS_ALONE, many) for _ in range(runs))
    ratio("fold: lines per CPU s over 100,000 keys a second", 0.5, alone.cpu_s / cost.cpu_s, "over 2,000")


def part(directory: Path, path: Path, count: int, alone: Cost) -> None:
    """Measure a part of the job, and the instructions of all of it."""
    try:
        parse, fold = others.simdjson(path, count), others.bare_fold(path, count)
    except others.Skipped as reason:
        print(f"simdjson: skipped, {reason}")
    else:
        compared = f"simdjson's parse, {count / parse:,.0f}"
        print(f"lines per CPU s: fold alone {count / fold:,.0f}, {compared}")
        ratio("fold alone: lines per CPU s", 1, parse / fold, compared)
        ratio("fold, the whole job: lines per CPU s", 1, parse / alone.cpu_s, compared)
    small, large = (beginning(path, directory / f"{share}.ndjson", count // share) for share in (50, 5))
    contender = ["-m", MODULE, "--contender", OURS_ALONE, "--out", str(directory)]
    try:
        print(f"instructions per line, the whole job: {others.instructions(small, large, contender):,.0f}")
    except others.Skipped as reason:
        print(f"instructions: skipped, {reason}")


def main() -> None:
    """Check, then measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2, help="the one with the least CPU time counts")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        print(json.dumps(contend(arguments.contender, arguments.log, arguments.out)))
        return
    with tempfile.TemporaryDirectory(prefix="edgetally-fold-") as name:
        directory, count, runs = Path(name), arguments.lines, arguments.runs
        with ProcessPoolExecutor() as pool:
            made = [
                pool.submit(write, directory / "log.ndjson", count),
                pool.submit(write, directory / "many.ndjson", count, many=True),
                pool.submit(write, directory / "odd.ndjson", ODD_LINES, odd=True),
            ]
        path, many, odd = (one.result() for one in made)
        fewer = beginning(path, directory / "fewer.ndjson", count // FEWER)
        alone = compare(odd, path, fewer, runs)[OURS_ALONE]
        scale(path, many, runs, alone)
        part(directory, path, count, alone)


if __name__ == "__main__":
    main()
