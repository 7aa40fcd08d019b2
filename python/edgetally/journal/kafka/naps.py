"""
Naps: a process that stood still, because it was stopped or its machine was.

It finds old requests in its sockets. Their senders have long repeated them at other nodes, perhaps so long ago that
copies are not recognised any more. So for a while after a nap, repeatable pushes are refused: that is harmless, because
their senders repeat them.
"""

import asyncio
import time

BEAT_SECONDS = 0.5

NAP_SECONDS = 2.0
"""Without a beat for so much longer than due, the process stood still."""

WAKING_SECONDS = 2.0
"""In which everything that waited in the sockets is read."""


class Naps:
    """A heart that beats on the event loop."""

    def __init__(self) -> None:
        self.count = 0
        """How often the process stood still."""
        self._monotonic = time.monotonic()
        self._wall = time.time()
        self._waking_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to beat."""
        self._note(time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._beat)

    def close(self) -> None:
        """Stop."""
        if self._timer:
            self._timer.cancel()

    @property
    def is_waking(self) -> bool:
        """Whether the process stood still a moment ago. Requests may be read before the next beat: this looks, too."""
        now = time.monotonic()
        if self._timer and not self._timer.cancelled():
            self._look(now)
        return now < self._waking_until

    def _beat(self) -> None:
        self._look(time.monotonic())
        self.start()

    def _look(self, now: float) -> None:
        # The monotonic clock of a machine that is suspended stands still, too.
        if max(now - self._monotonic, time.time() - self._wall) > BEAT_SECONDS + NAP_SECONDS:
            self.count += 1
            self._waking_until = now + WAKING_SECONDS
            self._note(now)

    def _note(self, now: float) -> None:
        self._monotonic, self._wall = now, time.time()
