"""How much memory a key takes while its second is open, and once it is sealed. See README.md."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.fold.traffic import FIRST
from benchmarks.harness import row
from edgetally import _core

ROOT = Path(__file__).parents[2]
KEYS, SERVICES, DOMAINS, POPS = 200_000, 10, 2_000, 10
TARGET = 400


def records() -> bytes:
    """Return one record per key, with 12 non-zero counters each."""
    made = [
        f'{{"ts":{FIRST},"service_id":"s{service}","domain":"www{domain}.example{service}.com","pop":"P{pop:02}",'
        '"status":200,"cache":"MISS","proto":"h2","tls":"1.3","resp_bytes":61234,"resp_body_bytes":60734,'
        '"origin_ip":"10.0.0.1","bereq_bytes":412,"beresp_bytes":61111,"beresp_body_bytes":60734}\n'
        for service in range(SERVICES)
        for domain in range(DOMAINS)
        for pop in range(POPS)
    ]
    return "".join(made).encode()


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fold(path: str) -> None:
    """Write a partial of all keys to a file, so that the measuring process has held nothing else."""
    folded = _core.Fold()
    folded.feed(records(), FIRST)
    Path(path).write_bytes(folded.drain())


def weigh(path: str) -> None:
    """Print bytes per key: merged, and sealed."""
    partial = Path(path).read_bytes()
    window = _core.Window()
    before = resident()
    window.merge(partial)
    print((resident() - before) / KEYS)
    sealed = window.seal(FIRST)
    assert sum(len(one.entry("domains")) for one in sealed[:1]) > KEYS / SERVICES * 100
    print(sum(one.size for one in sealed) / KEYS)


def main() -> None:
    """Fold in one process, and measure in another."""
    if len(sys.argv) > 1:
        {"fold": fold, "weigh": weigh}[sys.argv[1]](sys.argv[2])
        return
    with tempfile.TemporaryDirectory(prefix="edgetally-bench-") as folder:
        path = f"{folder}/partial"
        command = [sys.executable, "-m", "benchmarks.memory.run"]
        subprocess.run([*command, "fold", path], check=True, cwd=ROOT)
        said = subprocess.run([*command, "weigh", path], check=True, cwd=ROOT, stdout=subprocess.PIPE)
    opened, sealed = map(float, said.stdout.split())
    print(f"memory: {KEYS:,} keys of domains in one second: bytes a key {opened:.0f} open, {sealed:.0f} sealed")
    shown, what = f"< {TARGET} B", "12 counters, domains"
    row("memory: a key of an open second", shown, f"{opened:.0f} B", what, met=opened < TARGET)
    row("memory: a key of a sealed second", shown, f"{sealed:.0f} B", what, met=sealed < TARGET)


if __name__ == "__main__":
    main()
