"""What a whole edge takes: all roads, all kinds of readers, history and a journal on disk. See README.md."""

import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.edge import readers, sender
from benchmarks.edge.traffic import POPS, SERVICES, Block, Key, blocks
from benchmarks.harness import Server, percentile, read, row, serve, wait_for
from edgetally import _core

SECONDS = float(os.environ.get("EDGE_SECONDS", "8"))
"""How long a rate has to be held; 60 in the long form."""

READERS = readers.Counts(*map(int, os.environ.get("EDGE_READERS", "2000,2000,20").split(",")))
"""Long polls, streams and pages with a ranking."""

FRESH_MS = 150
LATE_SECONDS = 1.0
"""How long after the last line everything has to be counted."""

LATE_SHARE = 0.001
"""How much of what was sent may come after the seal of its second."""

PATIENCE_SECONDS = 2.0
"""How long nothing more may be counted until what is left is taken for lost."""

IS_LONG = SECONDS >= 30
STEP, TRIES = (0.85, 8) if IS_LONG else (0.6, 2)
"""The next rate that is tried if one is not held, as a share of it, and how many are."""

DRAIN_EVERY = 100_000
"""Lines that the bare fold adds up before it is drained: what a tenth of a second brings."""

BARE_LINES, BARE_TURNS = 500_000, 3
"""With about so many lines the bare fold is measured so often, alone and beside a second one. The median is taken."""

SHARED = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - the disk is no subject of this
"""Where followed logs are: in memory."""
NOTHING = bytes(1 << 20)

HEADER = b"<190>Nov 25 12:00:00 edge1 nginx: "
ACCEPTED = re.compile(rb"^edgetally_records_accepted_total (\d+)", re.MULTILINE)
LATE = re.compile(rb"^edgetally_service_records_late_total\{[^}]*\} (\d+)", re.MULTILINE)


class Way(NamedTuple):
    """One of the roads to the server."""

    name: str
    kind: str
    connections: int
    rate: float
    """Lines per second that are tried first."""
    block: int
    """Bytes that are sent at once."""
    target: float | None
    """Most CPU time of the server, as a multiple of the bare fold's."""


WAYS = [
    Way("push, 1 connection", "push", 1, 800_000, 1_000_000, None),
    Way("push, 8 connections", "push", 8, 1_000_000, 1_000_000, None),
    Way("push, 64 connections", "push", 64, 1_000_000, 1_000_000, 1.7),
    Way("files", "files", POPS, 1_000_000, 256_000, 1.4),
    Way("syslog tcp", "tcp", POPS, 800_000, 256_000, 1.5),
    Way("syslog udp", "udp", 1, 250_000, 256_000, None),
]


class Trial(NamedTuple):
    """What one rate took."""

    rate: float
    """Lines per second that were sent."""
    missing: int
    """Requests that no entry has, or too many."""
    fresh_ms: float
    """Milliseconds from a seal until 99 of 100 readers had their entry."""
    half_ms: float
    behind: float
    """Seconds that the sender was behind its rate at most."""
    counted_after: float
    """Seconds from the last line until all were counted."""
    late: int
    """Records that came after their second was sealed."""
    cpu: float
    """CPU seconds of the server per million lines."""
    sender_cpu: float
    reader_cpu: float
    memory: int
    """Bytes, at most."""

    @property
    def is_in_time(self) -> bool:
        """Whether everything was counted in time."""
        is_late = self.late > LATE_SHARE * self.rate * SECONDS
        return self.behind < LATE_SECONDS and self.counted_after < LATE_SECONDS and not (self.missing or is_late)

    @property
    def is_held(self) -> bool:
        """Whether readers had it in time, too."""
        return self.is_in_time and self.fresh_ms < FRESH_MS


