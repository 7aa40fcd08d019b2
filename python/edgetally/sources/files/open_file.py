"""An open file, and what identifies it."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edgetally.errors import InputError
from edgetally.sources.base import path_text
from edgetally.sources.compression import HEAD_BYTES as MAGIC_BYTES
from edgetally.sources.compression import Identity, by_magic, foreign
from edgetally.sources.files.checkpoint import (
    HEAD_BYTES,
    SURE_BYTES,
    TAIL_BYTES,
    Checkpoint,
    EndedGeneration,
    digest_of,
)
from edgetally.sources.files.directory import is_compressed

FIRST_PIECE_BYTES = 4096
PIECE_BYTES = 1 << 16
"""Compressed bytes that are read at once: the first time, which often is only to see how a file begins, and later."""

ZEROS_AT_ONCE = 1 << 16
MAX_ZERO_BYTES = 1 << 24
"""Zeros that are skipped to find the beginning of a file, where the file system does not know its holes."""


class Extent(NamedTuple):
    """How much there is of a file, and since when."""

    size: int
    """Bytes. Of a compressed file that is not decompressed to its end yet, only that there are more."""
    modified: int
    """When it was last written, in nanoseconds since 1970 by the clock of its file system."""


class FirstBytes(NamedTuple):
    """How a file begins."""

    at: int
    """Where the first byte is that is not zero."""
    head: bytes
    """Its first bytes from there on, at most HEAD_BYTES."""


NOTHING = FirstBytes(0, b"")


def open_regular(path: Path) -> int:
    """Open a regular file and return its descriptor; raise OSError for anything else. Never waits for a pipe."""
    kind = path.stat().st_mode
    if not stat.S_ISREG(kind):
        problem = os.strerror(errno.EISDIR) if stat.S_ISDIR(kind) else "not a regular file (--stdin reads pipes)"
        raise OSError(errno.EINVAL, problem, str(path))
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # it may have become a pipe


class OpenFile:
    """A descriptor, and what identifies its file."""

    is_compressed = False
    """Whether reading takes so long that it belongs into a thread. Such a file does not change any more."""

    def __init__(self, path: Path) -> None:
        """Open `path`; raise OSError when it is not a regular file that can be read."""
        self.descriptor = open_regular(path)
        status = os.fstat(self.descriptor)
        self.identity = status.st_dev, status.st_ino
        self.path = Path(os.path.realpath(path))
        """Where it was when it was opened, links resolved."""
        self.opened_as = Extent(status.st_size, status.st_mtime_ns)
        """How much there was then."""

    def extent(self) -> Extent:
        """Return size and time of the file now."""
        status = os.fstat(self.descriptor)
        return Extent(status.st_size, status.st_mtime_ns)

    def read(self, size: int, offset: int) -> bytes:
        """Return up to `size` bytes from `offset` on; fewer only at the end."""
        return os.pread(self.descriptor, size, offset)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return self.extent().size == 0

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes behind a hole, or all when there are fewer."""
        data = self.read(size, 0)
        if data[:1] == b"\0":
            data = self.read(size, self.begins_at())
        return b"" if data[:1] == b"\0" else data

    def begins_at(self) -> int:
        """Return where the first byte is that is not zero: at its old position, a server writes behind a hole."""
        at = 0
        if self.read(1, 0) != b"\0":
            return at
        with contextlib.suppress(OSError):  # not every file system knows its holes
            at = os.lseek(self.descriptor, 0, os.SEEK_DATA)
        end = at + MAX_ZERO_BYTES
        while at < end and (data := self.read(ZEROS_AT_ONCE, at)).startswith(b"\0"):
            at += len(data) - len(data.lstrip(b"\0"))
        return at

    def beginning(self) -> FirstBytes:
        """Return how it begins; with nothing when there is nothing in it, or it cannot be read."""
        try:
            if head := self.head(HEAD_BYTES):
                return FirstBytes(self.begins_at(), head)
        except OSError:
            pass  # reading reports it
        return NOTHING

    def has_read(self, checkpoint: Checkpoint | EndedGeneration) -> bool:
        """Whether this has everything that was read up to `checkpoint`, as far as its beginning and end tell."""
        if not self.is_compressed and checkpoint.offset > self.extent().size:
            return False
        try:
            return checkpoint.digest == digest_of(self.head(checkpoint.head)) and self.has_tail(
                checkpoint.offset, checkpoint.tail
            )
        except OSError:
            return checkpoint.inode == self.identity[1]  # compared once it can be read

    def has_tail(self, offset: int, tail: str) -> bool:
        """Whether the bytes before `offset` have this digest, if it is known. Raises OSError."""
        return not tail or tail == digest_of(self.tail(offset))

    def tail(self, offset: int) -> bytes:
        """Return the bytes before `offset`, at most TAIL_BYTES."""
        at = max(0, offset - TAIL_BYTES)
        return self.read(offset - at, at)

    def matches(self, checkpoint: Checkpoint) -> bool:
        """Whether this is the file of `checkpoint`, or a copy of it, and still has all that was read."""
        is_sure = checkpoint.inode == self.identity[1] or checkpoint.head >= SURE_BYTES
        return is_sure and self.has_read(checkpoint)

    def is_copy(self, checkpoint: Checkpoint) -> bool:
        """Whether this has all that was read of another file, and begins like it."""
        return checkpoint.head > 0 and checkpoint.inode != self.identity[1] and self.has_read(checkpoint)

    def begins(self, other: "OpenFile") -> bool:
        """Whether `other` begins with all of this file: rotation copies it, and has not truncated it yet."""
        if other.is_compressed:
            return other.has_head_of(self)
        try:
            size = self.extent().size
            if not 0 < size <= other.extent().size:
                return False
            return self._is_alike(other, 0, size) and self._is_alike(other, max(0, size - HEAD_BYTES), size)
        except OSError:
            return False

    def has_head_of(self, other: "OpenFile") -> bool:
        """Whether this begins as all of `other`, as far as it is recognised by."""
        try:
            head = other.head(HEAD_BYTES)
            return bool(head) and self.head(len(head)) == head
        except OSError:
            return False

    def _is_alike(self, other: "OpenFile", offset: int, end: int) -> bool:
        size = min(HEAD_BYTES, end - offset)
        return self.read(size, offset) == other.read(size, offset)

    def has_name(self, path: Path) -> bool:
        """Whether `path` is this file."""
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.identity

    def place(self) -> Path | None:
        """Return where it is now; None if it was removed, or if the system does not tell."""
        try:
            path = Path(f"/proc/self/fd/{self.descriptor}").readlink()
        except OSError:
            return None
        return path if self.has_name(path) else None

    def start(self) -> Checkpoint:
        """Return the checkpoint of its beginning, with which the file is found again even before anything is read."""
        try:
            head = self.head(HEAD_BYTES)
        except OSError:
            head = b""  # reading reports it, and is retried
        # What was rotated away from it since is newer.
        modified = self.opened_as.modified
        return Checkpoint(self.identity[1], 0, len(head), digest_of(head), modified, path=path_text(self.path))

    def end(self) -> Checkpoint:
        """Return the checkpoint of its end. A line that is unfinished there is passed over when it goes on."""
        size, modified = self.extent()
        try:
            head = self.head(HEAD_BYTES)
            tail = self.tail(size)
        except OSError:  # reading reports it, and is retried
            head = tail = b""
        within_line = bool(tail) and not tail.endswith(b"\n")
        inode, path = self.identity[1], path_text(self.path)
        return Checkpoint(inode, size, len(head), digest_of(head), modified, within_line, path, tail=digest_of(tail))

    def read_on(self, ended: EndedGeneration) -> Checkpoint:
        """Return the checkpoint of where this was left. A line that was unfinished there counted as it was."""
        try:
            before = self.tail(ended.offset).rstrip(b"\0")
        except OSError:  # reading reports it, and is retried
            before = b""
        within_line = bool(before) and not before.endswith(b"\n")
        return Checkpoint(
            ended.inode,
            ended.offset,
            ended.head,
            ended.digest,
            self.opened_as.modified,
            within_line,
            path_text(self.path),
            tail=ended.tail,
        )

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


