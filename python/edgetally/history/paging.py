"""A page of an answer, whatever engine looks its rows up."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeVar

from edgetally import _core
from edgetally.history.chunks import EVERYTHING, Part
from edgetally.history.question import MAX_VALUES, NAME, HistoryQuestion, TooManyValues

T = TypeVar("T")

NAMES_AT_ONCE = 200
"""Names whose rows are looked up together."""


class QuestionLookup(Protocol):
    """Looks up the rows that one question needs."""

    first: int
    """The first window that may have something."""
    behind: int
    """Windows that begin from here on have nothing."""

    def names(self) -> Iterator[list[str]]:
        """Yield the names that count, sorted, some at a time."""

    def parts(self, names: Sequence[str], columns: Sequence[int]) -> Iterator[list[Part]]:
        """Yield the rows of some names, which are sorted, with at least these counters, some at a time."""


def names_of(question: HistoryQuestion, names_after: Callable[[str], list[str]]) -> Iterator[list[str]]:
    """Yield the names that count, sorted, some at a time; `names_after` returns the next that there are."""
    if question.names:
        yield from some_of(sorted(question.names), NAMES_AT_ONCE)
    elif NAME not in question.group_by:
        yield [EVERYTHING]
    else:
        after = question.after[0] if question.after else EVERYTHING
        if question.after and len(question.after) > 1:
            # The name may have more series than those of the page before.
            yield [after]
        while names := names_after(after):
            yield names
            after = names[-1]


def page_of(question: HistoryQuestion, lookup: QuestionLookup) -> tuple[bytes, tuple[str, ...] | None]:
    """
    Add up what is looked up.

    Returns:
        The series as JSON, and behind which dimensions the next page begins, None if this is the last. Raises
        TooManyValues when the answer would be too large.
    """
    query = _core.HistoryQuery(
        dataset=question.dataset,
        metrics=question.metrics,
        start=lookup.first,
        end=lookup.behind,
        step=question.tier.seconds,
        group_by=question.group_by,
        name_key=question.name_key,
        pops=question.pops,
        regions=dict(question.region_of),
        default_region=question.default_region,
        only_regions=question.regions,
        after=question.after,
        most=MAX_VALUES,
    )
    try:
        for names in lookup.names():
            for parts in lookup.parts(names, query.columns):
                query.add(parts, names)
            if query.series > question.limit:
                break
        data, after = query.page(question.limit)
    except OverflowError as error:
        raise TooManyValues from error
    return data, tuple(after) if after else None


def some_of(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Yield `items` in lists of at most `most`."""
    rest = iter(items)
    while some := list(islice(rest, most)):
        yield some
