"""A journal in memory: nothing to set up, and nothing left when the process ends."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping

from edgetally.journal.base import Fact, Partial, Seal


class MemoryJournal:
    """Durable as long as the process lives."""

    def __init__(self) -> None:
        self._facts: deque[Fact] = deque()
        self._end = 0
        self._marks: dict[str, str] = {}
        self._news = asyncio.Event()

    async def append(self, partial: bytes, marks: Mapping[str, str] | None = None) -> None:
        """Append a partial and remember the marks."""
        self._marks.update(marks or {})
        if partial:
            self._put(Partial(self._end + 1, partial))

    async def seal(self, second: int) -> None:
        """Append a seal."""
        self._put(Seal(self._end + 1, second))

    async def read(self, position: int = 0) -> AsyncIterator[Fact]:
        """Yield what stands after `position`, and wait for more."""
        while True:
            news = self._news
            # Facts stand without gaps, so a position says how far from the end they begin.
            unread = min(self._end - position, len(self._facts))
            for fact in [self._facts[at] for at in range(-unread, 0)]:
                yield fact
                position = fact.position
            # Over already if something came in the meantime.
            await news.wait()

    def forget(self, position: int) -> None:
        """Drop what stands up to `position`."""
        while self._facts and self._facts[0].position <= position:
            self._facts.popleft()

    def marks(self) -> Mapping[str, str]:
        """Return the last marks of every source."""
        return self._marks

    async def close(self) -> None:
        """Nothing to release."""

    def _put(self, fact: Fact) -> None:
        self._facts.append(fact)
        self._end = fact.position
        # Each fact retires its event, so a reader can only ever wake to newer ones.
        self._news.set()
        self._news = asyncio.Event()
