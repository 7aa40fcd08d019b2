"""One open file that is read to its end, whatever its name has become."""

import asyncio
import errno
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from edgetally.clock import Clock, sleep_until
from edgetally.model import Defaults, Framing
from edgetally.sources.base import Block, Changes, path_text
from edgetally.sources.files.checkpoint import Checkpoint
from edgetally.sources.files.line_reader import LineReader
from edgetally.sources.files.open_file import Extent, OpenFile
from edgetally.telemetry.events import FileReadFailed, FileReadRecovered, FileTruncated, say

if TYPE_CHECKING:
    from edgetally.sources.files.handover import End, Handover

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0
"""A file that cannot be read is tried again after the first, then after twice as long each time, up to the last."""


class Others(NamedTuple):
    """Generations of the same log that were found. They are started once their checkpoints are durable."""

    copy: "Generation | None" = None
    """Has the rest of what was truncated."""
    missed: "Sequence[Generation]" = ()
    """Have had the name between two looks."""

    def all(self) -> "list[Generation]":
        """Return all of them."""
        return [*([self.copy] if self.copy else []), *self.missed]


class FollowedLog(Protocol):
    """What a generation belongs to."""

    commits: asyncio.Lock
    """Held while generations are found and committed: what the journal keeps of newer ones never comes first."""
    uncommitted: dict[str, str | None]
    """Changes of what the journal keeps of other generations, and of the history. The next commit has to have them."""

    async def look_around(self, generation: "Generation", *, is_truncated: bool) -> Others:
        """Return other generations that appeared since the last look, and the copy of this one if it was truncated."""

    def committed(self, changes: dict[str, str | None]) -> None:
        """Take note that these changes are durable."""

    def ended(self, generation: "Generation") -> None:
        """Change what the journal keeps: a generation was read to its end."""

    def start(self, generations: "Sequence[Generation]") -> None:
        """Begin to read."""

    async def fetch(self, file: OpenFile, offset: int) -> None:
        """Decompress in a thread what is read next."""


