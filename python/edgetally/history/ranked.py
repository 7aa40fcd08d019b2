"""Rankings of minutes, hours and days, whatever engine keeps them."""

from collections.abc import Callable, Sequence

import msgspec

from edgetally import _core
from edgetally.history.chunks import EVERYTHING, Part
from edgetally.history.holes import Span
from edgetally.history.question import NAME, HistoryQuestion
from edgetally.history.tiers import Tier
from edgetally.window.ranking import SPAN, Question

RANKED = 130
"""Windows that a ranking looks at: its own ten, the hour before them, and two hours of each row's picture."""

WINDOW, AGO = 10, 60
"""So many windows are added up, and compared with as many that ended so many earlier. As in the core."""

ALWAYS_KNOWN = ("_other", "_invalid")
"""Names whose requests a ranking shows in any case."""

RowsOf = Callable[[HistoryQuestion], Sequence[Part]]
"""Looks up the rows of the names of a question, or of all if it has none."""


class PastQuestion(msgspec.Struct, frozen=True):
    """What a ranking has to know of history."""

    asked: Question
    tier: Tier

    @property
    def window(self) -> int:
        """The window that is ranked."""
        return self.tier.window_of(self.asked.second)

    @property
    def shown(self) -> HistoryQuestion:
        """The question for all windows that are shown, those of all names."""
        return self.question(SPAN - 1, 0)

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
        return any(start <= self.window and end >= self.shown.end for start, end in holes)

    def ranking(self, rows: RowsOf, holes: Sequence[Span], until: int, aggregate_delay: int) -> bytes:
        """
        Rank the names; return nothing if nothing is known of the window.

        `until` is the second behind the newest of which anything is known.

        Which names matter is decided by what is shown and what that is compared with: for those, the few counters that
        names are ordered by are read of all names. Everything else is read only of the names that were chosen, and of
        the sum over all names.
        """
        if self.is_unknown(holes):
            return b""
        asked = self.asked
        ordered = []
        for first, last in ((AGO + WINDOW - 1, AGO), (WINDOW - 1, 0)):
            question = self.question(first, last)
            ordered += self.sealed(question, rows(question), order=(asked.of, asked.by))
        names, others = _core.ranked_names(
            ordered,
            of=asked.of,
            by=asked.by,
            rows=asked.rows,
            pop=asked.pop,
            matching=asked.match,
            focus=asked.focus,
            second=self.window // self.tier.seconds,
        )
        focus = [asked.focus] if asked.focus else []
        sealed = []
        # Of windows that are further back than those of rows, the sums are shown, and the focus.
        for first, last, those in (
            (SPAN - 1, RANKED, focus),
            (RANKED - 1, 0, [*{*names, *ALWAYS_KNOWN, *focus}]),
        ):
            question = self.question(first, last, [EVERYTHING, *those])
            sealed += self.sealed(question, rows(question), names=those)
        return self.written(sealed, holes, until, aggregate_delay, others)

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
        until: int,
        aggregate_delay: int,
        others: int,
    ) -> bytes:
        """Return the ranking as JSON; `others` as for `_core.ranking`."""
        asked, step, since = self.asked, self.tier.seconds, self.shown.start
        if holes and holes[0][0] <= since:
            since = holes[0][1]
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
            until=until,
            aggregate_delay=aggregate_delay,
            unit=step,
            holes=holes,
            others=others,
        )
