"""Windows and periods: every second is in one of each."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetally.history.tiers import LAST_SECOND, TIERS, Tier

SECOND = st.integers(0, LAST_SECOND - 80 * 86_400)
EACH_TIER = pytest.mark.parametrize("tier", TIERS.values(), ids=list(TIERS))


@EACH_TIER
@given(second=SECOND)
def test_a_second_lies_in_its_window_and_that_in_its_period(tier: Tier, second: int) -> None:
    window, period = tier.window_of(second), tier.period_of(second)

    assert window <= second < window + tier.seconds
    assert period <= window < window + tier.seconds <= tier.next_period(period)
    assert tier.window_of(window) == window
    assert tier.period_of(tier.next_period(period) - 1) == period
    assert tier.period_of(tier.next_period(period)) == tier.next_period(period)


@given(second=SECOND)
def test_months_are_those_of_the_calendar(second: int) -> None:
    month = datetime.fromtimestamp(TIERS["day"].period_of(second), UTC)
    given_month = datetime.fromtimestamp(second, UTC)

    assert (month.year, month.month, month.day, month.hour) == (given_month.year, given_month.month, 1, 0)


@EACH_TIER
@given(start=SECOND, length=st.integers(0, 40))
def test_periods_are_those_that_have_a_second(tier: Tier, start: int, length: int) -> None:
    end = start + length * tier.seconds

    expected = sorted({tier.period_of(second) for second in (*range(start, end, tier.seconds), max(start, end - 1))})
    assert list(tier.periods(start, end)) == (expected if length else [])