class Generation:
    """Blocks of one file: a source."""

    framing: Framing = "lines"

    def __init__(
        self,
        name: str,
        key: str,
        file: OpenFile,
        log: FollowedLog,
        defaults: Defaults,
        clock: Clock,
        at: Checkpoint,
    ) -> None:
        """
        Read `file`.

        Args:
            name: Name of the source, as logs and metrics show it.
            key: Name of its checkpoint in the journal.
            file: The open file. It is closed when its blocks end.
            log: What it belongs to.
            defaults: What holds for records that do not say otherwise.
            clock: Tells when to try again.
            at: Where to begin.
        """
        self.name = name
        self.key = key
        self.reader = LineReader(file, at, log.fetch)
        self.defaults = defaults
        self.problem: str | None = None
        """Why it cannot be read at the moment."""
        self.before: Handover | None = None
        """From the generation before."""
        self.after: Handover | None = None
        """To the next generation."""
        self.has_begun = at.offset > 0
        """Something is read of it: a record cannot begin in another file any more."""
        self.quiet_since = clock.now()
        """When it was last seen to change."""
        self._log = log
        self._clock = clock
        self._pending = at.pending
        """Parts of records that were handed on and whose end was not."""
        self.is_copied = False
        """Rotation may have copied and truncated it before anything of it was read."""
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._changed = asyncio.Event()
        self._is_last = False
        self._has_ended = False

    @property
    def file(self) -> OpenFile:
        """The open file."""
        return self.reader.file

    def note_progress(self, line: int, unfinished: int, recognised: int, rejected: int) -> None:
        """Nothing depends on it."""

    def poll(self, extent: Extent | None = None) -> None:
        """Notice whether the file has changed. Takes its extent when the caller has it already."""
        if self.reader.poll(extent):
            self.quiet_since = self._clock.now()
            self.wake()

    def wake(self) -> None:
        """Let the blocks go on."""
        self._changed.set()

    def waits_for(self, other: "End") -> bool:
        """Whether this is not read on before `other` has given parts, directly or over others."""
        before = self.before
        return before is not None and not before.is_over and (before.giver is other or before.giver.waits_for(other))

    def finish(self) -> None:
        """End the blocks once everything is read: nothing will be written to the file any more."""
        self._is_last = True
        self.wake()

    def checkpoint(self) -> Checkpoint:
        """Return how far it was read."""
        return self.reader.checkpoint(self._pending)

    def known(self) -> Checkpoint:
        """Return the checkpoint of what is known to have been in the file, whatever is in it now."""
        return self.reader.known(self._pending)

    def final(self) -> Checkpoint:
        """Return the checkpoint of the end of the file, up to which everything counts."""
        return self.reader.final()

    def taken(self, parts: bytes) -> dict[str, str | None]:
        """Return what the journal keeps once this begins with parts of records from the generation before."""
        return {self.key: msgspec.structs.replace(self.file.start(), pending=parts).encode()}

    def close(self) -> None:
        """Close the file, once nothing is read any more."""
        self.file.close()
        if self.before:
            self.before.abandon()
        if self.after:
            self.after.answer(b"")

    async def blocks(self) -> AsyncIterator[Block]:
        """Yield what is written, until `finish` was called and everything is read."""
        try:
            if self._pending:
                yield Block(b"", resume=self._pending)
            while True:
                self.poll()
                # What it finds is read below. As a change, it would have a busy file read again at once, in ever
                # smaller pieces, with a commit for each.
                self._changed.clear()
                async for block in self._prepare():
                    yield block
                try:
                    # Before the parts were asked for, there was nothing to read.
                    data = await self.reader.read() if self.before is None else b""
                except OSError as error:
                    await self._wait_out(error)
                    continue
                self._recover()
                async for block in self._pass_on(data):
                    yield block
                if self._has_ended:
                    return
                if not data or not (self.reader.behind or self._is_last or self._is_asked):
                    await self._changed.wait()
        finally:
            self.close()

    async def _pass_on(self, data: bytes | None) -> AsyncIterator[Block]:
        """Yield what follows from what was read."""
        if data is None:
            async with self._log.commits:
                others, block = await self._truncate()
                changes = dict(self._log.uncommitted)
                yield block._replace(checkpoints=changes)
                self._log.committed(changes)
            self._log.start(others.all())
        elif data:
            yield self._block(data)
        elif self._is_over:
            async with self._log.commits:
                unfinished = b"" if self.reader.is_within_line else self.reader.unfinished
                self._log.ended(self)
                changes = dict(self._log.uncommitted)
                yield Block(unfinished, end=True, checkpoints=changes)
                self._log.committed(changes)
            self._has_ended = True
        else:
            async for block in self._hand_over():
                yield block

    async def _prepare(self) -> AsyncIterator[Block]:
        """Do what comes before anything is read of the file."""
        # A file of which nothing was read may have been truncated since the last look: its copy is read.
        while not self.reader.offset and self.is_copied and self.reader.look_again():
            async with self._log.commits:
                others = await self._log.look_around(self, is_truncated=False)
                changes = dict(self._log.uncommitted)
                yield Block(b"", checkpoints=changes)
                self._log.committed(changes)
            self._log.start(others.all())
        if not self._is_parts_due():
            return
        self.has_begun = True
        if self.before:
            parts = await self.before.ask()
            self.before = None
            if parts:
                self._pending = parts
                yield Block(b"", resume=parts)

    async def _hand_over(self) -> AsyncIterator[Block]:
        """Pass parts of records to the next generation, now that everything is read."""
        if self.after is None or self.after.is_over:
            return
        if not self.after.is_asked:
            if self._is_last and self._pending:
                self.after.offer()
            return
        # One commit takes the parts from here and gives them to the next generation.
        parts, self._pending = self._pending, b""
        if parts:
            own = {self.key: self.checkpoint().encode()}
            yield Block(b"", resume=b"", checkpoints=own | self.after.taken(parts))
        self.after.answer(parts)
        self.wake()

    @property
    def _is_over(self) -> bool:
        """Whether nothing will be written to the file any more, and nothing is left to be passed on."""
        has_left = self.after is not None and not self.after.is_over and (bool(self._pending) or self.after.is_asked)
        return self._is_last and not has_left

    @property
    def _is_asked(self) -> bool:
        """Whether the next generation waits for parts of records."""
        return self.after is not None and self.after.is_asked and not self.after.is_over

    def _is_parts_due(self) -> bool:
        """Whether to ask for the parts of records that the generation before ends with."""
        # Before there is anything to read, the same process may still write to the older file.
        is_offered = self.before is not None and self.before.is_offered
        has_content = self.reader.size > 0 or bool(self.reader.began.head)
        return has_content or self._is_last or self._is_asked or is_offered

    async def _truncate(self) -> tuple[Others, Block]:
        """
        Start again from the beginning; return what else is to be read, and the last block of what there was.

        The unfinished line ends here, unless a copy of the file has the rest of it.
        """
        began = self.file.beginning()
        self.is_copied = True
        others = await self._log.look_around(self, is_truncated=True)
        copy = path_text(others.copy.file.path) if others.copy else "none"
        say(FileTruncated(source=self.name, offset=self.known().offset, copy=copy))
        # The copy goes on with the parts of records, too.
        resume = b"" if others.copy else None
        is_passed_over = others.copy or self.reader.is_within_line
        unfinished = b"" if is_passed_over else self.reader.unfinished
        self.reader.start_over(began)
        self._pending = b""
        self.wake()
        self._log.uncommitted[self.key] = self.checkpoint().encode()
        return others, Block(unfinished, end=True, resume=resume)

    async def _wait_out(self, error: OSError) -> None:
        """Report the first of several failures, and wait before the next try."""
        problem = error.strerror or str(error)
        if self.problem is None:
            say(FileReadFailed(source=self.name, problem=problem))
        self.problem = problem
        if self.after:
            # The next generation goes on without the parts of records.
            self.after.answer(b"")
        if error.errno == errno.ESTALE:
            self.reader.reopen()
        await sleep_until(self._clock, self._clock.now() + self._retry_seconds)
        self._retry_seconds = min(2 * self._retry_seconds, LAST_RETRY_SECONDS)

    def _recover(self) -> None:
        if self.problem:
            self.problem = None
            self._retry_seconds = FIRST_RETRY_SECONDS
            say(FileReadRecovered(source=self.name))

    def _block(self, data: bytes) -> Block:
        checkpoint = self.checkpoint()

        def changes(pending: bytes) -> Changes:
            self._pending = pending
            return {self.key: msgspec.structs.replace(checkpoint, pending=pending).encode()}

        return Block(data, more=self.reader.behind > 0, checkpoints=changes)
