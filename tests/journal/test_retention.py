"""Retention: which facts of the journal a restart still needs."""

from edgetally.journal.retention import MIN_SECONDS, LowWaterMark, Retention

PLENTY = 1 << 30


def test_a_partial_is_needed_as_long_as_a_second_that_it_adds_to_is_shown() -> None:
    retention = Retention(keep=10, max_bytes=PLENTY)
    retention.partial(100)
    assert retention.seal(2, second=1, reach=4, is_nearly_full=False) is None
    for second in range(2, 14):
        assert retention.seal(second + 1, second=second, reach=second + 3, is_nearly_full=False) is None
    # Second 4 is evicted from the shelf now, and no fact before the first seal adds to another second.
    assert retention.seal(15, second=14, reach=17, is_nearly_full=False) == LowWaterMark(1, 4, 100)
    assert retention.size == 0


def test_without_records_ahead_of_the_clock_only_the_seconds_of_the_shelf_are_needed() -> None:
    retention = Retention(keep=10, max_bytes=PLENTY)
    found = [retention.seal(second, second=second, reach=second, is_nearly_full=False) for second in range(1, 16)]

    assert found == [None] * 10 + [LowWaterMark(second - 1, second, 0) for second in range(1, 6)]


def test_beyond_max_bytes_the_oldest_seconds_are_removed() -> None:
    retention = Retention(keep=300, max_bytes=1500)
    found = []
    for second in range(1, 21):
        retention.partial(100)
        found.append(retention.seal(second * 2, second=second, reach=second + 1, is_nearly_full=False))

    # After the 16th there are 1600 bytes.
    assert found == [None] * 15 + [LowWaterMark(second * 2 - 1, second + 1, second * 100) for second in range(1, 6)]
    assert retention.size == 1500


def test_the_last_seconds_are_always_kept() -> None:
    for retention, is_nearly_full in (
        (Retention(keep=300, max_bytes=0), False),
        (Retention(keep=300, max_bytes=PLENTY), True),
    ):
        for second in range(1, 31):
            retention.partial(100)
            found = retention.seal(second * 2, second=second, reach=second + 3, is_nearly_full=is_nearly_full)
        needed = MIN_SECONDS + 3
        assert found == LowWaterMark(2 * (30 - needed) - 1, 30 - MIN_SECONDS, 100 * (30 - needed))
        assert retention.size == 100 * needed


def test_a_partial_that_adds_to_an_open_second_is_never_removed() -> None:
    retention = Retention(keep=0, max_bytes=0)
    retention.partial(100)
    assert retention.seal(2, second=1, reach=3, is_nearly_full=True) is None
    assert retention.seal(3, second=2, reach=3, is_nearly_full=True) is None
    assert retention.seal(4, second=3, reach=3, is_nearly_full=True) == LowWaterMark(3, 3, 100)


def test_what_is_not_in_the_history_is_needed() -> None:
    recorded = 0
    retention = Retention(keep=10, max_bytes=1500, needed_from=lambda: recorded)
    found = []
    for second in range(1, 18):
        retention.partial(100)
        recorded = 5 if second >= 14 else 0
        found.append(retention.seal(second, second=second, reach=second, is_nearly_full=False))

    # Up to the 13th nothing is recorded, then the first four seconds; from the 16th on there are more than 1500 bytes.
    assert found[:13] == [None] * 13
    assert found[13:] == [LowWaterMark(3, 4, 400), None, None, None]
    retention.partial(2000)
    assert retention.seal(18, second=18, reach=18, is_nearly_full=False) == LowWaterMark(7, 8, 800)
