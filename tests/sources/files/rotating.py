"""Logs that are rotated in every way, one step at a time, so that something else may happen in between."""

import gzip
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tests.sources.files.following import append
from tests.support.clock import ManualClock

Steps = Iterator[None]
"""What happens to a log; something else may happen wherever it yields."""

TICK = 4_000_000
"""Nanoseconds between two times that the kernel gives to files."""

PIECES = 3
"""A file is copied and compressed in so many pieces."""


class ModelLog:
    """A log that is written and rotated at random, and what has to be counted of it."""

    head = b""
    """What every new file begins with."""
    has_copies = False
    """Whether rotation copies the log and truncates it."""

    def __init__(self, directory: Path, rng: random.Random, clock: ManualClock) -> None:
        self.directory = directory
        self.path = self.follow = directory / "access.log"
        """Where it is written, and what is followed."""
        self.wanted: Counter[bytes] = Counter()
        self.rng = rng
        self.rotations = 0
        self._clock = clock
        self._written = 0
        self._modified = 0
        self.prepare()

    def prepare(self) -> None:
        """Make what has to be there before."""

    def close(self) -> None:
        """Close what is open."""

    def write(self, count: int, path: Path | None = None) -> Steps:
        """Write lines."""
        for _ in range(count):
            self._written += 1
            line = b"%d %d %s" % (self.rotations, self._written, b"x" * self.rng.choice([1, 60, 60, 200]))
            self.put(line + b"\n", path)
            self.wanted[line] += 1
            yield

    def put(self, data: bytes, path: Path | None = None) -> None:
        """Write this, and let time pass."""
        path = path or self.path
        if self.head and (not path.exists() or not path.stat().st_size):
            data = self.head + data
        append(path, data)
        self.touch(path)

    def touch(self, path: Path) -> None:
        """Set when this was written: each time is another one."""
        self._modified = max(self._modified + TICK, int(self._clock.now() * 1e9))
        os.utime(path, ns=(self._modified, self._modified))

    def rotate(self) -> Steps:
        """Rotate, and write to the new file."""
        self.rotations += 1
        yield from self.rename()
        yield from self.write(self.rng.choice([0, 1, 5, 10]))

    def rename(self) -> Steps:
        """Rotate."""
        raise NotImplementedError

    def shift(self, ending: str = "", first: int = 1) -> Steps:
        """Make room for `access.log.1`."""
        for number in range(self.rotations, first - 1, -1):
            old = self.directory / f"access.log.{number}{ending}"
            if old.exists():
                old.rename(self.directory / f"access.log.{number + 1}{ending}")
                yield

    def copy(self, source: Path, target: Path) -> Steps:
        """Copy a file in pieces."""
        data = source.read_bytes()
        target.touch()
        self.touch(target)
        yield
        size = len(data) // PIECES + 1
        for at in range(0, len(data), size):
            append(target, data[at : at + size])
            self.touch(target)
            yield

    def compress(self, path: Path) -> Steps:
        """Compress a file beside itself in pieces, as `gzip` does."""
        packed, data = path.with_name(f"{path.name}.gz"), gzip.compress(path.read_bytes(), 1)
        size = len(data) // PIECES + 1
        for at in range(0, len(data), size):
            append(packed, data[at : at + size])
            self.touch(packed)
            yield
        os.utime(packed, ns=(path.stat().st_mtime_ns,) * 2)
        yield
        path.unlink()
        yield


class Numbered(ModelLog):
    """`access.log.1`, and the server goes on writing to the old file for a while."""

    def rename(self) -> Steps:
        yield from self.shift()
        old = self.directory / "access.log.1"
        self.path.rename(old)
        yield from self.write(self.rng.randrange(3), old)
        self.path.touch()
        self.touch(self.path)
        yield
        yield from self.write(self.rng.randrange(3), old)


class Dated(ModelLog):
    """A date in the name."""

    name = "access.log-20261129{:06}"

    def rename(self) -> Steps:
        self.path.rename(self.directory / self.name.format(self.rotations))
        yield
        self.path.touch()
        self.touch(self.path)
        yield


class DatedBeforeExtension(Dated):
    name = "access-20261129-{:06}.log"


class DatedInFront(Dated):
    name = "20261129{:06}-access.log"


class OldDirectory(Dated):
    """Another directory for old files."""

    name = "old/access.log-20261129{:06}"

    def prepare(self) -> None:
        (self.directory / "old").mkdir()


class Compressed(ModelLog):
    """Renamed and compressed at once."""

    def rename(self) -> Steps:
        yield from self.shift(".gz")
        old = self.directory / "access.log.1"
        self.path.rename(old)
        yield
        self.path.touch()
        self.touch(self.path)
        yield
        yield from self.compress(old)


