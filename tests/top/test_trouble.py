"""What is in trouble, and since when."""

import pytest

from edgetally.api.ranking_answer import RankedName, RankedPop, RankedRest, RankedSum, RankingAnswer
from edgetally.top.trouble import Beginning, beginning, pops_by_trouble, risen, silent_since, since

CALM = [0] * 10
NOON = 1_795_348_800
"""The last second of the series, 12:00:00."""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([*CALM, 0, 2, 0, 1], Beginning(11, is_known=True)),
        ([3, *CALM, 2, *CALM[1:]], Beginning(11, is_known=True)),
        ([3, *CALM], None),
        ([], None),
        ([0, 2, 0, 1], Beginning(0, is_known=False)),
        ([None, None, 0, 1], Beginning(2, is_known=False)),
        ([1, None, 0], None),
    ],
)
def test_a_failure_begins_after_ten_calm_seconds(values: list[int | None], expected: Beginning | None) -> None:
    assert beginning(values) == expected


def test_times_are_those_of_the_clock() -> None:
    assert since([*CALM, 1, 0, 1], NOON) == "since 11:59:58"
    assert since([0, 1], NOON) == "since before 11:59:59"
    assert since([1, *CALM], NOON) == ""
    assert silent_since([None, 2, 0, 0], NOON) == "11:59:59"


def ranking(by: str, rows: dict[str, tuple[int, int, int]], pops: dict[str, tuple[int, int, int]]) -> RankingAnswer:
    """Return a ranking of rows and POPs with so many requests, 5xx, and fetches without a response."""
    none = [0, 0, 0]
    return RankingAnswer(
        service="svc",
        of="domains",
        by=by,
        second=NOON,
        timestamp=NOON + 2,
        aggregate_delay=2,
        since=NOON - 300,
        window=10,
        ago=60,
        columns=["requests", "5xx", "unanswered"],
        all=RankedSum(none, none, {}),
        rows=[RankedName(name, not now[0], [*now], none, {}, []) for name, now in rows.items()],
        rest=RankedRest(0, none, none),
        pops=[RankedPop(name, [*now], none) for name, now in pops.items()],
        focus=None,
        late=0,
        overflowed=0,
        other=0,
        invalid=0,
    )


def test_only_rows_in_trouble_are_news() -> None:
    rows = {"failing": (9, 1, 0), "unanswered": (9, 0, 1), "silent": (0, 0, 0), "calm": (9, 0, 0)}
    names = [*rows]

    assert risen(ranking("trouble", rows, {}), names) == 3
    assert risen(ranking("trouble", rows, {}), ["calm"]) == 0
    assert risen(ranking("requests", rows, {}), names) == 4


def test_pops_that_fail_come_before_the_busiest() -> None:
    pops = {"BUSY": (99, 0, 0), "CALM": (1, 0, 0), "FAILS": (2, 2, 0), "WAITS": (1, 0, 1)}

    assert pops_by_trouble(ranking("trouble", {}, pops)) == ["FAILS", "WAITS", "BUSY", "CALM"]
