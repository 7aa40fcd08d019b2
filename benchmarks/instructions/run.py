"""How many instructions each stage of a log takes, against the recorded ones. See README.md."""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmarks.fold.traffic import FIRST, lines
from benchmarks.harness import row
from edgetally import _core

HERE = Path(__file__).parent
RECORD = HERE / "recorded.json"

LINES = 10_000
MORE = 1.03
"""So many times the recorded instructions are no regression."""
MUCH_MORE = 1.15
"""The same where another compiler, C library, valgrind or processor counts than the recorded one."""

STAGES = {
    "fold": ("Fold::__pymethod_feed__", "Fold::__pymethod_finish__"),
    "drain": ("Fold::__pymethod_drain__",),
    "merge": ("Window::__pymethod_merge__",),
    "seal": ("Window::__pymethod_seal__",),
    "encode": ("Sealed::__pymethod_entry__",),
    "ranking": ("__pyfunction_ranking",),
}
"""How the functions end in which a stage is counted, with all that they call. Python finds them by address, so that the
compiler keeps them."""

READABLE = ["--compress-strings=no", "--compress-pos=no", "--dump-line=no"]
"""Options of callgrind with which `inclusive` can read what it writes."""


class Counts(NamedTuple):
    """What was counted, and by what."""

    by: dict[str, str]
    """The versions of compiler, C library and valgrind, and the processor: others count differently."""
    instructions: dict[str, int]
    """By stage."""


def recorded() -> Counts:
    """Return what was counted when the record was made."""
    return Counts(**json.loads(RECORD.read_text()))


def record(counts: Counts) -> None:
    """Make these counts the recorded ones."""
    RECORD.write_text(json.dumps(counts._asdict(), indent=2) + "\n")


def count(core: str = _core.__file__) -> Counts:
    """Run every stage under valgrind with a compiled core. It gives the same counts again, to a few in 10,000."""
    with tempfile.TemporaryDirectory(prefix="edgetally-instructions-") as name:
        log, out = Path(name) / "log", Path(name) / "out"
        with log.open("wb") as file:
            file.writelines(lines(LINES))
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        python = [sys.executable, "-I", "-S", str(HERE / "stages.py"), core, str(log), str(FIRST)]
        subprocess.run([*valgrind, *READABLE, *python], check=True, capture_output=True)
        found = inclusive(out.read_text())
    return Counts(
        counted_by(core),
        {
            stage: sum(found[function] for function in found if function.endswith(ends))
            for stage, ends in STAGES.items()
        },
    )


def counted_by(core: str) -> dict[str, str]:
    """Return the versions of compiler, C library and valgrind, and the processor: others count differently."""
    compiler = re.search(rb"rustc version (\S+)", Path(core).read_bytes())
    valgrind = subprocess.run(["valgrind", "--version"], check=True, capture_output=True, text=True)
    described = Path("/proc/cpuinfo").read_text()
    return {
        "rustc": compiler[1].decode() if compiler else "unknown",
        "libc": " ".join(platform.libc_ver()),
        "valgrind": valgrind.stdout.strip(),
        "processor": platform.machine() + (" with AVX2" if " avx2" in described else ""),
    }


def inclusive(callgrind: str) -> Counter[str]:
    """Return the instructions of each function and of all that it calls, from what callgrind wrote."""
    found: Counter[str] = Counter()
    function = ""
    for line in callgrind.splitlines():
        if line.startswith("fn="):
            function = line.removeprefix("fn=")
        elif line[:1].isdigit():
            # A position, and the instructions there, or of what is called there.
            found[function] += int(line.split()[1])
    return found


def regressions(counts: Counts, before: Counts) -> list[str]:
    """Return a sentence for each stage that takes more instructions than recorded."""
    different = [
        f"{what} {counts.by[what]} instead of {known}" for what, known in before.by.items() if counts.by[what] != known
    ]
    limit = MUCH_MORE if different else MORE
    why = f" It was counted by {', '.join(different)}, so {limit - 1:.0%} more would pass." if different else ""
    return [
        f"{stage} takes {now / before.instructions[stage] - 1:.1%} more instructions than recorded: "
        f"{now:,} instead of {before.instructions[stage]:,}.{why}"
        for stage, now in counts.instructions.items()
        if now > before.instructions[stage] * limit
    ]


def main() -> None:
    """Count, and compare."""
    counts, before = count(), recorded()
    if os.environ.get("EDGETALLY_REWRITE") == "1":
        record(counts)
    print(f"instructions: {LINES:,} lines, folded twice; counted by {', '.join(counts.by.values())}")
    for stage, now in counts.instructions.items():
        share = now / before.instructions[stage]
        row(f"instructions: {stage}", f"≤ {MORE:.2f} x", f"{share:.3f} x", f"{now:,} now", met=share <= MORE)


if __name__ == "__main__":
    main()
