"""A gate, at which appends to a journal wait until a test lets them through."""

import asyncio

import pytest

from edgetally.journal.base import Checkpoints, Journal
from tests.support.clock import until


class Gate:
    """Closed at first."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        """All that have come, in their order."""
        self._is_open = False

    async def pass_through(self) -> None:
        """Wait until this is let through."""
        self.waiting.append(asyncio.get_running_loop().create_future())
        if not self._is_open:
            await self.waiting[-1]

    async def come(self, count: int) -> None:
        """Wait until `count` have come."""
        await until(lambda: len(self.waiting) == count)

    def let_all(self) -> None:
        """Let through all that wait, and all that come."""
        self._is_open = True
        for one in self.waiting:
            if not one.done():
                one.set_result(None)


def gate_before(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Put a gate before the appends to a journal."""
    commits, append = Gate(), journal.append

    async def wait(partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None) -> None:
        await commits.pass_through()
        await append(partial, checkpoints, push_id=push_id)

    monkeypatch.setattr(journal, "append", wait)
    return commits
