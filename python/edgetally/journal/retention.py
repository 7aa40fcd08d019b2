"""
The horizon: the fact from which on a restart has to read.

```text
           forgotten                needed
   ──────────────────────┤├──────────────────────────▶ facts
   partial partial partial seal 17 partial seal 18 ...
   └─────── add to seconds up to 21 ───────┘
```

A partial adds to seconds that are open when it is read, and these may lie some way ahead. So what stands before seal 17
is needed until second 21 has left the shelf. From there on nothing but seal 17 has to be known of it: which second is
sealed decides what is late. That seal stays, and is the first fact that a restart reads.
"""

from collections import deque
from typing import NamedTuple

FEWEST = 10
"""Sealed seconds that are not given up, so that a reader who reads along has them all, whenever we are killed."""


class Step(NamedTuple):
    """A seal, and what stands before it."""

    position: int
    """Of the last fact before it."""
    reach: int
    """The newest second to which anything before it adds."""
    size: int
    """Bytes of the partials before it, since the beginning."""


class Horizon:
    """
    Tells what can be forgotten.

    That is what adds to none of the last `keep` sealed seconds, nor to an open one. Beyond `most` bytes, or when it is
    crowded, sealed seconds are given up but for the last: a restart does not show them again, but counts nothing less.
    """

    def __init__(self, *, keep: int, most: int) -> None:
        self._keep = keep
        self._most = most
        self._steps: deque[Step] = deque()
        self._size = 0
        self._forgotten = 0

    @property
    def size(self) -> int:
        """Bytes of the partials that are needed."""
        return self._size - self._forgotten

    def partial(self, size: int) -> None:
        """Note that a partial was read."""
        self._size += size

    def seal(self, position: int, *, second: int, reach: int, crowded: bool) -> Step | None:
        """
        Note that a seal was read, and return the step up to which all can be forgotten, if there is a new one.

        `position` is its own, and `reach` what the window says is its newest second.
        """
        self._steps.append(Step(position - 1, reach, self._size))
        found = None
        while self._steps:
            tight = crowded or self.size > self._most
            if self._steps[0].reach > second - (min(FEWEST, self._keep) if tight else self._keep):
                break
            found = self._steps.popleft()
            self._forgotten = found.size
        return found
