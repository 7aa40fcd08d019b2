"""How long from starting a command to its first answer. See README.md."""

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import STARTED, read, row

ROUNDS = 15
COMMAND_MS, SERVER_MS = 50, 120

LINE = b'{"ts":1763769600,"domain":"shop.example","status":200}\n'
EDGETALLY = str(Path(sys.executable).with_name("edgetally"))


def first_line(*command: str | Path) -> float:
    """Return the milliseconds until a command has printed a line, or ended without one."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        process.stdout.readline()
        took = 1000 * (time.perf_counter() - began)
        process.communicate()
    assert process.returncode == 0
    return took


def first_answer() -> float:
    """Return the milliseconds until a server answers."""
    with tempfile.TemporaryDirectory(prefix="edgetally-bench-") as folder:
        command = [EDGETALLY, "serve", "--listen", "127.0.0.1:0", "--data-dir", folder]
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            assert process.stderr
            url = next(found[0] for found in map(STARTED.search, process.stderr) if found)
            assert b'"Data":[]' in read(f"{url.decode()}/v1/domains/idle/ts/h")
            took = 1000 * (time.perf_counter() - began)
            process.terminate()
            process.communicate()
    return took


def main() -> None:
    """Start everything in turns, and print the medians."""
    with tempfile.TemporaryDirectory(prefix="edgetally-bench-") as folder:
        log = Path(folder) / "access.log"
        log.write_bytes(LINE)
        # Compiled once, as an installed package is.
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "compiled")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        questions = {
            "python -c pass": lambda: first_line(sys.executable, "-c", "pass"),
            "edgetally --help": lambda: first_line(EDGETALLY, "--help"),
            "edgetally fold, one line": lambda: first_line(EDGETALLY, "fold", log),
            "edgetally serve": first_answer,
        }
        for start in questions.values():
            start()
        rounds = [[start() for start in questions.values()] for _ in range(ROUNDS)]
    middles = {}
    for name, times in zip(questions, itertools.zip_longest(*rounds), strict=True):
        print(f"start: {name:<25} ms: " + " ".join(f"{each:.0f}" for each in sorted(times)))
        middles[name] = statistics.median(times)
    limit, help_, fold, server = middles.values()
    compared = f"python -c pass: {limit:.0f} ms"
    for question, target, middle in (
        ("the first line of --help", COMMAND_MS, help_),
        ("the first line of fold", COMMAND_MS, fold),
        ("the first answer of serve, with an empty journal", SERVER_MS, server),
    ):
        row(f"start to {question}", f"< {target} ms", f"{middle:.0f} ms", compared, met=middle < target)


if __name__ == "__main__":
    main()