class CompressedFile(OpenFile):
    """A file that rotation has compressed, decompressed while it is read. Reading backwards starts over."""

    is_compressed = True

    def __init__(self, path: Path) -> None:
        """Open `path`; raise OSError when it cannot be decompressed."""
        super().__init__(path)
        self._window = b""
        """What is decompressed and may be read again."""
        self._window_at = 0
        """Where it begins, in the decompressed data."""
        self._decompressed = 0
        """Compressed bytes that were decompressed."""
        self._pieces = self._decompress()
        try:
            self._begins_at = super().begins_at()
            self._head = super().head(HEAD_BYTES)
        except OSError:
            self.close()
            raise

    def extent(self) -> Extent:
        """Return how much is decompressed and how much is left to be, and the time of the file."""
        size, modified = super().extent()
        return Extent(self._window_at + len(self._window) + size - self._decompressed, modified)

    def read(self, size: int, offset: int) -> bytes:
        """Return up to `size` bytes from `offset` on; raise OSError when the data is damaged or not complete."""
        if offset < self._window_at:
            self._start_over()
        while self._window_at + len(self._window) < offset + size:
            try:
                piece = next(self._pieces, b"")
            except InputError as error:
                self._start_over()
                raise OSError(errno.EIO, str(error), str(self.path)) from error
            if not piece:
                break
            passed = min(len(self._window), max(0, offset - self._window_at))
            self._window = self._window[passed:] + piece
            self._window_at += passed
        at = offset - self._window_at
        return self._window[at : at + size]

    def begins(self, other: OpenFile) -> bool:
        """Whether `other` begins like this file, which is then its copy: how long it is shows later."""
        return other.has_head_of(self)

    def has_tail(self, offset: int, tail: str) -> bool:  # noqa: ARG002 - the same for all files
        """Leave it to the reader to find out: decompressing so much takes too long here."""
        return True

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes behind a hole, at most HEAD_BYTES, without losing the place."""
        return self._head[:size]

    def begins_at(self) -> int:
        """Return where the first byte is that is not zero."""
        return self._begins_at

    def _start_over(self) -> None:
        self._pieces = self._decompress()
        self._window, self._window_at, self._decompressed = b"", 0, 0

    def _decompress(self) -> Iterator[bytes]:
        head = super().read(MAGIC_BYTES, 0)
        decoder = by_magic(head)
        if isinstance(decoder, Identity) and head:
            what = foreign(head, self.path.name)
            raise InputError(f"{what.what if what else 'in an unknown compression'}, which cannot be read")
        size = FIRST_PIECE_BYTES
        while data := super().read(size, self._decompressed):
            self._decompressed += len(data)
            yield from decoder.feed(data)
            size = PIECE_BYTES
        decoder.finish()


def open_any(path: Path) -> OpenFile:
    """Open `path`, compressed or not; raise OSError when it cannot be read."""
    return CompressedFile(path) if is_compressed(path.name) else OpenFile(path)


def open_quietly(path: Path) -> OpenFile | None:
    """Open `path`; None when it is gone, not a regular file, or may not be read."""
    try:
        return open_any(path)
    except OSError:
        return None
