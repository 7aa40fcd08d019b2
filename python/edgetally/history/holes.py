"""Holes: seconds of which nothing, or not everything, is known. What is not known to be known is a hole."""

from collections.abc import Iterable

Span = tuple[int, int]
"""The first second, and the one behind the last."""


def holes(known: Iterable[Span], start: int, end: int) -> list[Span]:
    """Return what of `start` to before `end` is in none of the `known` spans, which may overlap."""
    found = []
    for first, behind in sorted(known):
        if first >= end:
            break
        if behind <= max(start, first):
            continue
        if first > start:
            found.append((start, first))
        start = behind
    if start < end:
        found.append((start, end))
    return found


def joined(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch or overlap."""
    found: list[Span] = []
    for first, behind in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(behind, found[-1][1])
        else:
            found.append((first, behind))
    return found
