"""
A file that somebody goes on writing, like `tail -F`.

It survives rotation by rename (the old file is read to its end, and given a moment for whoever still writes to it)
and by truncation. Lines that are not finished wait for their end.
"""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from edgetally.clock import Clock, sleep_until
from edgetally.sources.base import READ, Block, Defaults, Framing
from edgetally.telemetry.events import Rotated, Truncated, Waiting, say

POLL_SECONDS = 0.1
"""How often to look for more."""

GRACE_SECONDS = 1.0
"""How long a file that was renamed must be quiet before the new one is read: servers reopen their logs one worker
after the other."""


class Mark(msgspec.Struct, frozen=True):
    """Up to where a file was read."""

    device: int
    inode: int
    offset: int


NO_FILE = Mark(0, 0, 0)
"""There was none when we looked: whatever stands there later is new."""


class FollowedFile:
    """Blocks of one file, from its end on when it is there already, or from where it was left."""

    framing: Framing = "lines"

    def __init__(self, path: Path, defaults: Defaults, clock: Clock) -> None:
        self.name = f"file:{path}"
        self.defaults = defaults
        self._path = path
        self._clock = clock
        self._known: Mark | None = None
        self._waits = False

    def told(self, unfinished: int, accepted: int, rejected: int) -> None:
        """Nothing follows from it here."""

    async def blocks(self, mark: str | None) -> AsyncIterator[Block]:
        """Yield what is appended, without end."""
        self._known = msgspec.json.decode(mark, type=Mark) if mark else None
        while True:
            while (opened := self._open()) is None:
                await self._pause()
            try:
                os.lseek(opened, self._start(opened), os.SEEK_SET)
                async for block in self._read(opened):
                    yield block
            finally:
                os.close(opened)
            self._known = NO_FILE

    def _open(self) -> int | None:
        try:
            opened = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError) as error:
            if not self._waits:
                say(Waiting(source=self.name, problem=error.strerror or str(error)))
            self._waits = True
            if isinstance(error, FileNotFoundError):
                self._known = self._known or NO_FILE
            return None
        self._waits = False
        return opened

    def _start(self, opened: int) -> int:
        """Where to begin in a file."""
        status = os.fstat(opened)
        known = self._known
        if known and (known.device, known.inode) == (status.st_dev, status.st_ino) and known.offset <= status.st_size:
            return known.offset
        # Somebody else's file since: all of it is new. Never read before: its past is not ours to count.
        return 0 if known else status.st_size

    async def _read(self, opened: int) -> AsyncIterator[Block]:
        """Yield what is appended to one file, until another has taken its name and this one is quiet."""
        status = os.fstat(opened)
        offset = os.lseek(opened, 0, os.SEEK_CUR)
        quiet_since = None

        def mark_at(offset: int) -> Callable[[int], str]:
            return lambda unfinished: msgspec.json.encode(
                Mark(status.st_dev, status.st_ino, offset - unfinished)
            ).decode()

        # Remembered even before anything is written: what is written while we are away counts.
        yield Block(b"", mark=mark_at(offset))
        while True:
            data = os.read(opened, READ)
            offset += len(data)
            if data:
                quiet_since = None
                yield Block(data, more=len(data) == READ, mark=mark_at(offset))
                if len(data) == READ:
                    continue
            elif os.fstat(opened).st_size < offset:
                say(Truncated(source=self.name))
                yield Block(b"", end=True)
                offset = os.lseek(opened, 0, os.SEEK_SET)
                continue
            elif self._replaced(status):
                quiet_since = self._clock.now() if quiet_since is None else quiet_since
                if self._clock.now() - quiet_since >= GRACE_SECONDS:
                    say(Rotated(source=self.name))
                    yield Block(b"", end=True)
                    return
            await self._pause()

    def _replaced(self, status: os.stat_result) -> bool:
        """Whether another file has the name now."""
        try:
            current = self._path.stat()
        except FileNotFoundError:
            return False
        return (current.st_dev, current.st_ino) != (status.st_dev, status.st_ino)

    async def _pause(self) -> None:
        await sleep_until(self._clock, self._clock.now() + POLL_SECONDS)
