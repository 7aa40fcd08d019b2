"""
Rounds: thousands that waited for the same moment are answered one after the other, before any of them is heard again.

Those that are answered first send their next request while the last still wait. It is held until all are answered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from edgetally.clock import Clock

LONGEST = 1.0
"""Seconds after which a round ends, even if there is still somebody to answer."""

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
        self._has_answered = False
        """Whether somebody was answered in this turn of the event loop."""
        self._held: deque[Held] = deque()

    def join(self) -> int:
        """Note that a client is answered that has waited; return the number of the round, or 0 if there is none."""
        self._has_answered = True
        # Everybody who was held is heard before others are held.
        if not self.current and not self._held:
            self._number += 1
            self.current = self._number
            self._until = self._clock.now() + LONGEST
            asyncio.get_running_loop().call_soon(self._turn)
        return self.current

    def hold(self, client: Held) -> None:
        """Let `client` handle what it was sent once the round is over."""
        self._held.append(client)

    def _turn(self) -> None:
        """Go on with the round in the next turn of the event loop, or hear some of those that were held."""
        try:
            if self._has_answered and self.current and self._clock.now() < self._until:
                self._has_answered = False
            else:
                self.current = 0
                for _ in range(min(BATCH, len(self._held))):
                    self._held.popleft().handle_held()
        finally:
            if self.current or self._held:
                asyncio.get_running_loop().call_soon(self._turn)
