"""
Crash tests: a server under load is killed, its disk fails, its clock is set; every number must be right in the end.

    python -m tests.crash.run --kills 50 --seed 1            every scenario
    python -m tests.crash.run --kills 5 --seed 1 disk        one of them

Two scenarios set the clock for the history: minutes, hours and days end, and the server is killed as soon as they are
written; and the journal begins anew, so what was sealed is in the history alone.

Senders push with an `Idempotency-Key` until they are answered; an edge writes a log and rotates it; readers chain
`Timestamp`. What was acknowledged or logged is compared with the sums of all entries that the readers got, and with
the same entries when they are read again.
"""

import argparse
import asyncio
import ctypes
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.crash.load import Account, Reader, Sender, Writer
from tests.crash.rotation import ROTATING_LOGS, RotatingLog

HERE = Path(__file__).parent

SETTINGS = """
[window]
aggregate_delay = 1
[api]
listen = "127.0.0.1:0"
poll_timeout = 2.0
error_delay = 0.0
[shelf]
keep = 86400
[records]
max_lateness = 86400
[log]
format = "json"
[sources]
rotated_quiet_seconds = 2.0
"""

SENDERS = 3

EXPECTED = (
    *("started", "file_unavailable", "following", "file_rotated", "file_truncated", "listening"),
    *("journal_opened", "journal_failing", "journal_recovered", "history_failing", "history_recovered"),
)
"""The events that it may log; `clock_set_back`, too, if it was. Any other means that something is wrong."""

MNT_DETACH = 2

LATER = 100_000
"""Seconds that no clock was ahead."""

TURN_SECONDS = 5.0
"""For so long the first commit after the end of a minute is waited for."""

TMPFS_BYTES = 160 << 20
"""The size of the small disk: more than the journal keeps free, if it can."""


