"""
A file that somebody goes on writing, like `tail -F`.

It survives rotation by rename (the old file is read to its end, and given a moment for whoever still writes to it)
and by truncation, also when nobody was here to see it. Lines that are not finished wait for their end.
"""

import errno
import os
import re
import stat
from collections.abc import AsyncIterator, Callable
from hashlib import blake2b
from pathlib import Path

import msgspec

from edgetally.clock import Clock, sleep_until
from edgetally.model import Defaults, Framing
from edgetally.sources.base import READ, Block
from edgetally.telemetry.events import FileRotated, FileTruncated, FileUnavailable, Following, RotatedFileLost, say

POLL_SECONDS = 0.1
"""How often to look for more."""

GRACE_SECONDS = 1.0
"""How long a file that was renamed must be quiet before the new one is read: servers reopen their logs one worker
after the other."""

HEAD_BYTES = 1024
"""A file is known by how it begins: systems give the inode of a file that was removed to the next one."""

SURE_BYTES = 256
"""So many of them are enough even when the inode is another: the file was copied and then truncated."""

ROTATED = re.compile(r"[._-][0-9][0-9T._-]*")
"""What rotation adds to a name. What it has compressed is not read."""


class Mark(msgspec.Struct, frozen=True):
    """Up to where a file was read, and how to know it again."""

    inode: int
    offset: int
    head: int = 0
    """How many bytes, from the beginning, `digest` is of."""
    digest: str = ""


NO_FILE = Mark(0, 0)
"""There was none when we looked: whatever stands there later is new."""


class Opened:
    """A file that is read, whatever its name may be by now."""

    def __init__(self, path: Path) -> None:
        # Opening a pipe would wait for whoever writes into it, and everything else with it.
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            problem = os.strerror(errno.EISDIR) if stat.S_ISDIR(kind) else "no regular file; --stdin reads pipes"
            raise OSError(errno.EINVAL, problem, str(path))
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.status = os.fstat(self._descriptor)
        """What it was when it was opened."""
        self.offset = 0
        """How far it was read."""
        self._head = b""

    @property
    def size(self) -> int:
        """Bytes that it has now."""
        return os.fstat(self._descriptor).st_size

    def read(self) -> bytes:
        """Return what comes next, if anything."""
        data = os.pread(self._descriptor, READ, self.offset)
        self.offset += len(data)
        return data

    def begin_anew(self) -> None:
        """It was truncated."""
        self.offset = 0
        self._head = b""

    def mark(self, offset: int) -> Mark:
        """Return the mark of a byte up to which it was read."""
        size = min(offset, HEAD_BYTES)
        if len(self._head) < size:
            self._head = self._begin(size)
        return Mark(self.status.st_ino, offset, size, _digest(self._head[:size]))

    def is_meant_by(self, mark: Mark) -> bool:
        """Whether this is the file of `mark`, and still has all that was read."""
        known = mark.inode == self.status.st_ino or mark.head >= SURE_BYTES
        return known and mark.offset <= self.size and mark.digest == _digest(self._begin(mark.head))

    def was_written_after(self, other: "Opened") -> bool:
        """Whether somebody wrote to this one when nobody wrote to the other any more."""
        return self.status.st_mtime_ns > other.status.st_mtime_ns

    def has_name(self, path: Path) -> bool:
        """Whether `path` is this file."""
        try:
            current = path.stat()
        except OSError:
            return False
        return (current.st_dev, current.st_ino) == (self.status.st_dev, self.status.st_ino)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def _begin(self, size: int) -> bytes:
        return os.pread(self._descriptor, size, 0)


def whole(path: Path) -> Path:
    """Return `path` from the root on, without `..` as far as that leads to the same place."""
    straight = Path(os.path.normpath(path.absolute()))
    return straight if os.path.realpath(straight) == os.path.realpath(path) else path.absolute()


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def _digest(head: bytes) -> str:
    return blake2b(head, digest_size=16).hexdigest() if head else ""


