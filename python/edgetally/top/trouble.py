"""What is in trouble, and since when. The page's picture.js and columns.js say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgetally.top.look import unit
from edgetally.top.text import time_of_day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgetally.api.ranking_answer import RankedName, RankingAnswer

    Series = Sequence[int | None]

CALM = 10
"""So many seconds with answers and without a failure are the end of a failure."""


class Beginning(NamedTuple):
    """Where a failure began that goes on at the end of a series."""

    at: int
    is_known: bool
    """False: nothing is known of the time before `at`, or nothing came then."""


def beginning(failed: Series, counted: Series, step: int = 1) -> Beginning | None:
    """
    Return where the failure at the end of a series began; None if there is none.

    Args:
        failed: How many failed in each step.
        counted: Of how many. Steps without any are no sign of calm.
        step: In seconds.
    """
    index, calm = -1, 0
    for i in reversed(range(len(failed))):
        if failed[i]:
            index, calm = i, 0
        elif counted[i]:
            calm += step
        if calm >= CALM:
            break
    return None if index < 0 else Beginning(index, is_known=calm > 0 and failed[index - 1] is not None)


def since(ranking: RankingAnswer, series: Mapping[str, Series]) -> str:
    """Return when the failure at the end of series began: `since 04:40:12`, `since before …`; empty without one."""
    failed = series["5xx"]
    began = beginning(failed, series[ranking.columns[0]], unit(ranking))
    if not began:
        return ""
    at = ranking.second - (len(failed) - 1 - began.at) * unit(ranking)
    return ("since " if began.is_known else "since before ") + time_of_day(at)


def silent_since(ranking: RankingAnswer, values: Series) -> str:
    """Return the time of day from which on nothing came."""
    quiet = next((i for i, one in enumerate(reversed(values)) if one), len(values))
    return time_of_day(ranking.second - (quiet - 1) * unit(ranking))


def is_troubled(ranking: RankingAnswer, row: RankedName) -> bool:
    """Return whether a row failed, fell silent, or waits for origins in vain."""
    return row.silent or trouble(ranking, row.now) > 0


def trouble(ranking: RankingAnswer, numbers: Sequence[int]) -> int:
    """Return how many responses are 5xx, and how many fetches have no response."""
    named = dict(zip(ranking.columns, numbers, strict=True))
    return named["5xx"] + named.get("unanswered", 0)


def risen(ranking: RankingAnswer, up: Sequence[str]) -> int:
    """Return how many of the rows that would move up are news: by trouble, others change places all the time."""
    if ranking.by != "trouble":
        return len(up)
    return sum(row.name in up and is_troubled(ranking, row) for row in ranking.rows)


def pops_by_trouble(ranking: RankingAnswer) -> list[str]:
    """Return the POPs: those with the most trouble first, then the busiest."""
    return [
        pop.name
        for pop in sorted(
            ranking.pops,
            key=lambda pop: (-trouble(ranking, pop.now), -pop.now[0] - pop.before[0], pop.name),
        )
    ]
