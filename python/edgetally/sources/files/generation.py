"""One open file that is read to its end, whatever its name has become."""

import asyncio
import contextlib
import errno
import os
import re
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from edgetally.clock import Clock, sleep_until
from edgetally.model import Defaults, Framing
from edgetally.sources.base import READ_BYTES, Block, Changes, path_text
from edgetally.sources.files.checkpoint import HEAD_BYTES, SURE_BYTES, Checkpoint, digest_of
from edgetally.telemetry.events import FileReadFailed, FileReadRecovered, FileTruncated, say

TAIL_BYTES = 64
"""The bytes before the offset have to be those that were read: a file that was truncated and has grown again may begin
as it did before."""

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0
"""A file that cannot be read is tried again after the first, then after twice as long each time, up to the last."""

NULS = re.compile(rb"(?:^|(?<=\n))\0+")
"""A hole before a line: the file was truncated while a server went on writing at its old position."""


def open_regular(path: Path) -> int:
    """Open a regular file and return its descriptor; raise OSError for anything else. Never waits for a pipe."""
    kind = path.stat().st_mode
    if not stat.S_ISREG(kind):
        problem = os.strerror(errno.EISDIR) if stat.S_ISDIR(kind) else "not a regular file (--stdin reads pipes)"
        raise OSError(errno.EINVAL, problem, str(path))
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


