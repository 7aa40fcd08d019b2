"""
Torture: a server under load is killed, its disk breaks, its clock is set; in the end every number has to be right.

    python -m tests.crash.run --kills 50 --seed 1            every scenario
    python -m tests.crash.run --kills 5 --seed 1 disk        one of them

Senders push with an `Idempotency-Key` until they are answered; an edge writes a log and rotates it; readers chain
`Timestamp`. What was acknowledged or logged is written down, and compared with the sums of all entries that the readers
saw, and with the entries that are shown again.
"""

import argparse
import asyncio
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.crash.load import Book, Reader, Sender, Writer

HERE = Path(__file__).parent

SETTINGS = """
[window]
aggregate_delay = 1
[api]
listen = "127.0.0.1:0"
poll_timeout = 2.0
error_delay = 0.0
[shelf]
keep = 3600
[log]
format = "json"
"""

SENDERS = 3

EXPECTED = (
    *("started", "file_unavailable", "following", "file_rotated", "listening"),
    *("journal_opened", "journal_failing", "journal_recovered"),
)
"""Everything else that it says means that something is wrong."""

MNT_DETACH = 2

TMPFS_BYTES = 160 << 20
"""Of the small disk: more than what the journal leaves free, if it can."""


class Server:
    """A server that is started again and again."""

    def __init__(self, directory: Path, data: Path, environment: dict[str, str]) -> None:
        self.restarts: list[float] = []
        """How many seconds each start took, until it answered."""
        self.said: list[str] = []
        self.waits = asyncio.Event()
        """Set once it waits for the log: what is written from then on counts."""
        (directory / "settings.toml").write_text(SETTINGS)
        self._command: list[str | Path] = [
            *(sys.executable, "-W", "error", HERE / "server.py", "serve", "--config", directory / "settings.toml"),
            *("--data-dir", data, "--service-id", "file", "--follow", directory / "access.log"),
        ]
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._url = ""
        self._up = asyncio.Event()
        self._ended = asyncio.Event()

    async def url(self) -> str:
        """Return where it answers, once it does."""
        await self._up.wait()
        return self._url

    async def start(self) -> None:
        self._ended.clear()
        began = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read(self._process, began))

    async def kill(self) -> None:
        assert self._process
        assert self._reading
        self._up.clear()
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        await self._reading

    async def ready(self) -> bool:
        """Wait until it answers or has ended; say which."""
        waiting = [asyncio.create_task(event.wait()) for event in (self._up, self._ended)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
        return self._up.is_set()

    async def _read(self, process: asyncio.subprocess.Process, began: float) -> None:
        assert process.stderr
        async for raw in process.stderr:
            self.said.append(raw.decode())
            if self.said[-1].startswith("{") and (url := json.loads(self.said[-1]).get("url")):
                self.restarts.append(time.monotonic() - began)
                self._url = url
                self._up.set()
            elif '"file_unavailable"' in self.said[-1]:
                self.waits.set()
        self._up.clear()
        self._ended.set()


class Disk:
    """A disk that breaks on demand: the control file of shim.c."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.heal()

    def breaks(self, how: str) -> None:
        self._path.write_text(how)

    def heal(self) -> None:
        self._path.write_text("-")


class Scene(NamedTuple):
    """Everything in one run."""

    server: Server
    book: Book
    chance: random.Random
    directory: Path
    data: Path


Trouble = Callable[[Scene], Coroutine[None, None, None]]


async def kill(scene: Scene) -> None:
    """Kill it at a random moment, sometimes before it answers, and start it again."""
    for _ in range(scene.chance.randrange(1, 3)):
        if scene.chance.random() < 0.7:
            await scene.book.after("sent", scene.chance.randrange(1, 120))
        # What happened last is all the more likely to be under way: some of the moments are right behind it.
        await asyncio.sleep(scene.chance.choice([0.0, scene.chance.random() * 0.01, scene.chance.random() * 0.4]))
        await scene.server.kill()
        scene.book.note("kills")
        await scene.server.start()
    assert await scene.server.ready(), scene.server.said[-3:]
    await scene.book.after("acknowledged", scene.chance.randrange(3, 40))


async def break_disk(scene: Scene) -> None:
    """Let the disk fail in one way or another, perhaps kill it meanwhile, and let the disk be well again."""
    disk = Disk(scene.directory / "disk")
    how = scene.chance.choice("ens")
    disk.breaks(how)
    scene.book.note(f"disk failures ({how})")
    await scene.book.after("refused", scene.chance.randrange(3, 30))
    if scene.chance.random() < 0.5:
        await scene.server.kill()
        scene.book.note("kills")
        disk.heal()
        await scene.server.start()
    disk.heal()
    assert await scene.server.ready(), scene.server.said[-3:]
    await scene.book.after("acknowledged", scene.chance.randrange(3, 40))
    await kill(scene)


async def fill_disk(scene: Scene) -> None:
    """Fill the disk to the last byte, perhaps kill it meanwhile, and make room again."""
    ballast = scene.data / "ballast"
    with ballast.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2
    scene.book.note("disks filled")
    await scene.book.after("refused", scene.chance.randrange(3, 30))
    killed = scene.chance.random() < 0.5
    if killed:
        await scene.server.kill()
        scene.book.note("kills")
    ballast.unlink()
    if killed:
        await scene.server.start()
    assert await scene.server.ready(), scene.server.said[-3:]
    await scene.book.after("acknowledged", scene.chance.randrange(3, 40))
    await kill(scene)


async def set_clock(scene: Scene) -> None:
    """Set the wall clock forth or back, by less than what begins the journal anew, and kill it."""
    shift = scene.chance.choice([-40.0, -20.0, -3.0, 0.0, 3.0, 20.0])
    # In place, and of one length: the server reads it at any moment.
    with (scene.directory / "wall").open("r+b", buffering=0) as file:
        file.write(b"%+010.3f" % shift)
    scene.book.note("clock settings")
    await scene.book.after("acknowledged", scene.chance.randrange(3, 40))
    await kill(scene)


SCENARIOS: dict[str, Trouble] = {"kill": kill, "disk": break_disk, "full": fill_disk, "clock": set_clock}


class Result(NamedTuple):
    """What came of one run."""

    scenario: str
    book: Book
    restarts: list[float]
    journal_bytes: int

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.book.happened.items()) if what != "sent")
        records = sum(one.requests for one in self.book.sums.values())
        slowest = max(self.restarts)
        return (
            f"{self.scenario}: {records} records, 0 lost, 0 double; {counts}; started in "
            f"{sum(self.restarts) / len(self.restarts):.2f} s, at most {slowest:.2f} s; "
            f"journal {self.journal_bytes / 1e6:.1f} MB"
        )


async def crash(scenario: str, *, kills: int, seed: int, directory: Path) -> Result:
    """Run one scenario until so many kills have happened; raise AssertionError when a number is wrong."""
    chance = random.Random(seed)  # noqa: S311 - trouble, not secrets
    book = Book()
    data = directory / "data"
    with disk_of(data, small=scenario == "full"):
        server = Server(directory, data, environment(scenario, directory))
        log = Writer("file", directory / "access.log", book, random.Random(seed + 1))  # noqa: S311
        senders = [Sender(f"push{number}", server, book, random.Random(seed + 2 + number)) for number in range(SENDERS)]  # noqa: S311
        readers = [Reader(service_id, server, book) for service_id in ("file", *(one.service_id for one in senders))]
        await server.start()
        assert await server.ready(), server.said
        await server.waits.wait()
        try:
            async with asyncio.TaskGroup() as group:
                for run in (log.run, *(one.run for one in senders), *(one.run for one in readers)):
                    group.create_task(run())
                scene = Scene(server, book, chance, directory, data)
                await book.after("entries of file", 1)
                while book.happened["kills"] < kills:
                    await SCENARIOS[scenario](scene)
                log.stopping = True
                for sender in senders:
                    sender.stopping = True
            odd = [one for one in server.said if not any(f'"{event}"' in one for event in EXPECTED)]
            assert not odd, odd
            await compare(readers, book)
            return Result(scenario, book, server.restarts, (data / "journal.sqlite").stat().st_size)
        finally:
            await server.kill()


async def compare(readers: list[Reader], book: Book) -> None:
    """Compare every sum, and every entry with what is shown again."""
    for reader in readers:
        found, meant = reader.sum(), book.sums[reader.service_id]
        assert found == meant, f"{reader.service_id}: entries add up to {found}, and {meant} was acknowledged"
        assert await reader.compare("1") > 0
        await reader.compare("h/limit/120")


def environment(scenario: str, directory: Path) -> dict[str, str]:
    """Prepare what a scenario needs; return what the server has to know of it."""
    if scenario == "disk":
        shim = directory / "shim.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", shim, HERE / "shim.c", "-ldl"], check=True)
        Disk(directory / "disk")
        return {"LD_PRELOAD": str(shim), "TORTURE_DISK": str(directory / "disk")}
    if scenario == "clock":
        (directory / "wall").write_text("+00000.000")
        return {"TORTURE_WALL": str(directory / "wall")}
    return {}


@contextmanager
def disk_of(data: Path, *, small: bool) -> Iterator[None]:
    """Make the directory; on a small disk of its own if that is asked for. PermissionError when it may not be had."""
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
    arguments.add_argument("--kills", type=int, default=50, metavar="COUNT", help="of every scenario (default 50)")
    arguments.add_argument("--seed", type=int, default=1, help="of what happens when (default 1)")
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