class Delayed(ModelLog):
    """Compressed when it is rotated again (`delaycompress`)."""

    def rename(self) -> Steps:
        yield from self.shift(".gz", 2)
        old = self.directory / "access.log.1"
        if old.exists():
            older = self.directory / "access.log.2"
            old.rename(older)
            yield
            yield from self.compress(older)
        self.path.rename(old)
        yield from self.write(self.rng.randrange(3), old)
        self.path.touch()
        self.touch(self.path)
        yield


class Copied(ModelLog):
    """Copied and truncated (`copytruncate`). Nothing is written in between."""

    has_copies = True

    def rename(self) -> Steps:
        yield from self.shift()
        yield from self.copy(self.path, self.directory / "access.log.1")
        os.truncate(self.path, 0)
        self.touch(self.path)
        yield


class CopiedWithDate(Copied):
    def rename(self) -> Steps:
        yield from self.copy(self.path, self.directory / f"access.log-20261129{self.rotations:06}")
        os.truncate(self.path, 0)
        self.touch(self.path)
        yield


class CopiedAndCompressed(Copied):
    """Copied and truncated, and the copy is compressed."""

    def rename(self) -> Steps:
        yield from self.shift(".gz")
        old = self.directory / "access.log.1"
        yield from self.copy(self.path, old)
        os.truncate(self.path, 0)
        self.touch(self.path)
        yield
        yield from self.compress(old)


class CopiedWithHoles(Copied):
    """The server goes on at its old position, so the file begins with a hole."""

    def prepare(self) -> None:
        self._file: IO[bytes] = self.path.open("wb", buffering=0)

    def close(self) -> None:
        self._file.close()

    def put(self, data: bytes, path: Path | None = None) -> None:
        assert path is None
        self._file.write(data)
        self.touch(self.path)


class RenamedAndCopied(ModelLog):
    """Renamed, copied to its final name, then removed (`renamecopy`)."""

    def rename(self) -> Steps:
        yield from self.shift()
        temporary = self.directory / "access.log.tmp"
        self.path.rename(temporary)
        yield
        self.path.touch()
        self.touch(self.path)
        yield
        yield from self.copy(temporary, self.directory / "access.log.1")
        temporary.unlink()
        yield


class Linked(ModelLog):
    """A link to the newest of dated files."""

    def prepare(self) -> None:
        self.path = self.directory / "access-20261129000000.log"
        self.path.touch()
        self.follow.symlink_to(self.path)

    def rename(self) -> Steps:
        self.path = self.directory / f"access-20261129{self.rotations:06}.log"
        self.path.touch()
        self.touch(self.path)
        yield
        (self.directory / "link").symlink_to(self.path)
        yield
        (self.directory / "link").rename(self.follow)
        yield


class Split(ModelLog):
    """A container's log: records begin in one file and end in the next, older files are compressed."""

    def rename(self) -> Steps:
        begun = b"%d %d" % (self.rotations, self._written)
        self.put(b"P %b, \n" % begun)
        yield
        self.path.rename(self.directory / f"access.log.20261129-{self.rotations:06}")
        yield
        self.put(b"F ended %d\n" % self.rotations)
        self.wanted[begun + b", ended %d" % self.rotations] += 1
        yield
        for one in sorted(self.directory.glob("access.log.*[0-9]"))[:-1]:
            yield from self.compress(one)


HEAD = b"".join(b"#Fields of which every file begins: %d\n" % number for number in range(1000, 1040))
"""More than what a file is recognised by."""


class NumberedAlike(Numbered):
    """Every file begins in the same way."""

    head = HEAD


class CopiedAlike(Copied):
    head = HEAD


class CompressedAlike(Compressed):
    head = HEAD


class CopiedShortAlike(Copied):
    head = HEAD[: HEAD.index(b"\n", 300) + 1]


class CopiedOneAlike(Copied):
    head = HEAD[: HEAD.index(b"\n") + 1]


class CopiedWithDateAlike(CopiedWithDate):
    head = HEAD[: HEAD.index(b"\n", 300) + 1]


class CompressedShortAlike(Compressed):
    head = HEAD[: HEAD.index(b"\n", 300) + 1]


class CompressedOneAlike(Compressed):
    head = HEAD[: HEAD.index(b"\n") + 1]


class NumberedOneAlike(Numbered):
    head = HEAD[: HEAD.index(b"\n") + 1]


class SplitAlike(Split):
    head = HEAD[: HEAD.index(b"\n") + 1]


LOGS = (
    *(Numbered, Dated, DatedBeforeExtension, DatedInFront, OldDirectory, Compressed, Delayed),
    *(Copied, CopiedWithDate, CopiedAndCompressed, CopiedWithHoles, RenamedAndCopied, Linked, Split),
    *(NumberedAlike, NumberedOneAlike, CopiedAlike, CopiedShortAlike, CopiedOneAlike, CopiedWithDateAlike),
    *(CompressedShortAlike, CompressedOneAlike, SplitAlike),
)
"""One of each kind."""
