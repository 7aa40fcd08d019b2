"""A journal in memory: nothing to set up, and nothing left when the process ends."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping

from edgetally.journal.base import Fact, Marks, Partial, Seal


class MemoryJournal:
    """Durable as long as the process lives."""

    outlives = False
    crowded = False
    failing = None
    commits = 0
    failures = 0
    size = 0

    def __init__(self) -> None:
        self._facts: deque[Fact] = deque()
        self._marks: dict[str, str] = {}
        self._news = asyncio.Event()
        self.end = 0
        """Position of the newest fact that ever was."""
        self.sealed: Seal | None = None
        """The newest seal."""
        self.gone = 0
        """Seconds up to this have entries that are not whole."""

    async def append(self, partial: bytes, marks: Marks | None = None) -> None:
        """Append a partial and remember the marks."""
        remember(self._marks, marks)
        if partial:
            self._put(Partial(self.end + 1, partial))

    async def seal(self, second: int) -> None:
        """Append a seal."""
        self.sealed = Seal(self.end + 1, second)
        self._put(self.sealed)

    async def read(self, position: int = 0) -> AsyncIterator[Fact]:
        """Yield what stands after `position`, and wait for more."""
        while True:
            news = self._news
            # Facts stand without gaps, so a position says how far from the end they begin.
            unread = min(self.end - position, len(self._facts))
            for fact in [self._facts[at] for at in range(-unread, 0)]:
                yield fact
                position = fact.position
            # Over already if something came in the meantime.
            await news.wait()

    def forget(self, position: int, gone: int | None = None) -> None:
        """Drop what stands up to `position`."""
        self.gone = self.gone if gone is None else gone
        while self._facts and self._facts[0].position <= position:
            self._facts.popleft()

    def marks(self) -> Mapping[str, str]:
        """Return the last marks of every source."""
        return self._marks

    async def close(self) -> None:
        """Nothing to release."""

    def _put(self, fact: Fact) -> None:
        self._facts.append(fact)
        self.end = fact.position
        # Each fact retires its event, so a reader can only ever wake to newer ones.
        self._news.set()
        self._news = asyncio.Event()


def remember(known: dict[str, str], marks: Marks | None) -> None:
    """Bring what is known of marks up to date."""
    for name, mark in (marks or {}).items():
        if mark is None:
            known.pop(name, None)
        else:
            known[name] = mark