class FollowedFile:
    """Blocks of one file, from its end on when it is there already, or from where it was left."""

    framing: Framing = "lines"

    def __init__(self, path: Path, defaults: Defaults, clock: Clock) -> None:
        # Started from another directory, `edge.log` is another file, and has nothing to do with the mark of this one.
        # Links are not resolved, because rotation may point them elsewhere.
        self._path = whole(path)
        self.name = f"file:{self._path}"
        self.defaults = defaults
        self._clock = clock
        self._known: Mark | None = None
        self._waits = False
        self._begins = True
        self._files: list[Opened] = []

    @property
    def behind(self) -> int:
        """Bytes that were written and are not read yet."""
        return sum(max(0, one.size - one.offset) for one in self._files)

    def note_progress(self, unfinished: int, accepted: int, rejected: int) -> None:
        """Nothing follows from it here."""

    async def blocks(self, checkpoint: str | None) -> AsyncIterator[Block]:
        """Yield what is appended, without end."""
        self._known = msgspec.json.decode(checkpoint, type=Mark) if checkpoint else None
        if self._known is None and not _is_there(self._path):
            # What stands there from now on is new, whoever of us finds it.
            self._known = NO_FILE
            yield Block(b"", checkpoint=lambda _: msgspec.json.encode(NO_FILE).decode())
        self._files = self._missed(was_away=True)
        try:
            while True:
                # Once the one is read, others may have come and gone.
                self._files = self._files or self._missed(was_away=False) or await self._current()
                opened = self._files[0]
                self._say_where(opened)
                async for block in self._read(opened, is_last=len(self._files) == 1):
                    yield block
                self._known = opened.mark(opened.offset)
                self._files.pop(0).close()
        finally:
            while self._files:
                self._files.pop().close()

    async def _current(self) -> list[Opened]:
        """Open the file that has our name, once there is one and nothing else was missed."""
        while (opened := self._open()) is None:
            await self._pause()
        if missed := self._missed(was_away=False):
            opened.close()
            return missed
        if self._known is None:
            # Its past is not ours to count.
            opened.offset = opened.size
        elif opened.is_meant_by(self._known):
            opened.offset = self._known.offset
        return [opened]

    def _open(self) -> Opened | None:
        try:
            opened = Opened(self._path)
        except OSError as error:
            if not self._waits:
                say(FileUnavailable(source=self.name, problem=error.strerror or str(error)))
            self._waits = self._begins = True
            return None
        self._waits = False
        return opened

    def _say_where(self, opened: Opened) -> None:
        """Say from where a file is read, if nobody was told since it was last waited for."""
        if not self._begins:
            return
        self._begins = False
        if self._known is None:
            start = "end"
        elif opened.offset:
            start = "checkpoint"
        else:
            start = "beginning"
        say(Following(source=self.name, offset=opened.offset, start=start))

    def _missed(self, *, was_away: bool) -> list[Opened]:
        """
        Open what had our name since we last looked, and has it no more, in the order in which it was written.

        After we were away, the first is the file that we know, from where we left it; then come those that took its
        place and lost it too.
        """
        known = self._known
        if known is None or known == NO_FILE:
            return []
        candidates = self._candidates(known)
        found: list[Opened] = []
        left = next((one for one in candidates if one.is_meant_by(known)), None)
        if left and not left.has_name(self._path):
            left.offset = known.offset
            later = [one for one in candidates if one.was_written_after(left) and not one.has_name(self._path)]
            found = [left] if was_away else []
            found += sorted(later, key=lambda one: one.status.st_mtime_ns)
        elif was_away and not left and known.offset:
            say(RotatedFileLost(source=self.name, offset=known.offset))
        for one in candidates:
            if one not in found:
                one.close()
        return found

    def _candidates(self, known: Mark) -> list[Opened]:
        """Open what may be the file that we know, or have come after it; first what has the name now."""
        found = []
        try:
            beside = sorted(self._path.parent.iterdir())
        except OSError:
            beside = []
        for path in [self._path, *beside]:
            rotated = path.name.startswith(self._path.name) and ROTATED.fullmatch(path.name[len(self._path.name) :])
            try:
                if path == self._path or rotated or path.stat().st_ino == known.inode:
                    found.append(Opened(path))
            except OSError:
                pass  # it is gone, or not for us
        return found

    async def _read(self, opened: Opened, *, is_last: bool) -> AsyncIterator[Block]:
        """Yield what is appended to one file, until another has taken its name and this one is quiet."""
        quiet_since = None

        def mark() -> Callable[[int], str]:
            read = opened.offset
            return lambda unfinished: msgspec.json.encode(opened.mark(read - unfinished)).decode()

        # Remembered even before anything is written: what is written while we are away counts.
        yield Block(b"", checkpoint=mark())
        while True:
            data = opened.read()
            if data:
                quiet_since = None
                yield Block(data, more=len(data) == READ, checkpoint=mark())
                if len(data) == READ:
                    continue
            elif opened.size < opened.offset:
                say(FileTruncated(source=self.name))
                opened.begin_anew()
                yield Block(b"", end=True, checkpoint=mark())
                continue
            elif not is_last or (_is_there(self._path) and not opened.has_name(self._path)):
                quiet_since = self._clock.now() if quiet_since is None else quiet_since
                if self._clock.now() - quiet_since >= GRACE_SECONDS:
                    say(FileRotated(source=self.name))
                    yield Block(b"", end=True, checkpoint=mark())
                    return
            await self._pause()

    async def _pause(self) -> None:
        await sleep_until(self._clock, self._clock.now() + POLL_SECONDS)
