"""Rankings of minutes, hours and days, whatever engine keeps them."""

from collections.abc import Sequence
from typing import NamedTuple

from edgetally import _core
from edgetally.history.chunks import Part
from edgetally.history.holes import Span
from edgetally.history.question import NAME, HistoryQuestion
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
        return self.question(RANKED - 1, 0)

    def question(self, first: int, last: int, names: Sequence[str] = ()) -> HistoryQuestion:
        """Return the question for what some names, or all, did in windows that are counted back from the ranked one."""
        step = self.tier.seconds
        return HistoryQuestion(
            services=(self.asked.service_id,),
            dataset=self.asked.of,
            tier=self.tier,
            start=max(self.window - first * step, 0),
            end=self.window - last * step + step,
            metrics=(),
            group_by=frozenset([NAME]),
            names=frozenset(names),
        )

    def is_unknown(self, holes: Sequence[Span]) -> bool:
        """Whether nothing is known of its window."""
        return any(start <= self.window and end >= self.needed.end for start, end in holes)

    def ranking(self, parts: Sequence[Part], holes: Sequence[Span], aggregate_delay: int) -> bytes:
        """Rank the names in these parts, which have everything that is `needed`."""
        return self.written(self.sealed(self.needed, parts), holes, self.needed.start, aggregate_delay)

    def sealed(
        self,
        question: HistoryQuestion,
        parts: Sequence[Part],
        *,
        order: tuple[str, str] | None = None,
        names: Sequence[str] | None = None,
    ) -> list[_core.Sealed]:
        """Return what parts have in the windows of a question; see `_core.sealed_periods`."""
        if question.end <= question.start:
            return []
        return _core.sealed_periods(
            parts if question.dataset == "domains" else [],
            parts if question.dataset == "origins" else [],
            service_id=self.asked.service_id,
            start=question.start,
            end=question.end,
            step=question.tier.seconds,
            order=order,
            names=names,
        )

    def written(
        self,
        sealed: list[_core.Sealed],
        holes: Sequence[Span],
        start: int,
        aggregate_delay: int,
        others: int | None = None,
    ) -> bytes:
        """Return the ranking as JSON. Nothing is known before `start`; `others` as for `_core.ranking`."""
        asked, step = self.asked, self.tier.seconds
        # A window of which anything is known is shown.
        whole = [(-(-first // step), behind // step) for first, behind in holes]
        whole = [(first, behind) for first, behind in whole if first < behind]
        since = start // step
        if whole and whole[0][0] <= since:
            since = whole.pop(0)[1]
        return _core.ranking(
            sealed,
            service_id=asked.service_id,
            of=asked.of,
            by=asked.by,
            rows=asked.rows,
            pop=asked.pop,
            matching=asked.match,
            focus=asked.focus,
            second=self.window // step,
            since=since,
            aggregate_delay=aggregate_delay,
            unit=step,
            holes=whole,
            others=others,
        )
