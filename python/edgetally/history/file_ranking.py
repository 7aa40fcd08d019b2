"""Rankings of what is in the file, without reading all of it."""

import sqlite3
from collections.abc import Sequence

from edgetally.history.base import RecordedBatch
from edgetally.history.chunks import Part, tier_of
from edgetally.history.lookup import Lookup, unknown
from edgetally.history.question import HistoryQuestion
from edgetally.history.ranked import PastQuestion
from edgetally.history.tiers import DAYS, TIERS, Tier
from edgetally.window.ranking import Question


def ranked(
    database: sqlite3.Connection, asked: Question, batches: Sequence[RecordedBatch], aggregate_delay: int, newest: int
) -> bytes:
    """
    Rank the names of a minute, hour or day; return nothing if nothing is known of it.

    `batches` as for Lookup, `newest` as for RankingReader.
    """
    past = PastQuestion(asked, tier_of(asked.unit) if asked.unit else _finest(database, asked.second))

    def rows(question: HistoryQuestion) -> list[Part]:
        return Lookup(database, question, batches).all_parts()

    holes, until = unknown(database, past.shown, batches)
    return past.ranking(rows, holes, min(until, newest + 1), aggregate_delay)


def _finest(database: sqlite3.Connection, second: int) -> Tier:
    """Return the tier with the shortest windows that still has a second."""
    gone = dict(database.execute("SELECT tier, before FROM gone").fetchall())
    return next((tier for tier in TIERS.values() if second >= gone.get(tier.seconds, 0)), DAYS)
