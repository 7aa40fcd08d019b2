"""
Follows a file that is being written, like `tail -F`.

Rotation by rename and by truncation loses no line, even while the process is down. A renamed file is read to its end,
and some time longer for writers that have it open. The last line waits for its end.
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
from edgetally.sources.base import READ_BYTES, Block
from edgetally.telemetry.events import FileRotated, FileTruncated, FileUnavailable, Following, RotatedFileLost, say

POLL_SECONDS = 0.1
"""How often the file is checked for more."""

GRACE_SECONDS = 1.0
"""How long a renamed file must not grow before the new one is read: the workers of a server reopen their logs one after
the other."""

HEAD_BYTES = 1024
"""How much of the start of a file identifies it. The inode does not, because systems reuse it."""

IDENTIFYING_BYTES = 256
"""This much identifies a file even with another inode: it was copied, then truncated."""

ROTATED = re.compile(r"[._-][0-9][0-9T._-]*")
"""What rotation adds to a name. Compressed files do not match, and are not read."""


class FileCheckpoint(msgspec.Struct, frozen=True):
    """How far a file was read, and how to recognise it."""

    inode: int
    offset: int
    head: int = 0
    """Bytes at its start of which `digest` is."""
    digest: str = ""


NO_FILE = FileCheckpoint(0, 0)
"""There was no file: all of one that appears later is new."""


class OpenedFile:
    """A file that is read. It may be renamed meanwhile."""

    def __init__(self, path: Path) -> None:
        # Opening a pipe would block until there is a writer.
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            problem = os.strerror(errno.EISDIR) if stat.S_ISDIR(kind) else "not a regular file (use --stdin for pipes)"
            raise OSError(errno.EINVAL, problem, str(path))
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.status = os.fstat(self._descriptor)
        """From when it was opened."""
        self.offset = 0
        """How far it was read."""
        self._head = b""

    @property
    def size(self) -> int:
        """Its size now, in bytes."""
        return os.fstat(self._descriptor).st_size

    def read(self) -> bytes:
        """Return the next bytes; none at the end."""
        data = os.pread(self._descriptor, READ_BYTES, self.offset)
        self.offset += len(data)
        return data

    def restart(self) -> None:
        """Read it from its start, because it was truncated."""
        self.offset = 0
        self._head = b""

    def checkpoint(self, offset: int) -> FileCheckpoint:
        """Return the checkpoint of an offset up to which it was read."""
        size = min(offset, HEAD_BYTES)
        if len(self._head) < size:
            self._head = self._read_head(size)
        return FileCheckpoint(self.status.st_ino, offset, size, _digest(self._head[:size]))

    def matches(self, checkpoint: FileCheckpoint) -> bool:
        """Tell whether this is the file of `checkpoint`, and still has all that was read of it."""
        is_candidate = checkpoint.inode == self.status.st_ino or checkpoint.head >= IDENTIFYING_BYTES
        return (
            is_candidate
            and checkpoint.offset <= self.size
            and checkpoint.digest == _digest(self._read_head(checkpoint.head))
        )

    def was_written_after(self, other: "OpenedFile") -> bool:
        """Tell whether the last write to this file was after that to the other."""
        return self.status.st_mtime_ns > other.status.st_mtime_ns

    def has_name(self, path: Path) -> bool:
        """Tell whether `path` is this file."""
        try:
            current = path.stat()
        except OSError:
            return False
        return (current.st_dev, current.st_ino) == (self.status.st_dev, self.status.st_ino)

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)

    def _read_head(self, size: int) -> bytes:
        return os.pread(self._descriptor, size, 0)


def absolute(path: Path) -> Path:
    """Return the absolute path, without `..` if that is the same file."""
    straight = Path(os.path.normpath(path.absolute()))
    return straight if os.path.realpath(straight) == os.path.realpath(path) else path.absolute()


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def _digest(head: bytes) -> str:
    return blake2b(head, digest_size=16).hexdigest() if head else ""


class FollowedFile:
    """A source of the lines of one file: from its checkpoint, or else from its end when it is first followed."""

    framing: Framing = "lines"

    def __init__(self, path: Path, defaults: Defaults, clock: Clock) -> None:
        # Absolute, because in another directory, `edge.log` is another file with another checkpoint. Links are not
        # resolved, because rotation may change them.
        self._path = absolute(path)
        self.name = f"file:{self._path}"
        self.defaults = defaults
        self._clock = clock
        self._checkpoint: FileCheckpoint | None = None
        self._is_unavailable = False
        self._logs_start = True
        self._files: list[OpenedFile] = []

    @property
    def behind(self) -> int:
        """Bytes that are written and not read yet."""
        return sum(max(0, one.size - one.offset) for one in self._files)

    def note_progress(self, unfinished: int, accepted: int, rejected: int) -> None:
        """Nothing depends on it."""

    async def blocks(self, checkpoint: str | None) -> AsyncIterator[Block]:
        """Yield what is appended, without end."""
        self._checkpoint = msgspec.json.decode(checkpoint, type=FileCheckpoint) if checkpoint else None
        if self._checkpoint is None and not _exists(self._path):
            # All of a file that appears from now on is new, also for the next process.
            self._checkpoint = NO_FILE
            yield Block(b"", checkpoint=lambda _: msgspec.json.encode(NO_FILE).decode())
        self._files = self._rotated(is_restart=True)
        try:
            while True:
                # While one file was read, others may have been rotated.
                self._files = self._files or self._rotated(is_restart=False) or await self._current()
                opened = self._files[0]
                self._log_start(opened)
                async for block in self._read(opened, is_last=len(self._files) == 1):
                    yield block
                self._checkpoint = opened.checkpoint(opened.offset)
                self._files.pop(0).close()
        finally:
            while self._files:
                self._files.pop().close()

    async def _current(self) -> list[OpenedFile]:
        """Wait for a file with the followed name, and open it; or rotated files, if there are any by then."""
        while (opened := self._open()) is None:
            await self._pause()
        if rotated := self._rotated(is_restart=False):
            opened.close()
            return rotated
        if self._checkpoint is None:
            # What was written before it is followed does not count.
            opened.offset = opened.size
        elif opened.matches(self._checkpoint):
            opened.offset = self._checkpoint.offset
        return [opened]

    def _open(self) -> OpenedFile | None:
        try:
            opened = OpenedFile(self._path)
        except OSError as error:
            if not self._is_unavailable:
                say(FileUnavailable(source=self.name, problem=error.strerror or str(error)))
            self._is_unavailable = self._logs_start = True
            return None
        self._is_unavailable = False
        return opened

    def _log_start(self, opened: OpenedFile) -> None:
        """Log from where a file is read, once, and again after it was unavailable."""
        if not self._logs_start:
            return
        self._logs_start = False
        if self._checkpoint is None:
            start = "end"
        elif opened.offset:
            start = "checkpoint"
        else:
            start = "beginning"
        say(Following(source=self.name, offset=opened.offset, start=start))

    def _rotated(self, *, is_restart: bool) -> list[OpenedFile]:
        """
        Open the files that had the followed name since the checkpoint and no longer have it, the oldest first.

        After a restart, the first of them is the file of the checkpoint, to be read from there.
        """
        checkpoint = self._checkpoint
        if checkpoint is None or checkpoint == NO_FILE:
            return []
        candidates = self._candidates(checkpoint)
        found: list[OpenedFile] = []
        last = next((one for one in candidates if one.matches(checkpoint)), None)
        if last and not last.has_name(self._path):
            last.offset = checkpoint.offset
            later = [one for one in candidates if one.was_written_after(last) and not one.has_name(self._path)]
            found = [last] if is_restart else []
            found += sorted(later, key=lambda one: one.status.st_mtime_ns)
        elif is_restart and not last and checkpoint.offset:
            say(RotatedFileLost(source=self.name, offset=checkpoint.offset))
        for one in candidates:
            if one not in found:
                one.close()
        return found

    def _candidates(self, checkpoint: FileCheckpoint) -> list[OpenedFile]:
        """Open the followed file, and those that may be the file of the checkpoint or have come after it."""
        found = []
        try:
            siblings = sorted(self._path.parent.iterdir())
        except OSError:
            siblings = []
        for path in [self._path, *siblings]:
            rotated = path.name.startswith(self._path.name) and ROTATED.fullmatch(path.name[len(self._path.name) :])
            try:
                if path == self._path or rotated or path.stat().st_ino == checkpoint.inode:
                    found.append(OpenedFile(path))
            except OSError:
                pass  # it was removed, or cannot be read
        return found

    async def _read(self, opened: OpenedFile, *, is_last: bool) -> AsyncIterator[Block]:
        """Yield what is appended to one file, until another file has its name and this one does not grow."""
        quiet_since = None

        def checkpoint() -> Callable[[int], str]:
            offset = opened.offset
            return lambda unfinished: msgspec.json.encode(opened.checkpoint(offset - unfinished)).decode()

        # A checkpoint before anything is written, so that what is written while the process is down counts.
        yield Block(b"", checkpoint=checkpoint())
        while True:
            data = opened.read()
            if data:
                quiet_since = None
                yield Block(data, more=len(data) == READ_BYTES, checkpoint=checkpoint())
                if len(data) == READ_BYTES:
                    continue
            elif opened.size < opened.offset:
                say(FileTruncated(source=self.name))
                opened.restart()
                yield Block(b"", end=True, checkpoint=checkpoint())
                continue
            elif not is_last or (_exists(self._path) and not opened.has_name(self._path)):
                quiet_since = self._clock.now() if quiet_since is None else quiet_since
                if self._clock.now() - quiet_since >= GRACE_SECONDS:
                    say(FileRotated(source=self.name))
                    yield Block(b"", end=True, checkpoint=checkpoint())
                    return
            await self._pause()

    async def _pause(self) -> None:
        await sleep_until(self._clock, self._clock.now() + POLL_SECONDS)
