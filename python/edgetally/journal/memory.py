"""A journal in memory: nothing to set up, and nothing left when the process ends."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Mapping

from edgetally.journal.base import Checkpoints, Fact, Partial, Seal


class MemoryJournal:
    """Durable as long as the process runs."""

    is_shared = False
    is_writer = True
    problem = ""
    is_persistent = False
    is_nearly_full = False
    failing = None
    commits = 0
    failures = 0
    size = 0

    def __init__(self) -> None:
        self.id = new_id()
        """Of this process alone."""
        self._facts: deque[Fact] = deque()
        self._checkpoints: dict[str, str] = {}
        self._news = asyncio.Event()
        self.end = 0
        """Position of the newest fact ever appended."""
        self.newest_seal: Seal | None = None
        """The newest seal."""
        self.complete_after = 0
        """Seconds after this had all of their rows when this process began to read."""

    @property
    def partitions(self) -> "tuple[MemoryJournal]":
        """Itself."""
        return (self,)

    async def opened(self) -> None:
        """Nothing to wait for."""

    async def append(
        self,
        partial: bytes,
        checkpoints: Checkpoints | None = None,
        *,
        push_id: bytes | None = None,  # noqa: ARG002 - idempotency records suffice
    ) -> None:
        """Append a partial, and store the checkpoints."""
        store(self._checkpoints, checkpoints)
        if partial:
            self._put(Partial(self.end + 1, partial))

    async def seal(self, second: int) -> None:
        """Append a seal."""
        self.newest_seal = Seal(self.end + 1, second)
        self._put(self.newest_seal)

    async def read(self, position: int = 0) -> AsyncIterator[Fact]:
        """Yield the facts after `position`, and wait for more."""
        while True:
            news = self._news
            # Positions have no gaps, so a position says how far from the end the facts after it start.
            unread = min(self.end - position, len(self._facts))
            for fact in [self._facts[at] for at in range(-unread, 0)]:
                yield fact
                position = fact.position
            # Returns at once if a fact was appended meanwhile.
            await news.wait()

    def forget(self, position: int, complete_after: int | None = None) -> None:  # noqa: ARG002 - there is no next process
        """Remove the facts up to `position`."""
        while self._facts and self._facts[0].position <= position:
            self._facts.popleft()

    def start_over(self, position: int) -> None:
        """Begin anew behind `position`."""
        self.id = new_id()
        self.forget(position)

    def checkpoints(self) -> Mapping[str, str]:
        """Return the last checkpoint of every name."""
        return self._checkpoints

    def release(self) -> None:
        """There is nothing to wait for."""

    async def close(self) -> None:
        """Nothing to release."""

    def _put(self, fact: Fact) -> None:
        self._facts.append(fact)
        self.end = fact.position
        # A new event for every fact, so that a reader that waits wakes for newer ones only.
        self._news.set()
        self._news = asyncio.Event()


def new_id() -> str:
    """Return an id for a journal that begins."""
    return secrets.token_hex(16)


def store(stored: dict[str, str], checkpoints: Checkpoints | None) -> None:
    """Add `checkpoints` to those that are stored, and remove those that are None."""
    for name, checkpoint in (checkpoints or {}).items():
        if checkpoint is None:
            stored.pop(name, None)
        else:
            stored[name] = checkpoint
