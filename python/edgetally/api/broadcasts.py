"""
Broadcasts: what the readers of equal streams are sent. Each event is made once, for all.

A reader has a cursor and no queue: the shelf is the buffer. What came while it took nothing is one event, later.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Protocol

from edgetally.api.errors import Refusal
from edgetally.api.events import StreamEvent, event
from edgetally.api.long_poll import INLINE_BYTES, Entries

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from concurrent.futures import Executor

    from edgetally.api.long_poll import LongPoll
    from edgetally.api.query import Query
    from edgetally.api.top import Rankings, RankingView
    from edgetally.http.messages import Response
    from edgetally.window.ranking import Question
    from edgetally.window.shelf import Shelf


class Listener(Protocol):
    """A reader, as a broadcast sees it."""

    cursor: int | None

    def send(self, sent: StreamEvent) -> None:
        """Send an event, and continue from its cursor."""

    def end(self) -> None:
        """End the stream."""


class Broadcast(ABC):
    """What the readers of equal streams are sent."""

    def __init__(self, shelf: Shelf, threads: Executor, key: object, *, gzip: bool) -> None:
        self._shelf = shelf
        self._threads = threads
        self.key = key
        """Equal for equal streams."""
        self.gzip = gzip
        self.readers: dict[Listener, None] = {}
        self._second = 0
        self._events: dict[int | None, StreamEvent | None] = {}
        """What follows a cursor, as of the newest second."""
        self._awaited: dict[int | None, dict[Listener, None]] = {}
        """The readers of events that are being made."""
        self._tasks: set[asyncio.Task[StreamEvent]] = set()

    @abstractmethod
    def make(self, cursor: int | None) -> StreamEvent | Coroutine[None, None, StreamEvent] | None:
        """Make the event that follows `cursor`, now or in a thread; None if there is none yet."""

    def advance(self, reader: Listener) -> int | None:
        """Send the event that follows the reader's cursor; return its bytes, 0 while it is made, None without one."""
        if self._second != self._shelf.newest:
            self._second = self._shelf.newest
            self._events.clear()
        cursor = reader.cursor
        if cursor in self._events:
            made = self._events[cursor]
        elif cursor in self._awaited:
            self._awaited[cursor][reader] = None
            return 0
        else:
            found = self.make(cursor)
            if isinstance(found, Coroutine):
                self._await(cursor, found, reader)
                return 0
            made = self._events[cursor] = found
        if made is None:
            return None
        reader.send(made)
        return len(made.part.body)

    def remove(self, reader: Listener) -> None:
        """Forget a reader."""
        self.readers.pop(reader, None)
        for readers in self._awaited.values():
            readers.pop(reader, None)

    def event(self, data: bytes, cursor: int, name: bytes = b"") -> StreamEvent:
        """Make an event of this broadcast."""
        return event(data, cursor, name=name, gzip=self.gzip)

    def is_large(self, data: bytes) -> bool:
        """Whether it takes a thread to make an event of `data`."""
        return self.gzip and len(data) > INLINE_BYTES

    async def event_in_thread(self, data: bytes, cursor: int, name: bytes = b"") -> StreamEvent:
        """Make an event of this broadcast, beside the event loop if it is large."""
        if self.is_large(data):
            return await asyncio.get_running_loop().run_in_executor(self._threads, self.event, data, cursor, name)
        return self.event(data, cursor, name)

    def _await(self, cursor: int | None, made: Coroutine[None, None, StreamEvent], reader: Listener) -> None:
        self._awaited[cursor] = {reader: None}
        task = asyncio.ensure_future(made)
        self._tasks.add(task)
        task.add_done_callback(partial(self._deliver, cursor))

    def _deliver(self, cursor: int | None, task: asyncio.Task[StreamEvent]) -> None:
        self._tasks.discard(task)
        readers = self._awaited.pop(cursor)
        if task.cancelled() or task.exception():
            # They come back, and are told what is wrong.
            for reader in list(readers):
                reader.end()
            return
        made = task.result()
        if self._second == self._shelf.newest:
            self._events[cursor] = made
        for reader in list(readers):
            reader.send(made)


class EntryBroadcast(Broadcast):
    """The entries of a dataset: what a long poll would have been answered."""

    def __init__(self, shelf: Shelf, threads: Executor, long_poll: LongPoll, query: Query, *, gzip: bool) -> None:
        super().__init__(shelf, threads, (query, gzip), gzip=gzip)
        self._long_poll = long_poll
        self._query = query

    def make(self, cursor: int | None) -> StreamEvent | Coroutine[None, None, StreamEvent] | None:
        """Make the event that follows `cursor`; of None, the entries of the last 120 seconds."""
        answer = self._long_poll.ready(self._query._replace(cursor=cursor))
        if answer is None:
            return None
        if isinstance(answer, Entries) and not self.is_large(answer.body):
            return self.event(answer.body, answer.timestamp)
        return self._make_in_thread(answer if isinstance(answer, Entries) else answer.future())

    async def _make_in_thread(self, answer: Entries | Awaitable[Response]) -> StreamEvent:
        entries = answer if isinstance(answer, Entries) else await answer
        assert isinstance(entries, Entries)
        return await self.event_in_thread(entries.body, entries.timestamp)


class RankingBroadcast(Broadcast):
    """The newest ranking, at every seal."""

    def __init__(
        self,
        shelf: Shelf,
        threads: Executor,
        rankings: Rankings,
        question: Question,
        view: RankingView,
        *,
        aggregate_delay: int,
    ) -> None:
        super().__init__(shelf, threads, (question, view), gzip=view.gzip)
        self._rankings = rankings
        self._question = question
        self._view = view
        self._delay = aggregate_delay

    def make(self, cursor: int | None) -> StreamEvent | Coroutine[None, None, StreamEvent] | None:
        """Make the event of the newest second, unless it has `cursor`."""
        second = self._shelf.newest
        if cursor == second + self._delay:
            return None
        try:
            made = self._rankings.ranking(self._question._replace(second=second))
        except Refusal:
            return None  # the next seal brings another
        if isinstance(made, bytes):
            return self._event(made, second)
        return self._make_in_thread(made, second)

    async def _make_in_thread(self, made: Awaitable[bytes], second: int) -> StreamEvent:
        return self._event(await made, second)

    def _event(self, made: bytes, second: int) -> StreamEvent:
        return self.event(self._rankings.shown(made, self._view), second + self._delay, b"ranking")