class Server:
    """A server that is killed and restarted."""

    def __init__(
        self, directory: Path, data: Path, logs: Sequence[Writer | RotatingLog], environment: dict[str, str]
    ) -> None:
        self.starts: list[float] = []
        """How many seconds each start took, until it was ready."""
        self.log: list[str] = []
        followed = "".join(
            f'[[sources.follow]]\npath = "{one.follow}"\nservice_id = "{one.service_id}"\n' for one in logs
        )
        (directory / "settings.toml").write_text(SETTINGS + followed)
        self._command: list[str | Path] = [
            *(sys.executable, "-W", "error", HERE / "server.py", "serve", "--config", directory / "settings.toml"),
            *("--data-dir", data),
        ]
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._url = ""
        self._up = asyncio.Event()
        self._ended = asyncio.Event()

    async def url(self) -> str:
        """Wait until it is ready, and return its URL."""
        await self._up.wait()
        return self._url

    async def start(self) -> None:
        self._ended.clear()
        start = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read(self._process, start))

    async def kill(self) -> None:
        assert self._process
        assert self._reading
        self._up.clear()
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        await self._reading

    async def ready(self) -> bool:
        """Wait until it is ready or has ended; return whether it is ready."""
        waiting = [asyncio.create_task(event.wait()) for event in (self._up, self._ended)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
        return self._up.is_set()

    async def _read(self, process: asyncio.subprocess.Process, start: float) -> None:
        assert process.stderr
        async for raw in process.stderr:
            self.log.append(raw.decode())
            if self.log[-1].startswith("{") and (url := json.loads(self.log[-1]).get("url")):
                self.starts.append(time.monotonic() - start)
                self._url = url
                self._up.set()
        self._up.clear()
        self._ended.set()


class Disk:
    """A disk that fails on demand: the control file of shim.c."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.heal()

    def fail(self, how: str) -> None:
        self._path.write_text(how)

    def heal(self) -> None:
        self._path.write_text("-")


class Run(NamedTuple):
    """The parts of one run."""

    server: Server
    account: Account
    rng: random.Random
    directory: Path
    data: Path


Scenario = Callable[[Run], Coroutine[None, None, None]]


async def kill(run: Run) -> None:
    """Kill the server at a random moment, sometimes before it is ready, and start it again."""
    for _ in range(run.rng.randrange(1, 3)):
        if run.rng.random() < 0.7:
            await run.account.after("sent", run.rng.randrange(1, 120))
        # Some of the moments are right after an event, when its effects are still under way.
        await asyncio.sleep(run.rng.choice([0.0, run.rng.random() * 0.01, run.rng.random() * 0.4]))
        await run.server.kill()
        run.account.note("kills")
        await run.server.start()
    assert await run.server.ready(), run.server.log[-3:]
    await run.account.after("acknowledged", run.rng.randrange(3, 40))


async def break_disk(run: Run) -> None:
    """Let the disk fail, sometimes kill the server meanwhile, and let the disk recover."""
    disk = Disk(run.directory / "disk")
    how = run.rng.choice("ens")
    disk.fail(how)
    run.account.note(f"disk failures ({how})")
    await run.account.after("refused", run.rng.randrange(3, 30))
    if run.rng.random() < 0.5:
        await run.server.kill()
        run.account.note("kills")
        disk.heal()
        await run.server.start()
    disk.heal()
    assert await run.server.ready(), run.server.log[-3:]
    await run.account.after("acknowledged", run.rng.randrange(3, 40))
    await kill(run)


async def fill_disk(run: Run) -> None:
    """Fill the disk to the last byte, sometimes kill the server meanwhile, and free it."""
    ballast = run.data / "ballast"
    with ballast.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2
    run.account.note("disks filled")
    await run.account.after("refused", run.rng.randrange(3, 30))
    killed = run.rng.random() < 0.5
    if killed:
        await run.server.kill()
        run.account.note("kills")
    ballast.unlink()
    if killed:
        await run.server.start()
    assert await run.server.ready(), run.server.log[-3:]
    await run.account.after("acknowledged", run.rng.randrange(3, 40))
    await kill(run)


async def set_clock(run: Run) -> None:
    """Set the wall clock forward or back, by less than what makes the journal start anew, and kill the server."""
    Wall(run.directory).set(run.rng.choice([-40.0, -20.0, -3.0, 0.0, 3.0, 20.0]))
    run.account.note("clock settings")
    await run.account.after("acknowledged", run.rng.randrange(3, 40))
    await kill(run)


class Wall:
    """The wall clock of a server, which reads from a file how many seconds it is ahead."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "wall"

    @property
    def ahead(self) -> float:
        return float(self.path.read_bytes())

    def set(self, ahead: float) -> None:
        # In place and of constant length: the server may read it at any moment.
        with self.path.open("r+b" if self.path.exists() else "wb", buffering=0) as file:
            file.write(b"%+014.3f" % ahead)

    def until_end_of(self, seconds: int) -> None:
        """Set it to a moment before the next minute, hour or day."""
        now = time.time() + self.ahead
        self.set(self.ahead + seconds - now % seconds - 0.3)


async def turn(run: Run) -> None:
    """Let a minute, an hour or a day end, and kill the server in the middle of the commits that follow."""
    wall, history = Wall(run.directory), run.data / "history.sqlite-wal"
    step = run.rng.choice([60, 60, 3_600, 3_600, 86_400])
    # Keys of pushes are forgotten after ten minutes, so nothing may be unanswered when the clock is set further.
    async with run.account.rest():
        wall.until_end_of(step)
        before = run.account.events["entries"]
        state = _state(history)
        deadline = time.monotonic() + TURN_SECONDS
        while _state(history) == state and time.monotonic() < deadline:  # noqa: ASYNC110 - a file sets no event
            await asyncio.sleep(0)
        # The minute is committed first, then the hour is compacted.
        await asyncio.sleep(run.rng.choice([0.0, 0.0, run.rng.random() * 0.02, run.rng.random() * 0.3]))
        await run.server.kill()
        run.account.note("kills")
        run.account.note(f"turns of {step} s")
        await run.server.start()
        assert await run.server.ready(), run.server.log[-3:]
    assert run.account.events["entries"] >= before
    await run.account.after("acknowledged", run.rng.randrange(3, 40))


async def begin_anew(run: Run) -> None:
    """Set the clock back so far that the journal begins anew, and kill the server while minutes are recorded twice."""
    wall = Wall(run.directory)
    async with run.account.rest():
        wall.set(wall.ahead - run.rng.choice([70, 300, 4_000]) * run.rng.random() - 70)
        await asyncio.sleep(run.rng.random() * 0.3)
        for _ in range(run.rng.randrange(1, 3)):
            await run.server.kill()
            run.account.note("kills")
            await run.server.start()
            await asyncio.sleep(run.rng.choice([0.0, run.rng.random() * 0.5]))
        assert await run.server.ready(), run.server.log[-3:]
        run.account.note("clocks set back")
    await run.account.after("acknowledged", run.rng.randrange(3, 40))
    if run.rng.random() < 0.5:
        wall.until_end_of(run.rng.choice([60, 3_600]))
        await run.account.after("acknowledged", run.rng.randrange(3, 40))


def _state(path: Path) -> tuple[int, int]:
    """Return what changes when a file is written."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


async def rotate(run: Run) -> None:
    """Kill the server while logs are rotated, and sometimes leave it down for a few rotations."""
    await run.account.after("written", run.rng.randrange(1, 60))
    await asyncio.sleep(run.rng.choice([0.0, run.rng.random() * 0.01, run.rng.random() * 0.2]))
    await run.server.kill()
    run.account.note("kills")
    if run.rng.random() < 0.3:
        await run.account.after("written", run.rng.randrange(1, 200))
    await run.server.start()
    if run.rng.random() < 0.7:
        assert await run.server.ready(), run.server.log[-3:]
        await run.account.after("acknowledged", run.rng.randrange(1, 20))


CLOCKS = ("clock", "turn", "anew")
"""Scenarios that set the clock."""

SCENARIOS: dict[str, Scenario] = {
    "kill": kill,
    "disk": break_disk,
    "full": fill_disk,
    "clock": set_clock,
    "turn": turn,
    "anew": begin_anew,
    "rotate": rotate,
}


class Result(NamedTuple):
    """The result of one run."""

    scenario: str
    account: Account
    starts: list[float]
    journal_bytes: int

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.account.events.items()) if what != "sent")
        records = sum(one.requests for one in self.account.acknowledged.values())
        slowest = max(self.starts)
        return (
            f"{self.scenario}: {records} records, 0 lost, 0 double; {counts}; started in "
            f"{sum(self.starts) / len(self.starts):.2f} s, at most {slowest:.2f} s; "
            f"journal {self.journal_bytes / 1e6:.1f} MB"
        )


async def crash(scenario: str, *, kills: int, seed: int, directory: Path) -> Result:
    """Run one scenario until so many kills have happened; raise AssertionError when a number is wrong."""
    rngs = (random.Random(seed + number) for number in itertools.count())  # noqa: S311 - repeatable, not secret
    rng = next(rngs)
    account = Account()
    data = directory / "data"
    with disk_of(data, small=scenario == "full"):
        logs: list[Writer | RotatingLog]
        if scenario == "rotate":
            logs = [one(directory / one.__name__, account, next(rngs)) for one in ROTATING_LOGS]
        elif scenario == "anew":
            logs = []
        else:
            logs = [Writer("file", directory / "access.log", account, next(rngs))]
        server = Server(directory, data, logs, environment(scenario, directory))
        count = 1 if scenario == "rotate" else SENDERS
        senders = [Sender(f"push{number}", server, account, next(rngs)) for number in range(count)]
        readers = [Reader(one.service_id, server, account) for one in (*logs, *senders)]
        await server.start()
        assert await server.ready(), server.log
        try:
            async with asyncio.TaskGroup() as group:
                run = Run(server, account, rng, directory, data)
                # Once something of a file has been counted, all of it has to be.
                counted = [asyncio.ensure_future(account.after(f"entries of {one.service_id}", 1)) for one in logs]
                for task in (
                    *(one.run() for one in logs),
                    *(one.run() for one in senders),
                    # What a journal had that begins anew is in the history alone.
                    *(one.run() for one in readers if scenario != "anew"),
                ):
                    group.create_task(task)
                await asyncio.gather(*counted)
                while account.events["kills"] < kills:
                    await SCENARIOS[scenario](run)
                for one in (*logs, *senders):
                    one.stopping = True
            expected = (*EXPECTED, "clock_set_back") if scenario == "anew" else EXPECTED
            odd = [one for one in server.log if not any(f'"{event}"' in one for event in expected)]
            assert not odd, odd
            if scenario == "anew":
                # What was open when the clock was set back is now far ahead.
                Wall(directory).set(LATER)
            else:
                await compare(readers, account)
            # On a full disk the journal gives up what the history waits to write, and the history says so.
            await compare_history(readers, account, may_be_incomplete=scenario == "full")
            return Result(scenario, account, server.starts, (data / "journal.sqlite").stat().st_size)
        finally:
            await server.kill()


async def compare(readers: list[Reader], account: Account) -> None:
    """Compare every sum with what was acknowledged, and every entry with the same when it is read again."""
    for reader in readers:
        found, expected = reader.sum(), account.acknowledged[reader.service_id]
        assert found == expected, f"{reader.service_id}: entries add up to {found}, but {expected} was acknowledged"
        assert await reader.compare("1") > 0
        await reader.compare("h/limit/120")


async def compare_history(readers: list[Reader], account: Account, *, may_be_incomplete: bool) -> None:
    """Compare the sum of all minutes of the history with what was acknowledged."""
    for reader in readers:
        expected = account.acknowledged[reader.service_id]
        recorded = await reader.recorded(expected)
        if may_be_incomplete and recorded.sum.requests < expected.requests:
            assert recorded.holes, f"{reader.service_id}: minutes are missing as if nothing had happened in them"
            account.note("histories with holes")
            continue
        assert recorded.sum == expected, (
            f"{reader.service_id}: minutes add up to {recorded.sum}, but {expected} was acknowledged"
        )


def environment(scenario: str, directory: Path) -> dict[str, str]:
    """Prepare what a scenario needs; return the environment variables for the server."""
    if scenario == "disk":
        shim = directory / "shim.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", shim, HERE / "shim.c", "-ldl"], check=True)
        Disk(directory / "disk")
        return {"LD_PRELOAD": str(shim), "CRASH_TEST_DISK": str(directory / "disk")}
    if scenario in CLOCKS:
        wall = Wall(directory)
        wall.set(0)
        return {"CRASH_TEST_CLOCK": str(wall.path)}
    return {}


@contextmanager
def disk_of(data: Path, *, small: bool) -> Iterator[None]:
    """Make the directory, on a disk of its own if `small`; raise PermissionError if that cannot be mounted."""
    data.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if small and libc.mount(b"tmpfs", os.fsencode(data), b"tmpfs", 0, f"size={TMPFS_BYTES}".encode()):
        raise PermissionError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(data))
    try:
        yield
    finally:
        if small:
            libc.umount2(os.fsencode(data), MNT_DETACH)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=50, metavar="COUNT", help="kills per scenario (default 50)")
    arguments.add_argument("--seed", type=int, default=1, help="seed of the random moments (default 1)")
    arguments.add_argument("scenarios", nargs="*", default=list(SCENARIOS), metavar="SCENARIO", help="default all")
    given = arguments.parse_args()
    for scenario in given.scenarios:
        with tempfile.TemporaryDirectory(prefix="edgetally-crash-") as directory:
            try:
                result = asyncio.run(crash(scenario, kills=given.kills, seed=given.seed, directory=Path(directory)))
            except PermissionError as error:
                sys.stdout.write(f"{scenario}: skipped: {error}\n")
            else:
                sys.stdout.write(f"{result}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
