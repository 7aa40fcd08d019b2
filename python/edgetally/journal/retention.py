"""
Retention: from which fact on a restart has to read.

```text
        can be removed              needed
   ──────────────────────┤├──────────────────────────▶ facts
   partial partial partial seal 17 partial seal 18 ...
   └─────── add to seconds up to 21 ───────┘
```

A partial adds to seconds that are open when it is read, and these may lie some way ahead. So the facts before seal 17
are needed until second 21 is evicted from the shelf. From then on a restart needs only seal 17 of them, because the
newest sealed second decides which records are late. That seal stays, and is the first fact that a restart reads.
"""

from collections import deque
from collections.abc import Callable
from math import inf

import msgspec

MIN_SECONDS = 10
"""Sealed seconds that are always kept, so that a reader that keeps up misses none, whenever the process is killed."""


class LowWaterMark(msgspec.Struct, frozen=True):
    """The point before a seal, up to which facts may be removed."""

    position: int
    """Of the last fact before the seal."""
    reach: int
    """The newest second to which any fact before it adds."""
    size: int
    """Bytes of the partials before it, since the start."""


class Retention:
    """
    Tells which facts can be removed.

    These are the facts that add neither to the last `keep` sealed seconds, nor to an open one, nor to seconds that are
    not in the history. When the others exceed `max_bytes`, or the disk is nearly full, only the last few sealed seconds
    are kept. A restart then shows fewer seconds; what the history lacks of them is a hole in it.
    """

    def __init__(self, *, keep: int, max_bytes: int, needed_from: Callable[[], float] = lambda: inf) -> None:
        """`needed_from` returns the first second that is not in the history."""
        self._keep = keep
        self._max_bytes = max_bytes
        self._needed_from = needed_from
        self._candidates: deque[LowWaterMark] = deque()
        self._size = 0
        self._removed = 0

    @property
    def size(self) -> int:
        """Bytes of the partials that are needed."""
        return self._size - self._removed

    def partial(self, size: int) -> None:
        """Take note of a partial that was read."""
        self._size += size

    def seal(self, position: int, *, second: int, reach: int, is_nearly_full: bool) -> LowWaterMark | None:
        """
        Take note of a seal that was read, and return the new low-water mark if it has moved.

        `position` is that of the seal, and `reach` the newest second of the window.
        """
        self._candidates.append(LowWaterMark(position - 1, reach, self._size))
        found = None
        while self._candidates:
            is_tight = is_nearly_full or self.size > self._max_bytes
            keep = min(MIN_SECONDS, self._keep) if is_tight else self._keep
            needed_from = inf if is_tight else self._needed_from()
            if self._candidates[0].reach > second - keep or self._candidates[0].reach >= needed_from:
                break
            found = self._candidates.popleft()
            self._removed = found.size
        return found
