"""How long things take: a count for each of a few bounds, which costs next to nothing to keep."""

from bisect import bisect_left

BOUNDS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Seconds. What takes a millisecond is nothing, what takes ten is an incident."""


class Histogram:
    """Durations in seconds, counted by the smallest bound that they do not exceed."""

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        """The sum of all durations."""

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        """How many durations were counted."""
        return sum(self._counts)

    def up_to(self) -> list[tuple[float, int]]:
        """Return, for every bound, how many durations do not exceed it."""
        found, below = [], 0
        for bound, count in zip(BOUNDS, self._counts, strict=False):
            below += count
            found.append((bound, below))
        return found
