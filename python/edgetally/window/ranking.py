"""Rankings of what is on the shelf: what the views show of one second."""

from typing import NamedTuple, cast

from edgetally import _core
from edgetally.window.shelf import Shelf

KeptSeries = _core.KeptSeries

SPAN = 300
"""Seconds that a ranking looks at."""


class Question(NamedTuple):
    """What a ranking is asked for; see `edgetally._core.ranking`. Equal questions have the same answer."""

    service_id: str
    of: str
    by: str
    rows: int
    pop: str | None
    match: str
    focus: str | None
    second: int
    unit: int = 1
    """1: the second. 60, 3,600 or 86,400: the minute, hour or day in which it lies. 0: the finest of these."""


class Ranker:
    """Looks up what a ranking needs. The rest of the work may be done in a thread."""

    def __init__(self, shelf: Shelf, question: Question, aggregate_delay: int) -> None:
        first = question.second - SPAN + 1
        kept = shelf.kept(question.service_id, first, question.second)
        # Only tests have others, and they rank none.
        self._sealed = cast("list[_core.Sealed]", [one.sealed for one in kept])
        self._question = question
        self._since = shelf.oldest
        self._delay = aggregate_delay
        self.size = sum(one.size for one in self._sealed)
        """Bytes of what it looks at."""

    def make(self, kept: KeptSeries | None = None) -> bytes:
        """Make the ranking, as JSON; with the series that are kept of those before, it takes a third of the time."""
        question = self._question
        return _core.ranking(
            self._sealed,
            service_id=question.service_id,
            of=question.of,
            by=question.by,
            rows=question.rows,
            pop=question.pop,
            matching=question.match,
            focus=question.focus,
            second=question.second,
            since=self._since,
            aggregate_delay=self._delay,
            kept=kept,
        )


def orders(of: str) -> list[str]:
    """Return what the names of `domains` or `origins` can be ordered by."""
    return ["trouble", *_core.columns(of)]
