"""The finished lines of one file, as long as it is the same."""

import contextlib
import os
import re
from collections.abc import Awaitable, Callable

import msgspec

from edgetally.sources.base import READ_BYTES, path_text
from edgetally.sources.files.checkpoint import HEAD_BYTES, TAIL_BYTES, Checkpoint, digest_of
from edgetally.sources.files.open_file import Extent, FirstBytes, OpenFile, open_quietly

NULS = re.compile(rb"(?:^|(?<=\n))\0+")
"""A hole before a line: the file was truncated while a server went on writing at its old position."""

Fetch = Callable[[OpenFile, int], Awaitable[None]]
"""Decompresses in a thread what is read next from an offset on."""


class LineReader:
    """
    Reads a file from a checkpoint on.

    What is handed on ends with a newline, so that an unfinished line is read again with its end and the checkpoint is
    always between two lines. Only a line longer than READ_BYTES comes in pieces.
    """

    def __init__(self, file: OpenFile, at: Checkpoint, fetch: Fetch) -> None:
        """Read `file`, which is closed with `close`, from `at` on."""
        self.file = file
        self.offset = at.offset
        """Bytes that were handed on."""
        self.size, self.modified = file.extent()
        """What the file had when it was last looked at."""
        self.began = file.beginning()
        """How it began before other generations were last looked for, as long as nothing was read."""
        self.unfinished = b""
        """What was read of a line that has no end yet."""
        self.is_within_line = at.within_line
        """The line at the offset began before the file was followed: the rest of it is passed over."""
        self.began_at = at
        """Where reading began."""
        self._looked_at = self.modified
        """When it was last written, as of then."""
        self._fetch = fetch
        self._head = self._tail = b""
        self._head_at = 0
        """Where the head begins: behind a hole of zeros, if the file has one."""
        self._is_verified = False
        self._confirmed = at.modified
        """When the file was last written, at a time at which it still had what was read."""

    @property
    def behind(self) -> int:
        """Bytes that were written and are not read yet."""
        return max(0, self.size - self.offset - len(self.unfinished))

    def poll(self, extent: Extent | None = None) -> bool:
        """Return whether the file has changed. Takes its extent when the caller has it already."""
        before = self.size, self.modified
        try:
            self.size, self.modified = extent or self.file.extent()
        except OSError:
            return False  # reading reports what is wrong
        return (self.size, self.modified) != before

    def checkpoint(self, pending: bytes) -> Checkpoint:
        """Return how far it was read, with the parts of records that were handed on and whose end was not."""
        return Checkpoint(
            inode=self.file.identity[1],
            offset=self.offset,
            head=len(self._head),
            digest=digest_of(self._head),
            modified=self._confirmed,
            within_line=self.is_within_line or not self._is_between_lines(),
            path=path_text(self.file.path),
            pending=pending,
            tail=digest_of(self._tail),
        )

    def known(self, pending: bytes) -> Checkpoint:
        """Return the checkpoint of what is known to have been in the file, whatever is in it now."""
        if not self._is_verified:
            return self.began_at
        known = self.checkpoint(pending)
        if known.offset:
            return known
        head = max(self.unfinished[:HEAD_BYTES], self.began.head, key=len)
        return msgspec.structs.replace(known, head=len(head), digest=digest_of(head))

    def final(self) -> Checkpoint:
        """Return the checkpoint of the end: a line that has no newline there ends, too."""
        self._advance(self.unfinished)
        self.unfinished = b""
        return self.checkpoint(b"")

    def look_again(self) -> bool:
        """Return whether a file of which nothing was read has changed since others were looked for, and was empty."""
        if self.began.head:
            return False  # reading shows whether it is another one
        before, self._looked_at = self._looked_at, self.modified
        self.began = self.file.beginning()
        return bool(self.began.head) or before != self._looked_at

    async def read(self) -> bytes | None:
        """
        Return the finished lines that come next, if any; None when the file was truncated.

        Raises OSError when it cannot be read now.
        """
        if not self._is_verified and not await self._verify():
            return None
        if self.file.is_compressed:
            await self._fetch(self.file, self.offset)
        modified, self.size = self.modified, self.file.extent().size
        if self.size < self.offset + len(self.unfinished):
            return None
        before = self.offset, self._head, self._tail, self._head_at
        data = at_offset = self.file.read(READ_BYTES, self.offset)
        while data[:1] == b"\0" and self._is_between_lines():
            self._skip_hole(data)
            data = self.file.read(READ_BYTES, self.offset)
        # Not before it is read: it may be truncated, and written to again, at any moment.
        is_seen = self._begins_as_seen(data) and any(one.startswith(self.unfinished) for one in (data, at_offset))
        if not is_seen or not self._is_same():
            self.offset, self._head, self._tail, self._head_at = before
            return None
        self._confirmed = modified
        end = data.rfind(b"\n") + 1
        if not end and len(data) < READ_BYTES:
            self.unfinished = data
            if not self._head:
                # As long as there is only a hole, nothing would show that the file was truncated again.
                self.offset, self._head, self._tail, self._head_at = before
            return b""
        self.unfinished = data[end:] if end else b""
        lines = data[:end] if end else data
        self._advance(lines)
        return self._cleaned(lines)

    def start_over(self, began: FirstBytes) -> None:
        """Read from the beginning what has replaced the content. It began so when other generations were looked for."""
        self.offset, self._head, self._tail, self.unfinished, self._head_at = 0, b"", b"", b"", 0
        self.is_within_line, self._is_verified = False, True
        self.began = began

    def reopen(self) -> None:
        """Replace the handle of a network file system that has become stale."""
        again = open_quietly(self.file.path)
        if again and again.identity == self.file.identity and again.matches(self.known(b"")):
            self.file.close()
            self.file = again
        elif again:
            again.close()

    def _is_between_lines(self) -> bool:
        before = self._tail.rstrip(b"\0")
        return not before or before.endswith(b"\n")

    def _skip_hole(self, data: bytes) -> None:
        """Pass over the zeros at the offset: `data` begins with some of them."""
        zeros = len(data) - len(data.lstrip(b"\0"))
        if zeros == len(data):
            with contextlib.suppress(OSError):  # not every file system knows its holes
                zeros = max(zeros, os.lseek(self.file.descriptor, self.offset, os.SEEK_DATA) - self.offset)
        if self._head:
            self._add_to_head(data[:zeros])
        else:
            self._head_at = self.offset + zeros
        self._tail = b"\0" * TAIL_BYTES if zeros >= TAIL_BYTES else (self._tail + data[:zeros])[-TAIL_BYTES:]
        self.offset += zeros

    def _cleaned(self, lines: bytes) -> bytes:
        """Return `lines` without holes and without the rest of a line that began before the file was followed."""
        if self.is_within_line:
            newline = lines.find(b"\n")
            self.is_within_line = newline < 0
            lines = lines[newline + 1 :] if newline >= 0 else b""
        return NULS.sub(b"", lines) if b"\0" in lines else lines

    def _advance(self, lines: bytes) -> None:
        self._add_to_head(lines)
        self._tail = (self._tail + lines[-TAIL_BYTES:])[-TAIL_BYTES:]
        self.offset += len(lines)

    def _add_to_head(self, data: bytes) -> None:
        if self.offset == self._head_at + len(self._head):
            self._head = (self._head + data)[:HEAD_BYTES]

    def _is_same(self) -> bool:
        """Whether the file still has what was read: its beginning, and the bytes before the offset."""
        if self.file.is_compressed:
            return True
        tail_at = self.offset - len(self._tail)
        head = self.file.read(len(self._head), self._head_at)
        return head == self._head and self.file.read(len(self._tail), tail_at) == self._tail

    def _begins_as_seen(self, data: bytes) -> bool:
        """Whether the file still begins as it was seen to, if nothing was handed on: `data` comes next."""
        at, head = self.began
        return bool(self._head) or not head or (at == self._head_at and data.startswith(head))

    async def _verify(self) -> bool:
        """Compare the file with the checkpoint where reading began, before anything is read."""
        is_same = digest_of(self.file.head(self.began_at.head)) == self.began_at.digest
        self._head_at = min(self.offset, self.file.begins_at())
        self._head = self.file.read(min(self.offset - self._head_at, HEAD_BYTES), self._head_at)
        tail_at = max(0, self.offset - TAIL_BYTES)
        if self.file.is_compressed:
            await self._fetch(self.file, tail_at)
        self._tail = self.file.read(self.offset - tail_at, tail_at)
        if self.began_at.tail:
            is_same = is_same and digest_of(self._tail) == self.began_at.tail
        self._is_verified = is_same
        return is_same
