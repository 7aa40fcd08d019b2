"""
Rankings of what is in the file, without reading all of it.

Which names matter is decided by what is shown and what that is compared with: for those, the few counters that names
are ordered by are read of all names. Everything else is read only of the names that were chosen, and of the sum over
all names.
"""

import sqlite3
from collections.abc import Sequence

from edgetally import _core
from edgetally.history.base import RecordedBatch
from edgetally.history.chunks import EVERYTHING, tier_of
from edgetally.history.lookup import Lookup, unknown
from edgetally.history.ranked import RANKED, PastQuestion
from edgetally.history.tiers import DAYS, TIERS, Tier
from edgetally.window.ranking import SPAN, Question

WINDOW, AGO = 10, 60
"""So many windows are added up, and compared with as many that ended so many earlier. As in the core."""

ALWAYS_KNOWN = ("_other", "_invalid")
"""Names whose requests a ranking shows in any case."""


def ranked(
    database: sqlite3.Connection, asked: Question, batches: Sequence[RecordedBatch], aggregate_delay: int
) -> bytes:
    """Rank the names of a minute, hour or day; return nothing if nothing is known of it. `batches` as for Lookup."""
    past = PastQuestion(asked, tier_of(asked.unit) if asked.unit else _finest(database, asked.second))
    shown = past.question(SPAN - 1, 0)
    holes = unknown(database, shown, batches)
    if past.is_unknown(holes):
        return b""

    def order(first: int, last: int) -> list[_core.Sealed]:
        """Return what all names are ordered by, of some windows."""
        question = past.question(first, last)
        return past.sealed(question, Lookup(database, question, batches).all_parts(), order=(asked.of, asked.by))

    def everything(first: int, last: int, names: Sequence[str]) -> list[_core.Sealed]:
        """Return everything of some names, of some windows."""
        question = past.question(first, last, [EVERYTHING, *names])
        lookup = Lookup(database, question, batches)
        return past.sealed(question, list(lookup.parts(sorted(question.names))), names=names)

    names, others = _core.ranked_names(
        [*order(AGO + WINDOW - 1, AGO), *order(WINDOW - 1, 0)],
        of=asked.of,
        by=asked.by,
        rows=asked.rows,
        pop=asked.pop,
        matching=asked.match,
        focus=asked.focus,
        second=past.window // past.tier.seconds,
    )
    focus = [asked.focus] if asked.focus else []
    # Of windows that are further back than those of rows, the sums are shown, and the focus.
    sealed = everything(SPAN - 1, RANKED, focus)
    sealed += everything(RANKED - 1, 0, [*{*names, *ALWAYS_KNOWN, *focus}])
    return past.written(sealed, holes, shown.start, aggregate_delay, others)


def _finest(database: sqlite3.Connection, second: int) -> Tier:
    """Return the tier with the shortest windows that still has a second."""
    gone = dict(database.execute("SELECT tier, before FROM gone").fetchall())
    return next((tier for tier in TIERS.values() if second >= gone.get(tier.seconds, 0)), DAYS)
