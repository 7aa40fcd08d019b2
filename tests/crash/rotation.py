# ruff: noqa: ASYNC240 - what waits for the disk here is only the load
"""Logs that are rotated in every way that servers, logrotate and container runtimes have."""

import asyncio
import contextlib
import gzip
import random
import shutil
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from tests.crash.load import MARKER, PACE, Account, Sum, line

PATIENCE_SECONDS = 30
"""How long the last line waits for everything before it to be counted: older files may be read after newer ones."""

LINES_PER_GENERATION = 12
"""Enough bytes to know a file by how it begins."""

MAX_HOLE_BYTES = 1 << 20
"""Once a hole is longer, the server that made it is restarted: every copy takes as much of the disk."""


class RotatingLog(ABC):
    """Writes a log, and rotates it whether a server reads it or not."""

    mode = "ab"
    """How it is opened."""
    at_once: tuple[int, ...] = (1, 1, 2, 4)
    """How often it is rotated at once."""

    def __init__(self, directory: Path, account: Account, rng: random.Random) -> None:
        self.service_id = type(self).__name__
        self.stopping = False
        self.directory = directory
        self.path = self.follow = directory / "access.log"
        """Where it is written, and the path or pattern that the server follows."""
        self.rng = rng
        self.rotations = 0
        self._account = account
        directory.mkdir(parents=True)
        self.prepare()

    async def run(self) -> None:
        log = self.open()
        while not self.stopping:
            for _ in range(self.rng.randrange(1, 40)):
                await self.write(log, *self.line())
            self._account.note("written")
            await asyncio.sleep(PACE)
            # Once the server knows it.
            if self._account.found.get(self.service_id) and self.rng.random() < 0.1:
                for _ in range(self.rng.choice(self.at_once)):
                    log = await self.next(log)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._account.counted(self.service_id), PATIENCE_SECONDS)
        await self.write(log, *line(self.rng, domain=MARKER))
        log.close()

    async def next(self, log: IO[bytes]) -> IO[bytes]:
        """Rotate a log with some lines, and write some to the new one."""
        self.rotations += 1
        log = await self.rotate(log)
        self._account.note(f"rotations of {self.service_id}")
        for _ in range(LINES_PER_GENERATION):
            await self.write(log, *self.line())
        # The times of writing differ by more than a tick of the kernel.
        await asyncio.sleep(PACE)
        return log

    def line(self) -> tuple[bytes, Sum]:
        """Return a line of this generation, which is its domain: what is missing shows where to look."""
        return line(self.rng, domain=f"{self.rotations}.example")

    async def write(self, log: IO[bytes], data: bytes, sum_: Sum) -> None:
        """Write one line, sometimes in two pieces."""
        cut = self.rng.randrange(len(data)) if self.rng.random() < 0.1 else 0
        if cut:
            log.write(data[:cut])
            await asyncio.sleep(self.rng.choice([0, PACE / 4]))
        log.write(data[cut:])
        self._account.acknowledge(self.service_id, sum_)

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Set the names, and make what has to be there before."""

    def open(self) -> IO[bytes]:
        return self.path.open(self.mode, buffering=0)

    @abstractmethod
    async def rotate(self, log: IO[bytes]) -> IO[bytes]:
        """Rotate; return what is written to from now on."""


class Numbered(RotatingLog):
    """`access.log.1` becomes `access.log.2`, and the server writes to the old file for another while."""

    async def rotate(self, log: IO[bytes]) -> IO[bytes]:
        for number in range(self.rotations - 1, 0, -1):
            self.directory.joinpath(f"access.log.{number}").rename(self.directory / f"access.log.{number + 1}")
        self.path.rename(self.directory / "access.log.1")
        for _ in range(self.rng.randrange(5)):
            await self.write(log, *self.line())
        new = self.open()
        for _ in range(self.rng.randrange(5)):
            await self.write(log, *self.line())
            await self.write(new, *self.line())
        log.close()
        return new


class Dated(RotatingLog):
    """`access.log` becomes `access.log-20261129…`."""

    name = "access.log-20261129{:06}"

    async def rotate(self, log: IO[bytes]) -> IO[bytes]:
        log.close()
        self.path.rename(self.directory / self.name.format(self.rotations))
        await asyncio.sleep(self.rng.choice([0, PACE]))
        return self.open()


class DatedBeforeExtension(Dated):
    """`access.log` becomes `access-20261129….log`, which the same pattern finds."""

    name = "access-20261129-{:06}.log"

    def prepare(self) -> None:
        self.follow = self.directory / "*.log"


class NewFiles(RotatingLog):
    """Writes to a new file each time; a pattern finds it."""

    def prepare(self) -> None:
        self.follow = self.directory / "**" / "*.log"

    async def rotate(self, log: IO[bytes]) -> IO[bytes]:
        log.close()
        self.path = self.directory / f"vhost{self.rotations}" / "access.log"
        self.path.parent.mkdir()
        return self.open()


class Compressed(RotatingLog):
    """Compressed a moment after it was renamed, as by logrotate without `delaycompress`."""

    async def rotate(self, log: IO[bytes]) -> IO[bytes]:
        for number in range(self.rotations - 1, 0, -1):
            self.directory.joinpath(f"access.log.{number}.gz").rename(self.directory / f"access.log.{number + 1}.gz")
        old = self.directory / "access.log.1"
        self.path.rename(old)
        log.close()
        new = self.open()
        await asyncio.sleep(PACE)
        await compress(old)
        return new


class Copied(RotatingLog):
    """
    Copied and truncated (`copytruncate`).

    Nothing is written between the copy and the truncation: what is would be lost, whatever reads the log.
    """

    async def rotate(self, log: IO[bytes]) -> IO[bytes]:
        for number in range(self.rotations - 1, 0, -1):
            self.directory.joinpath(f"access.log.{number}").rename(self.directory / f"access.log.{number + 1}")
        with self.path.open("rb") as source, self.directory.joinpath("access.log.1").open("wb") as copy:
            while piece := source.read(8192):
                copy.write(piece)
                await asyncio.sleep(0)
        await asyncio.sleep(self.rng.choice([0, PACE]))
        with self.path.open("r+b") as file:
            file.truncate(0)
        if log.tell() > MAX_HOLE_BYTES:
            log.seek(0)
        return log


class CopiedWithHoles(Copied):
    """Copied and truncated while the server goes on at its old position: the file then begins with a hole."""

    mode = "wb"


class Linked(RotatingLog):
    """A link that moves on to a file in another directory, which nothing but the link knows of."""

    moved_at = 0

    def prepare(self) -> None:
        self.follow = self.directory / "current.log"
        self._move()

    async def rotate(self, log: IO[bytes]) -> IO[bytes]:
        # A file that no look at the link has seen cannot be found: three entries later, it was seen.
        seen = self._account.events[f"entries of {self.service_id}"]
        if seen < self.moved_at + 3:
            return log
        self.moved_at = seen
        log.close()
        self._move()
        return self.open()

    def _move(self) -> None:
        self.path = self.directory / f"{self.rotations}" / "access.log"
        self.path.parent.mkdir()
        self.path.touch()
        link = self.directory / "link"
        link.symlink_to(self.path)
        link.rename(self.follow)


class Container(Linked):
    """A container's log in Kubernetes: a link to a file whose long lines are split, renamed, and compressed later."""

    async def write(self, log: IO[bytes], data: bytes, sum_: Sum) -> None:
        cut = self.rng.randrange(1, len(data)) if self.rng.random() < 0.3 else 0
        if cut:
            log.write(wrapped(b"P", data[:cut]))
            await asyncio.sleep(self.rng.choice([0, PACE / 4]))
        await super().write(log, wrapped(b"F", data[cut:]), sum_)

    async def rotate(self, log: IO[bytes]) -> IO[bytes]:
        # A record may begin in one file and end in the next.
        data, sum_ = self.line()
        log.write(wrapped(b"P", data[:50]))
        self.path.rename(self.path.with_name(f"access.log.20261129-{self.rotations:06}"))
        new = self.open()
        log.close()
        await RotatingLog.write(self, new, wrapped(b"F", data[50:]), sum_)
        for one in sorted(self.path.parent.glob("access.log.*[0-9]"))[:-1]:
            await compress(one)
        return new


def wrapped(tag: bytes, data: bytes) -> bytes:
    """Return a line, or a part of one, as container runtimes write it (CRI)."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z").encode()
    return b"%b stdout %b %b\n" % (now, tag, data.removesuffix(b"\n"))


async def compress(path: Path) -> None:
    """Compress a file beside it, then remove it; its time stays."""
    packed = path.with_name(f"{path.name}.gz")
    with path.open("rb") as source, gzip.open(packed, "wb") as target:
        while piece := source.read(8192):
            target.write(piece)
            await asyncio.sleep(0)
    shutil.copystat(path, packed)
    path.unlink()


ROTATING_LOGS = (
    *(Numbered, Dated, DatedBeforeExtension, NewFiles, Compressed, Copied, CopiedWithHoles, Linked, Container),
)
