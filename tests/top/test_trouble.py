"""What is in trouble, and since when."""

import msgspec
import pytest

from edgetally.api.ranking_answer import KnownSeconds, RankedName, RankedPop, RankedRest, RankedSum, RankingAnswer
from edgetally.top.trouble import Beginning, beginning, pops_by_trouble, risen, silent_since, since

CALM = [0] * 10
NOON = 1_795_348_800
"""The last second of the series, 12:00:00."""


@pytest.mark.parametrize(
    ("failed", "step", "expected"),
    [
        ([*CALM, 0, 2, 0, 1], 1, Beginning(11, is_known=True)),
        ([3, *CALM, 2, *CALM[1:]], 1, Beginning(11, is_known=True)),
        ([3, *CALM], 1, None),
        ([], 1, None),
        # One calm minute is enough.
        ([5, 0, 3, 0, 2, 1], 60, Beginning(4, is_known=True)),
        ([5, 0], 60, None),
        # What is older than the series is not known, unless the series begins calm.
        ([2, 0, 0, 1], 1, Beginning(0, is_known=False)),
        ([None, None, 1, 1], 1, Beginning(2, is_known=False)),
        ([0, 2, 0, 1], 1, Beginning(1, is_known=True)),
        ([None, None, 0, 1], 1, Beginning(3, is_known=True)),
        # A time without a server is no sign of calm, and a failure may have begun in it.
        ([0, 3, None, None, 4], 60, Beginning(1, is_known=True)),
        ([3, 0, None, 4, 4], 60, Beginning(3, is_known=False)),
    ],
)
def test_a_failure_begins_after_ten_calm_seconds(
    failed: list[int | None], step: int, expected: Beginning | None
) -> None:
    assert beginning(failed, [one if one is None else 9 for one in failed], step) == expected


def test_seconds_without_a_request_are_no_sign_of_calm() -> None:
    failed = [*CALM, *CALM[4:], 1, *CALM, 0, 1, *CALM, 0, 1]

    assert beginning(failed, [*[9] * 10, *failed[10:]]) == Beginning(16, is_known=True)
    assert beginning(failed[10:], failed[10:]) == Beginning(6, is_known=False)


def test_times_are_those_of_the_clock() -> None:
    calm = ranking("trouble", {}, {})
    by_minute = msgspec.structs.replace(calm, window=600, ago=3_600)
    nine = [9] * 13

    assert since(calm, {"requests": nine, "5xx": [*CALM, 1, 0, 1]}) == "since 11:59:58"
    assert since(by_minute, {"requests": nine, "5xx": [*CALM, 1, 0, 1]}) == "since 12:00:00"
    assert since(by_minute, {"requests": nine, "5xx": [*CALM, 1, 1, 1]}) == "since 11:58:00"
    assert since(calm, {"requests": nine, "5xx": [1, 1]}) == "since before 11:59:59"
    assert since(calm, {"requests": nine, "5xx": [1, *CALM]}) == ""
    assert silent_since(calm, [None, 2, 0, 0]) == "11:59:59"
    assert silent_since(by_minute, [None, 2, 0, 0]) == "11:59:00"


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
        known=KnownSeconds(10, 10),
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
