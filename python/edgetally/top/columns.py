"""The columns of the table, and the sums above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgetally.top.look import known_seconds
from edgetally.top.text import percent, percentile, short

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgetally.api.ranking_answer import RankingAnswer

LATENCIES_FROM = 7
"""Columns of origins before the latency buckets."""


class Column(NamedTuple):
    """A column of the table, or a sum above it."""

    head: str
    width: int
    text: Callable[[RankingAnswer, Sequence[int]], str]
    bad: str = ""
    """The number in the answer that is bad unless it is 0."""

    def is_bad(self, ranking: RankingAnswer, numbers: Sequence[int]) -> bool:
        """Return whether it deserves attention."""
        return bool(self.bad) and value_of(ranking, numbers, self.bad) > 0


def value_of(ranking: RankingAnswer, numbers: Sequence[int], name: str) -> int:
    """Return one of the numbers by its name in the answer."""
    return numbers[ranking.columns.index(name)]


def _per_second(ranking: RankingAnswer, number: int) -> str:
    return short(number / known_seconds(ranking))


def _rate(ranking: RankingAnswer, numbers: Sequence[int]) -> str:
    return _per_second(ranking, numbers[0])


def _rate_of(name: str, factor: int = 1) -> Callable[[RankingAnswer, Sequence[int]], str]:
    return lambda ranking, numbers: _per_second(ranking, factor * value_of(ranking, numbers, name))


def _share(name: str, of: str = "") -> Callable[[RankingAnswer, Sequence[int]], str]:
    """Return the share of all, or `of` another number."""
    return lambda ranking, numbers: percent(
        value_of(ranking, numbers, name), value_of(ranking, numbers, of) if of else numbers[0]
    )


def _hits(ranking: RankingAnswer, numbers: Sequence[int]) -> str:
    hits, misses = value_of(ranking, numbers, "hits"), value_of(ranking, numbers, "misses")
    return percent(hits, hits + misses)


def _offload(ranking: RankingAnswer, numbers: Sequence[int]) -> str:
    sent, fetched = value_of(ranking, numbers, "sent"), value_of(ranking, numbers, "fetched")
    return percent(max(0, sent - fetched), sent)


def _change(_ranking: RankingAnswer, _numbers: Sequence[int]) -> str:
    return ""  # made of both sums, by the row


def _latency(share: float) -> Callable[[RankingAnswer, Sequence[int]], str]:
    return lambda _ranking, numbers: percentile(numbers[LATENCIES_FROM:], share)


FAILED = Column("5XX%", 6, _share("5xx"), bad="5xx")
REFUSED = Column("4XX%", 6, _share("4xx"))
CHANGE = Column("1MIN", 7, _change)

COLUMNS = {
    "domains": (
        Column("REQ/S", 7, _rate),
        CHANGE,
        FAILED,
        REFUSED,
        Column("HIT%", 6, _hits),
        Column("OFFL%", 6, _offload),
        Column("BIT/S", 7, _rate_of("bandwidth", 8)),
    ),
    "origins": (
        Column("RESP/S", 7, _rate),
        CHANGE,
        FAILED,
        REFUSED,
        Column("P50", 7, _latency(0.5)),
        Column("P95", 7, _latency(0.95)),
        Column("P99", 7, _latency(0.99)),
    ),
}

FETCHING = (
    Column("FETCH/S", 0, _rate_of("fetches")),
    Column("ORIGIN 5XX%", 0, _share("origin_5xx", "fetches"), bad="origin_5xx"),
    Column("UNANSWERED/S", 0, _rate_of("unanswered"), bad="unanswered"),
)
"""Sums that say whether an origin is at fault."""

TILES = {
    "domains": (
        [one for one in COLUMNS["domains"] if one.head not in ("1MIN", "BIT/S")],
        [*FETCHING, COLUMNS["domains"][-1]],
    ),
    "origins": ([one for one in COLUMNS["origins"] if one.head != "1MIN"], [Column("BIT/S", 0, _rate_of("bytes", 8))]),
}
"""The sums above the table, in two lines."""
