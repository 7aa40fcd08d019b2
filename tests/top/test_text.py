"""Numbers as text, in the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetally.top.text import change, duration, percent, percentile, short, time_of_day


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.001, "<0.01"), (0.4, "0.40"), (1, "1.00"), (6.874, "6.87"), (37.12, "37.1"), (125.4, "125"),
        (999.6, "1.00k"), (1152, "1.15k"), (207e6, "207M"), (4e12, "4.00T"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits_and_a_unit(value: float, text: str) -> None:
    assert short(value) == text


@given(st.floats(0.01, 9e17))
def test_a_short_number_is_nearly_the_number(value: float) -> None:
    text = short(value)
    digits, unit = (text, "") if text[-1].isdecimal() else (text[:-1], text[-1])
    assert float(digits) * 1000 ** ["", "k", "M", "G", "T", "P"].index(unit) == pytest.approx(
        value, rel=0.006, abs=0.006
    )
    assert len(text) <= 5


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_share_is_0_only_if_nothing_is_and_100_only_if_all_is(part: int, more: int) -> None:
    text = percent(part, part + more)
    assert (text == "–") == (part + more == 0)
    assert (text == "0") == (part == 0 < more)
    assert (text == "100") == (more == 0 < part)
    if text[0].isdecimal():
        assert float(text) == pytest.approx(100 * part / (part + more), abs=0.51)


def test_a_change_is_shown_from_10_percent_on() -> None:
    assert [change(now, 100) for now in (95, 109, 78, 116, 900, 0)] == ["", "", "▼22%", "▲16%", "×9.0", "gone"]
    assert [change(5, 0), change(0, 0), change(3000, 1)] == ["new", "", "×3.00k"]


def test_a_percentile_is_the_end_of_its_bucket() -> None:
    buckets = [0, 0, 10, 80, 9, 0, 0, 0, 0, 0, 0, 1]
    assert [percentile(buckets, share) for share in (0.5, 0.95, 0.99, 1)] == ["≤50ms", "≤100ms", "≤100ms", ">60s"]
    assert percentile([0] * 12, 0.5) == "–"


def test_times() -> None:
    assert [duration(one) for one in (0, 41, 60, 130, 11_100)] == ["0 s", "41 s", "1 min", "2 min 10 s", "3 h 5 min"]
    assert time_of_day(1_795_322_466) == "04:41:06"
