"""Holes: exactly the seconds that no span has."""

from hypothesis import given
from hypothesis import strategies as st

from edgetally.history.holes import holes

SECOND = st.integers(0, 40)
SPANS = st.lists(st.tuples(SECOND, SECOND))


@given(known=SPANS, start=SECOND, end=SECOND)
def test_a_hole_is_what_no_span_has(known: list[tuple[int, int]], start: int, end: int) -> None:
    found = holes(known, start, end)

    missing = [second for first, behind in found for second in range(first, behind)]
    assert missing == [
        second for second in range(start, end) if not any(first <= second < behind for first, behind in known)
    ]
    assert all(first < behind for first, behind in found)
