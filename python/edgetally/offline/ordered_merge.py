"""Turns: threads that merge into one window, in an order that does not depend on which of them is faster."""

from collections import deque
from threading import Lock
from typing import Protocol

OPEN_SECONDS = 2
"""Seconds that are kept ready for more when tallies are put away."""


class Window(Protocol):
    """What partials are merged into."""

    def merge(self, partial: bytes) -> object:
        """Add a partial."""

    def freeze(self, keep: int) -> None:
        """Put away all open seconds but the newest `keep`."""


class Turns:
    """
    Merges what threads have drained into a window, in turns.

    So a log adds up in one order, whoever is faster, also where limits bite.
    """

    def __init__(self, window: Window, threads: int) -> None:
        self._window = window
        self._merging = Lock()
        self._unmerged: list[deque[bytes]] = [deque() for _ in range(threads)]
        self._turn = 0

    def take(self, thread: int, partial: bytes, *, is_large: bool) -> None:
        """Merge `partial` as soon as it is the turn of `thread`, and put seconds away; at once, if it is large."""
        self._unmerged[thread].append(partial)
        # Should another be here, it merges for this one, too; this one goes on, unless memory has to be freed.
        if self._merging.acquire(blocking=is_large):
            try:
                self._merge()
                # Older seconds are whole in most logs: whoever is here seals them while others fold. In all other logs
                # they are taken up again.
                self._window.freeze(OPEN_SECONDS)
            finally:
                self._merging.release()

    def finish(self) -> None:
        """Merge the rest: no thread brings more, whose turn it would be."""
        while any(self._unmerged):
            self._merge()
            self._turn = (self._turn + 1) % len(self._unmerged)

    def _merge(self) -> None:
        while self._unmerged[self._turn]:
            if partial := self._unmerged[self._turn].popleft():
                self._window.merge(partial)
            self._turn = (self._turn + 1) % len(self._unmerged)
