"""Ordered merge: threads merge into one window in an order that does not depend on which of them is faster."""

# As `threading` has it, whose import takes longer than to count a small log.
from _thread import allocate_lock
from collections import deque

from edgetally import _core

OPEN_SECONDS = 2
"""Newest seconds that stay ready for more rows; older ones are frozen."""


class OrderedMerge:
    """
    Merges partials from several threads into a window, one from each thread in turn.

    So a log adds up in one order, also where a limit decides which keys have a row of their own.
    """

    def __init__(self, window: _core.Window, threads: int) -> None:
        self._window = window
        self._merging = allocate_lock()
        self._waiting: list[deque[bytes]] = [deque() for _ in range(threads)]
        self._next = 0

    def add(self, thread: int, partial: bytes, *, wait: bool) -> None:
        """
        Queue the next partial of `thread`, perhaps an empty one, and merge what can be merged in order.

        Args:
            thread: Which thread this is, from 0.
            partial: What its fold gave.
            wait: If another thread is merging, wait for it, because memory has to be freed. Otherwise that thread
                merges this partial, too, or the next call does.
        """
        self._waiting[thread].append(partial)
        if self._merging.acquire(blocking=wait):
            try:
                self._merge()
                # In most logs, older seconds are complete, and are best frozen while other threads fold. If a line adds
                # to one of them after all, it is thawed.
                self._window.freeze(OPEN_SECONDS)
            finally:
                self._merging.release()

    def finish(self) -> None:
        """Merge all that is left, when no thread adds any more. Threads that have nothing are skipped."""
        while any(self._waiting):
            self._merge()
            self._next = (self._next + 1) % len(self._waiting)

    def _merge(self) -> None:
        while self._waiting[self._next]:
            if partial := self._waiting[self._next].popleft():
                self._window.merge(partial)
            self._next = (self._next + 1) % len(self._waiting)