class OpenFile:
    """A descriptor, and what identifies its file."""

    def __init__(self, path: Path) -> None:
        """Open `path`; raise OSError when it is not a regular file that can be read."""
        self.descriptor = open_regular(path)
        status = os.fstat(self.descriptor)
        self.identity = status.st_dev, status.st_ino
        self.path = Path(os.path.realpath(path))
        """Where it was when it was opened, links resolved."""

    def status(self) -> os.stat_result:
        """Return size and times of the file now."""
        return os.fstat(self.descriptor)

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes, or all when there are fewer."""
        return os.pread(self.descriptor, size, 0)

    def matches(self, checkpoint: Checkpoint) -> bool:
        """Whether this is the file of `checkpoint`, or a copy of it, and still has all that was read."""
        has_inode = checkpoint.inode == self.identity[1]
        if checkpoint.offset > self.status().st_size or not (has_inode or checkpoint.head >= SURE_BYTES):
            return False
        try:
            return checkpoint.digest == digest_of(self.head(checkpoint.head))
        except OSError:
            return has_inode  # compared once it can be read

    def is_copy(self, checkpoint: Checkpoint) -> bool:
        """Whether this has all that was read of another file, and begins like it."""
        if checkpoint.inode == self.identity[1] or not 0 < checkpoint.offset <= self.status().st_size:
            return False
        try:
            return checkpoint.digest == digest_of(self.head(checkpoint.head))
        except OSError:
            return False

    def has_name(self, path: Path) -> bool:
        """Whether `path` is this file."""
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.identity

    def end(self) -> Checkpoint:
        """Return the checkpoint of its end. A line that is unfinished there is passed over when it goes on."""
        size = self.status().st_size
        try:
            within_line = size > 0 and os.pread(self.descriptor, 1, size - 1) != b"\n"
        except OSError:
            within_line = False  # reading reports it, and is retried
        return Checkpoint(self.identity[1], size, within_line=within_line)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


def open_quietly(path: Path) -> OpenFile | None:
    """Open `path`; None when it is gone, not a regular file, or may not be read."""
    try:
        return OpenFile(path)
    except OSError:
        return None


async def _no_copy(_checkpoint: Checkpoint) -> bool:
    return False


class Generation:
    """
    Blocks of one file: a source.

    Blocks end with a newline, so that an unfinished line is read again with its end and the checkpoint is always
    between two lines. Only a line longer than READ_BYTES comes in pieces.
    """

    framing: Framing = "lines"

    def __init__(
        self,
        name: str,
        key: str,
        file: OpenFile,
        defaults: Defaults,
        clock: Clock,
        at: Checkpoint | None = None,
    ) -> None:
        """
        Read `file` from where `at` says on, or from its beginning.

        Args:
            name: Name of the source, as logs and metrics show it.
            key: Name of its checkpoint in the journal.
            file: The open file. It is closed when its blocks end.
            defaults: What holds for records that do not say otherwise.
            clock: Tells when to try again.
            at: Where to begin.
        """
        self.name = name
        self.key = key
        self.file = file
        self.defaults = defaults
        self.offset = at.offset if at else 0
        """Bytes that were handed on."""
        self.size = 0
        """Bytes that the file had when it was last looked at."""
        self.modified = 0
        """When it was last written, in nanoseconds since 1970 by the clock of its file system."""
        self.problem: str | None = None
        """Why it cannot be read at the moment."""
        self.find_copy: Callable[[Checkpoint], Awaitable[bool]] = _no_copy
        """Called when the file was truncated. Returns whether a copy of it is read from the checkpoint on."""
        self.closing: Callable[[Checkpoint], dict[str, str | None]] = lambda _checkpoint: {}
        """Called at the end: what the journal keeps with the last block."""
        self._clock = clock
        self.began_at = at or Checkpoint(file.identity[1], 0)
        """Where reading began."""
        self._within_line = self.began_at.within_line
        self._pending = self.began_at.pending
        """Parts of records that were handed on and whose end was not."""
        self._head = self._tail = self._unfinished = b""
        status = file.status()
        self.size, self.modified = status.st_size, status.st_mtime_ns
        self._is_verified = False
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._changed = asyncio.Event()
        self._changed.set()
        self._is_last = False
        self.quiet_since = clock.now()
        """When it was last seen to change."""

    @property
    def behind(self) -> int:
        """Bytes that were written and are not read yet."""
        return max(0, self.size - self.offset - len(self._unfinished))

    def note_progress(self, unfinished: int, recognised: int, rejected: int) -> None:
        """Nothing depends on it."""

    def poll(self, status: os.stat_result | None = None) -> None:
        """Notice whether the file has changed. Takes its status when the caller has it already."""
        before = self.size, self.modified
        try:
            status = status or self.file.status()
        except OSError:
            return  # reading reports what is wrong
        self.size, self.modified = status.st_size, status.st_mtime_ns
        if (self.size, self.modified) != before:
            self.quiet_since = self._clock.now()
            self._changed.set()

    def finish(self) -> None:
        """End the blocks once everything is read: nothing will be written to the file any more."""
        self._is_last = True
        self._changed.set()

    @property
    def is_finishing(self) -> bool:
        """Whether the blocks end once everything is read."""
        return self._is_last

    def checkpoint(self) -> Checkpoint:
        """Return how far it was read."""
        return Checkpoint(
            inode=self.file.identity[1],
            offset=self.offset,
            head=len(self._head),
            digest=digest_of(self._head),
            modified=self.modified,
            within_line=self._within_line or not self._is_between_lines(),
            path=path_text(self.file.path),
            pending=self._pending,
        )

    async def blocks(self) -> AsyncIterator[Block]:
        """Yield what is written, until `finish` was called and everything is read."""
        try:
            if self._pending:
                yield Block(b"", resume=self._pending)
            while not self._is_verified:
                try:
                    is_same = self._verify()
                except OSError as error:
                    await self._wait_out(error)
                    continue
                # Kept even before anything is written: what is written while no one reads counts.
                yield self._block(b"") if is_same else await self._truncated()
            while True:
                self._changed.clear()
                try:
                    data = self._read()
                except OSError as error:
                    await self._wait_out(error)
                    continue
                self._recover()
                if data is None:
                    yield await self._truncated()
                elif data:
                    more = self.offset + len(self._unfinished) < self.size
                    yield self._block(data, more=more)
                    if more:
                        continue
                elif self._is_last:
                    yield Block(self._unfinished, end=True, checkpoints=self.closing(self.checkpoint()))
                    return
                await self._changed.wait()
        finally:
            self.file.close()

    def _read(self) -> bytes | None:
        """Return the finished lines that come next, if any; None when the file was truncated."""
        self.size = self.file.status().st_size
        if self.size < self.offset + len(self._unfinished) or not self._is_same():
            return None
        data = os.pread(self.file.descriptor, READ_BYTES, self.offset)
        while data[:1] == b"\0" and self._is_between_lines():
            self._skip_hole(data)
            data = os.pread(self.file.descriptor, READ_BYTES, self.offset)
        if not data:
            return b""
        end = data.rfind(b"\n") + 1
        if not end and len(data) < READ_BYTES:
            self._unfinished = data
            return b""
        self._unfinished = data[end:] if end else b""
        lines = data[:end] if end else data
        self._advance(lines)
        return self._cleaned(lines)

    def _is_between_lines(self) -> bool:
        before = self._tail.rstrip(b"\0")
        return not before or before.endswith(b"\n")

    def _skip_hole(self, data: bytes) -> None:
        """Pass over the zeros at the offset: `data` begins with some of them."""
        zeros = len(data) - len(data.lstrip(b"\0"))
        if zeros == len(data):
            with contextlib.suppress(OSError):  # not every file system knows its holes
                zeros = max(zeros, os.lseek(self.file.descriptor, self.offset, os.SEEK_DATA) - self.offset)
        if self.offset < HEAD_BYTES:
            self._head = (self._head + data[:zeros])[:HEAD_BYTES]
        self._tail = b"\0" * TAIL_BYTES if zeros >= TAIL_BYTES else (self._tail + data[:zeros])[-TAIL_BYTES:]
        self.offset += zeros

    def _cleaned(self, lines: bytes) -> bytes:
        """Return `lines` without holes and without the rest of a line that began before the file was followed."""
        if self._within_line:
            newline = lines.find(b"\n")
            self._within_line = newline < 0
            lines = lines[newline + 1 :] if newline >= 0 else b""
        return NULS.sub(b"", lines) if b"\0" in lines else lines

    def _advance(self, lines: bytes) -> None:
        if len(self._head) == self.offset < HEAD_BYTES:
            self._head = (self._head + lines)[:HEAD_BYTES]
        self._tail = (self._tail + lines[-TAIL_BYTES:])[-TAIL_BYTES:]
        self.offset += len(lines)

    def _is_same(self) -> bool:
        """Whether the file still has what was read: its beginning, and the bytes before the offset."""
        if self.size == self.offset:
            return True  # nothing to read; an unchanged file is not looked into
        tail_at = self.offset - len(self._tail)
        return self.file.head(len(self._head)) == self._head and (
            os.pread(self.file.descriptor, len(self._tail), tail_at) == self._tail
        )

    def _verify(self) -> bool:
        """Compare the file with the checkpoint where reading began, before anything is read."""
        self._head = self.file.head(min(self.offset, HEAD_BYTES))
        self._tail = os.pread(self.file.descriptor, min(self.offset, TAIL_BYTES), max(0, self.offset - TAIL_BYTES))
        self._is_verified = True
        began_at = self.began_at
        return digest_of(self._head[: began_at.head]) == began_at.digest

    async def _truncated(self) -> Block:
        """Start again. The unfinished line ends here, unless a copy of the file has the rest of it."""
        say(FileTruncated(source=self.name))
        is_copied = await self.find_copy(self.checkpoint())
        # The copy has gone on with the parts of records, too.
        resume = b"" if is_copied else None
        unfinished = b"" if is_copied or self._within_line else self._unfinished
        self.offset, self._head, self._tail, self._unfinished, self._pending = 0, b"", b"", b"", b""
        self._within_line, self._is_verified = False, True
        self._changed.set()
        return Block(unfinished, end=True, checkpoints={self.key: self.checkpoint().encode()}, resume=resume)

    async def _wait_out(self, error: OSError) -> None:
        """Report the first of several failures, and wait before the next try."""
        problem = error.strerror or str(error)
        if self.problem is None:
            say(FileReadFailed(source=self.name, problem=problem))
        self.problem = problem
        if error.errno == errno.ESTALE:
            self._reopen()
        await sleep_until(self._clock, self._clock.now() + self._retry_seconds)
        self._retry_seconds = min(2 * self._retry_seconds, LAST_RETRY_SECONDS)

    def _recover(self) -> None:
        if self.problem:
            self.problem = None
            self._retry_seconds = FIRST_RETRY_SECONDS
            say(FileReadRecovered(source=self.name))

    def _reopen(self) -> None:
        """Replace the handle of a network file system that has become stale."""
        again = open_quietly(self.file.path)
        if again and again.identity == self.file.identity and again.matches(self.checkpoint()):
            self.file.close()
            self.file = again
        elif again:
            again.close()

    def _block(self, data: bytes, *, more: bool = False) -> Block:
        checkpoint = self.checkpoint()

        def changes(pending: bytes) -> Changes:
            self._pending = pending
            return {self.key: msgspec.structs.replace(checkpoint, pending=pending).encode()}

        return Block(data, more=more, checkpoints=changes)
