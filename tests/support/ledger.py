"""A journal that records what is appended to it."""

import asyncio
from collections.abc import Callable

from edgetally import _core
from edgetally.journal.base import Checkpoints
from edgetally.journal.memory import MemoryJournal


class Ledger(MemoryJournal):
    """A journal that records what is appended to it."""

    def __init__(self) -> None:
        super().__init__()
        self.appended: list[tuple[int, dict[str, str | None]]] = []
        """For every append: the number of its records, and its checkpoints."""
        self.partials: list[bytes] = []
        self.changed = asyncio.Event()

    async def append(
        self, partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None
    ) -> None:
        await super().append(partial, checkpoints, push_id=push_id)
        self.partials.append(partial)
        self.appended.append((counted(partial), dict(checkpoints or {})))
        self.changed.set()

    @property
    def records(self) -> int:
        return sum(records for records, _ in self.appended)

    async def shows(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds."""
        while not condition():
            self.changed.clear()
            await self.changed.wait()


def counted(partial: bytes) -> int:
    """Count the records in a partial."""
    window = _core.Window(domains=9, origins=9, addresses=9, pops=9, services=9)
    return sum(records for _, records, _ in window.merge(partial)) if partial else 0
