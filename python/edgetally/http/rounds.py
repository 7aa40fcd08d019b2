"""
Rounds: thousands that waited for the same moment are answered one after the other, before any of them is heard again.

Those that are answered first send their next request while the last still wait. It is held until all are answered.
Work that can wait pauses meanwhile, so that the processors are there for readers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from edgetally.clock import Clock

LONGEST = 1.0
"""Seconds after which a round ends, even if there is still somebody to answer."""

PAUSE = 0.2
"""Seconds of a round for which other work pauses at most."""

BATCH = 64
"""Held requests that are handled before other tasks have their turn."""


class Held(Protocol):
    """A client whose request is held."""

    def handle_held(self) -> None:
        """Handle it now."""


class Rounds:
    """The rounds of one server. A round ends with the first turn of the event loop in which nobody was answered."""

    def __init__(self, clock: Clock) -> None:
        self.current = 0
        """The number of this round; 0 between rounds."""
        self._clock = clock
        self._number = 0
        self._until = 0.0
        self._paused_until = 0.0
        self._has_answered = False
        """Whether somebody was answered in this turn of the event loop."""
        self._held: deque[Held] = deque()
        self._proceeds = asyncio.Event()
        """Set unless other work pauses."""
        self._proceeds.set()

    def join(self) -> int:
        """Note that a client is answered that has waited; return the number of the round, or 0 if there is none."""
        self._has_answered = True
        # Everybody who was held is heard before others are held.
        if not self.current and not self._held:
            self._number += 1
            self.current = self._number
            now = self._clock.now()
            self._until, self._paused_until = now + LONGEST, now + PAUSE
            self._proceeds.clear()
            asyncio.get_running_loop().call_soon(self._turn)
        return self.current

    def hold(self, client: Held) -> None:
        """Let `client` handle what it was sent once the round is over."""
        self._held.append(client)

    async def pause(self) -> None:
        """Return when no reader is being answered, or after `PAUSE` of a round. For work that can wait."""
        await self._proceeds.wait()

    def _turn(self) -> None:
        """Go on with the round in the next turn of the event loop, or hear some of those that were held."""
        now = self._clock.now()
        try:
            if self._has_answered and self.current and now < self._until:
                self._has_answered = False
                if now >= self._paused_until:
                    self._proceeds.set()
            else:
                self.current = 0
                self._proceeds.set()
                for _ in range(min(BATCH, len(self._held))):
                    self._held.popleft().handle_held()
        finally:
            if self.current or self._held:
                asyncio.get_running_loop().call_soon(self._turn)