def bare(pool: Sequence[Sequence[Block]]) -> float:
    """Return the CPU seconds per million lines of a fold that is fed and drained, and nothing else."""
    fold = _core.Fold()
    turns = [block for together in zip(*pool, strict=False) for block in together]
    texts = [bytes(block.bytes) for block in turns]
    repeats = max(1, BARE_LINES // sum(block.lines for block in turns))
    now = turns[0].second
    sent: list[int] = []

    def once() -> float:
        lines = drained = 0
        began = time.thread_time()
        for _ in range(repeats):
            for block, text in zip(turns, texts, strict=True):
                fold.feed(text, now)
                lines += block.lines
                if lines - drained >= DRAIN_EVERY:
                    fold.drain()
                    drained = lines
        took = time.thread_time() - began
        fold.drain()
        sent.append(lines)
        return 1e6 * took / lines

    once()  # its memory is touched, and the lines are known
    took = median(once() for _ in range(BARE_TURNS))
    assert fold.report().accepted == sum(sent)
    return took


def bare_beside(pool: Sequence[Sequence[Block]]) -> float:
    """Return the same while another process folds on the other core: what this machine allows two of them."""

    def fold(control: Connection) -> None:
        while True:
            control.send(bare(pool))

    with child(fold) as other:
        other.recv()  # its memory is touched, too
        return bare(pool)


def expected(pool: Sequence[Sequence[Block]], times: list[list[int]]) -> tuple[Counter[Key], Counter[Key]]:
    """Return the requests that were sent, and the bytes of their bodies, by POP and domain."""
    counts: Counter[Key] = Counter()
    sizes: Counter[Key] = Counter()
    for pop, numbers in zip(pool, times, strict=True):
        for block, number in zip(pop, numbers, strict=True):
            for key, count in block.counts.items():
                counts[key] += count * number
                sizes[key] += block.sizes[key] * number
    return counts, sizes


def shown(server: Server) -> tuple[Counter[Key], Counter[Key]]:
    """Return the same of all entries; their sums over POPs have to agree."""
    counts: Counter[Key] = Counter()
    sizes: Counter[Key] = Counter()
    for service in SERVICES:
        for entry in server.entries(service):
            for pop, names in entry["datacenter"].items():
                for name, fields in names.items():
                    counts[pop, name] += fields.get("requests", 0)
                    sizes[pop, name] += fields.get("resp_body_bytes", 0)
                    entry["aggregated"][name]["requests"] -= fields.get("requests", 0)
            assert not any(fields.get("requests", 0) for fields in entry["aggregated"].values())
    return counts, sizes


def found(pattern: re.Pattern[bytes], text: bytes) -> int:
    """Return the sum of what `pattern` finds in metrics."""
    return sum(map(int, pattern.findall(text)))


@contextmanager
def child(work: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """Do work in a process of its own, which is told what to do, and says what it did, over a connection."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=work, args=(*arguments, theirs))
    process.start()
    try:
        yield ours
    finally:
        process.terminate()
        process.join()


def road(way: Way, server: Server, pool: Sequence[Sequence[Block]], traffic: sender.Traffic, logs: Path) -> sender.Road:
    """Open a road to the server."""
    if way.kind == "push":
        port = int(server.url.rpartition(":")[2])
        return sender.Connections(traffic, port, way.connections, pushes=4 if way.connections == 1 else 1)
    if way.kind == "files":
        return sender.Files(traffic, [path_of(logs, pop) for pop in range(POPS)])
    if way.kind == "tcp":
        return sender.Connections(traffic, server.port(), way.connections)
    return sender.Datagrams(traffic, pool, server.port())


def path_of(logs: Path, pop: int) -> Path:
    """Return the log of a POP."""
    return logs / f"P{pop:02}.log"


def flags_of(way: Way, logs: Path) -> list[str]:
    """Return how the server is started."""
    if way.kind == "files":
        for pop in range(POPS):
            path_of(logs, pop).touch()
        return ["--follow", *(str(path_of(logs, pop)) for pop in range(POPS))]
    return ["--syslog", f"{way.kind}:127.0.0.1:0"] if way.kind in ("tcp", "udp") else []


def touch_memory() -> None:
    """
    Write as much memory as the followed logs take, and give it back.

    A virtual machine has to be given each page when it is first written, which takes three times as long as the rest.
    """
    with tempfile.TemporaryFile(dir=SHARED) as file:
        for _ in range(POPS * 2 * sender.KEPT_BYTES // len(NOTHING)):
            file.write(NOTHING)


def measure(way: Way, pool: Sequence[Sequence[Block]], rate: float, seconds: float) -> Trial:
    """Send at a rate while everything else is on."""
    with tempfile.TemporaryDirectory(dir=SHARED) as folder:
        logs = Path(folder)
        with serve(*flags_of(way, logs)) as server:
            port = int(server.url.rpartition(":")[2])
            wait_for(lambda: server.now() > 0)
            with child(readers.main, port, server.now(), READERS) as reading:
                assert reading.recv() == "reading"
                server.settle()  # all readers wait
                return observe(way, server, pool, rate, seconds, logs, reading)


def observe(
    way: Way,
    server: Server,
    pool: Sequence[Sequence[Block]],
    rate: float,
    seconds: float,
    logs: Path,
    reading: Connection,
) -> Trial:
    """Send, and look at the server meanwhile."""
    progress = RawValue("q", 0)

    def send(control: Connection) -> None:
        traffic = sender.Traffic(pool)
        opened = road(way, server, pool, traffic, logs)
        control.send("open")
        control.recv()
        control.send(sender.run(opened, traffic, rate, seconds, progress))

    with child(send) as sending:
        assert sending.recv() == "open"
        reading.send("begin")
        sending.send("begin")
        cpu, memory = server.cpu_seconds(), 0
        while not sending.poll(0.5):
            memory = max(memory, server.memory())
        cpu = server.cpu_seconds() - cpu
        sent: sender.Sent = sending.recv()
        ended = news = time.monotonic()
        accepted = 0
        while accepted < sent.lines and time.monotonic() - news < PATIENCE_SECONDS:
            before, accepted = accepted, found(ACCEPTED, read(f"{server.url}/metrics"))
            news = time.monotonic() if accepted > before else news
            time.sleep(0.05)
        counted_after = time.monotonic() - ended
    over = int(time.time()) + 2
    wait_for(lambda: server.now() >= over, 30)  # then every second is sealed to which lines were added
    reading.send("stop")
    seen: readers.Seen = reading.recv()
    wanted, got = expected(pool, sent.times), shown(server)
    missing = sum(abs(one - other) for one, other in differences(wanted[0], got[0]))
    if not missing:
        assert wanted == got, "the bytes of bodies are not those that were sent"
    return Trial(
        rate=sent.lines / sent.seconds,
        missing=missing,
        fresh_ms=1000 * percentile(seen.delays or [0], 0.99),
        half_ms=1000 * percentile(seen.delays or [0], 0.5),
        behind=sent.behind,
        counted_after=counted_after,
        late=found(LATE, read(f"{server.url}/metrics")),
        cpu=1e6 * cpu / sent.lines,
        sender_cpu=1e6 * sent.cpu / sent.lines,
        reader_cpu=seen.cpu / sent.seconds,
        memory=memory,
    )


def differences(wanted: Counter[Key], got: Counter[Key]) -> Iterator[tuple[int, int]]:
    """Yield both counts of every key."""
    for key in wanted.keys() | got.keys():
        yield wanted[key], got[key]


def show(trial: Trial) -> None:
    """Print what one rate took."""
    print(
        f"  {'held' if trial.is_held else 'not held'}: {trial.rate:10,.0f} lines/s; server {trial.cpu:.3f} CPU s per "
        f"million, {trial.cpu * trial.rate / 1e6:.2f} cores; sender {trial.sender_cpu:.3f} per million; readers "
        f"{trial.reader_cpu:.2f} cores; entries after {trial.half_ms:.0f} ms (p50), {trial.fresh_ms:.0f} ms (p99); "
        f"{trial.missing:,} missing, {trial.late:,} late, sender {trial.behind:.2f} s behind, all counted after "
        f"{trial.counted_after:.2f} s; {trial.memory / 1e6:.0f} MB",
        flush=True,
    )


def highest(way: Way, pool: Sequence[Sequence[Block]]) -> Trial:
    """Try lower and lower rates until one is held, and return that; or else the highest that was counted in time."""
    given = os.environ.get("EDGE_RATE")
    rate = float(given or way.rate)
    trials: list[Trial] = []
    while len(trials) < (1 if given else TRIES):
        trials.append(measure(way, pool, rate, SECONDS))
        show(trials[-1])
        if trials[-1].is_held:
            return trials[-1]
        rate *= STEP
    return next((one for one in trials if one.is_in_time), trials[-1])


def main() -> None:
    """Measure the roads that were named; without names those with a target, in the long form all."""
    names = sys.argv[1:]
    for way in WAYS:
        if not (any(map(way.name.startswith, names)) if names else IS_LONG or way.target):
            continue
        plain = blocks(way.block)
        alone, beside = bare(plain), bare_beside(plain)
        pool = blocks(way.block, before=HEADER) if way.kind in ("tcp", "udp") else plain
        print(
            f"edge: {way.name}; bare fold {alone:.3f} CPU s per million lines, {beside:.3f} beside a second one",
            flush=True,
        )
        if way.kind == "files":
            touch_memory()
        trial = highest(way, pool)
        ratio = trial.cpu / alone
        row(
            f"edge: {way.name}, everything on",
            f"held, CPU <= {way.target} of the bare fold" if way.target else "held",
            f"{trial.rate:,.0f} lines/s, {trial.cpu:.2f} CPU s per million, {ratio:.2f} of the bare fold, "
            f"{trial.cpu / beside:.2f} of two at once",
            f"{SECONDS:g} s, readers' p99 {trial.fresh_ms:.0f} ms, {trial.memory / 1e6:.0f} MB, "
            f"sender {trial.sender_cpu:.2f}",
            met=trial.is_held and (way.target is None or ratio <= way.target),
        )


if __name__ == "__main__":
    main()
