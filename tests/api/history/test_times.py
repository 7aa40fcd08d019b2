"""Times, in every form in which clients write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetally.api.history.times import default_interval, iso, parse_moment, parse_time
from edgetally.history.tiers import DAY, HOUR, LAST_SECOND, MINUTE, TIERS

NOON = 1_699_272_000  # 2023-11-06T12:00:00Z


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("0", 0),
        ("1699272000", NOON),
        ("2023-11-06", NOON - 12 * HOUR),
        ("2023-11-06T12:00:00Z", NOON),
        ("2023-11-06T12:00:00.750Z", NOON),
        ("2023-11-06T12:00Z", NOON),
        ("2023-11-06T12:00:00", NOON),
        ("2023-11-06 12:00", NOON),
        ("2023-11-06 12:00:00 UTC", NOON),
        ("2023-11-06T13:00:00+01:00", NOON),
        ("2023-11-06T13:00:00 01:00", NOON),  # the + was not escaped
        ("2023-11-06T11:30:00-00:30", NOON),
        ("9999-12-31T23:59:59Z", LAST_SECOND),
    ],
)
def test_a_time_is_a_second(text: str, second: int) -> None:
    assert parse_time(text) == second
    assert parse_moment(text, 0) == second


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "1.5", "1e9", "٣", "253402300800", "9" * 400, "1969-12-31", "2023-13-01", "0001-01-01", "now"],
)
def test_anything_else_is_no_time(text: str) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("now", NOON),
        ("today", NOON - 12 * HOUR),
        ("Yesterday", NOON - 36 * HOUR),
        ("10 days ago", NOON - 10 * DAY),
        ("2 weeks ago", NOON - 14 * DAY),
        ("two  weeks ago", NOON - 14 * DAY),
        ("an hour ago", NOON - HOUR),
        ("1 minute ago", NOON - MINUTE),
        ("12 months ago", NOON - 360 * DAY),
    ],
)
def test_a_moment_may_be_described(text: str, second: int) -> None:
    assert parse_moment(text, NOON) == second


@pytest.mark.parametrize("text", ["100 years ago", "ago", "2 ages ago", "tomorrow", "x days ago"])
def test_other_descriptions_are_no_moments(text: str) -> None:
    assert parse_moment(text, NOON) is None


@given(text=st.text())
def test_no_text_is_too_strange(text: str) -> None:
    second = parse_time(text)
    assert second is None or 0 <= second <= LAST_SECOND


@given(second=st.integers(0, LAST_SECOND))
def test_what_is_written_is_read_again(second: int) -> None:
    assert parse_time(iso(second)) == second == int(datetime.fromisoformat(iso(second)).astimezone(UTC).timestamp())


@pytest.mark.parametrize(("tier", "seconds"), [("minute", 30 * MINUTE), ("hour", DAY), ("day", 30 * DAY)])
def test_an_interval_may_leave_out_its_ends(tier: str, seconds: int) -> None:
    asked = TIERS[tier]

    assert default_interval(None, None, asked, NOON) == (NOON - seconds, NOON)
    assert default_interval(5, None, asked, NOON) == (5, NOON)
    assert default_interval(None, 10 * DAY, asked, NOON) == (max(10 * DAY - seconds, 0), 10 * DAY)
