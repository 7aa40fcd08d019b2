"""Rankings of minutes, hours and days, whatever engine keeps them."""

from collections.abc import Sequence
from typing import NamedTuple

from edgetally import _core
from edgetally.history.chunks import Part
from edgetally.history.holes import Span
from edgetally.history.question import HistoryQuestion
from edgetally.history.tiers import Tier
from edgetally.window.ranking import Question

RANKED = 130
"""Windows that a ranking looks at: its own ten, the hour before them, and two hours of each row's picture."""


class PastQuestion(NamedTuple):
    """What a ranking has to know of history."""

    asked: Question
    tier: Tier

    @property
    def window(self) -> int:
        """The window that is ranked."""
        return self.tier.window_of(self.asked.second)

    @property
    def needed(self) -> HistoryQuestion:
        """The question whose rows are needed, those of all names."""
        first = max(self.window - (RANKED - 1) * self.tier.seconds, 0)
        behind = self.window + self.tier.seconds
        return HistoryQuestion((self.asked.service_id,), self.asked.of, self.tier, first, behind, ())

    def is_unknown(self, holes: Sequence[Span]) -> bool:
        """Whether nothing is known of its window."""
        return any(start <= self.window and end >= self.needed.end for start, end in holes)

    def ranking(self, parts: Sequence[Part], holes: Sequence[Span], aggregate_delay: int) -> bytes:
        """Rank the names in these parts."""
        asked, window, step = self.asked, self.window, self.tier.seconds
        _, dataset, _, first, behind, *_ = self.needed
        since = max((end for start, end in holes if start <= window), default=first)
        sealed = _core.sealed_periods(
            parts if dataset == "domains" else [],
            parts if dataset == "origins" else [],
            service_id=asked.service_id,
            start=first,
            end=behind,
            step=step,
        )
        return _core.ranking(
            sealed,
            service_id=asked.service_id,
            of=asked.of,
            by=asked.by,
            rows=asked.rows,
            pop=asked.pop,
            matching=asked.match,
            focus=asked.focus,
            second=window // step,
            since=min(since, window) // step,
            aggregate_delay=aggregate_delay,
            unit=step,
        )
