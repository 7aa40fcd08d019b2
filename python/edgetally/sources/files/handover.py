"""Parts of records between one generation and the next: a record may begin in one file and end in the next."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class End(Protocol):
    """A generation at one end of a handover."""

    @property
    def problem(self) -> str | None:
        """Why it cannot be read at the moment."""

    def wake(self) -> None:
        """Let it look at its handovers."""

    def waits_for(self, other: "End", /) -> bool:
        """Whether it is not read on before `other` has given parts, directly or over others."""


class Handover:
    """
    Passes the parts that a generation ends with to the next one.

    The next one asks before it reads its first byte. The file before it is complete by then, as far as one process has
    written both.
    """

    def __init__(self, giver: End, taker: End, taken: Callable[[bytes], dict[str, str | None]]) -> None:
        """
        Pass parts from `giver` to `taker`.

        Args:
            giver: The older generation.
            taker: The newer one.
            taken: Returns what the journal keeps of the newer one once it has these parts.
        """
        self.taken = taken
        self.is_asked = False
        """The giver should answer once it has read everything."""
        self.is_offered = False
        """The giver waits to be asked before it ends."""
        self.is_over = False
        """It has been answered, or nothing takes what is given."""
        self.giver = giver
        """The older generation."""
        self._taker = taker
        self._parts: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def ask(self) -> bytes:
        """Return the parts; empty if there are none, or if the giver cannot be read."""
        if self.giver.problem:
            self.answer(b"")
        self.is_asked = True
        self.giver.wake()
        return await self._parts

    def offer(self) -> None:
        """Let the taker ask now."""
        if not self.is_offered:
            self.is_offered = True
            self._taker.wake()

    def answer(self, parts: bytes) -> None:
        """Give the parts to the taker; what the journal keeps has been changed before."""
        self.is_over = True
        if not self._parts.done():
            self._parts.set_result(parts)

    def abandon(self) -> None:
        """Nothing takes what is given."""
        self.is_over = True
        self.giver.wake()
