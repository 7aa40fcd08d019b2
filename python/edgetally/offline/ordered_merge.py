"""Ordered merge: threads merge into one window in an order that does not depend on which of them is faster."""

# As `threading` has it, whose import takes longer than to count a small log.
from _thread import allocate_lock
from collections import deque

from edgetally import _core

OPEN_SECONDS = 2
"""Newest seconds that stay ready for more rows; older ones are frozen."""


class OrderedMerge:
    """
    Merges the partials of several regions of a log into a window, in the order of the regions.

    So a log adds up in one order, also where a limit decides which keys have a row of their own.
    """

    def __init__(self, window: _core.Window, *, regions: int = 1) -> None:
        self._window = window
        self._merging = allocate_lock()
        self._waiting: list[deque[bytes]] = [deque() for _ in range(regions)]
        self._is_complete = [False] * regions
        self._next = 0

    def add(self, region: int, partial: bytes, *, is_last: bool = False, wait: bool = False) -> None:
        """
        Queue the next partial of a region, perhaps an empty one, and merge what can be merged in order.

        Args:
            region: Its number in the log, from 0.
            partial: What a fold gave.
            is_last: The region has no other.
            wait: If another thread is merging, wait for it, because memory has to be freed. Otherwise that thread
                merges this partial, too, or the next call does.
        """
        self._waiting[region].append(partial)
        if is_last:
            self._is_complete[region] = True
        if self._merging.acquire(blocking=wait):
            try:
                self.finish()
                # In most logs, older seconds are complete, and are best frozen while other threads fold. If a line adds
                # to one of them after all, it is thawed.
                self._window.freeze(OPEN_SECONDS)
            finally:
                self._merging.release()

    def finish(self) -> None:
        """Merge what can be merged in order: all that is left, when no thread adds any more."""
        while self._next < len(self._waiting):
            # Asked first: a partial may be queued, and be the last, meanwhile.
            is_complete = self._is_complete[self._next]
            waiting = self._waiting[self._next]
            while waiting:
                if partial := waiting.popleft():
                    self._window.merge(partial)
            if not is_complete:
                return
            self._next += 1
