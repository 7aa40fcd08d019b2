"""What of the journal a restart needs."""

from edgetally.journal.retention import FEWEST, Horizon, Step

PLENTY = 1 << 30


def test_what_adds_to_a_second_that_is_shown_is_needed() -> None:
    horizon = Horizon(keep=10, most=PLENTY)
    horizon.partial(100)
    assert horizon.seal(2, second=1, reach=4, crowded=False) is None
    for second in range(2, 14):
        assert horizon.seal(second + 1, second=second, reach=second + 3, crowded=False) is None
    # Second 4 leaves the shelf now, and nothing before the first seal adds to another.
    assert horizon.seal(15, second=14, reach=17, crowded=False) == Step(1, 4, 100)
    assert horizon.size == 0


def test_without_records_from_ahead_no_more_than_the_shelf_is_needed() -> None:
    horizon = Horizon(keep=10, most=PLENTY)
    found = [horizon.seal(second, second=second, reach=second, crowded=False) for second in range(1, 16)]

    assert found == [None] * 10 + [Step(second - 1, second, 0) for second in range(1, 6)]


def test_beyond_its_size_the_oldest_seconds_are_given_up() -> None:
    horizon = Horizon(keep=300, most=1500)
    found = []
    for second in range(1, 21):
        horizon.partial(100)
        found.append(horizon.seal(second * 2, second=second, reach=second + 1, crowded=False))

    # After the 16th there are 1600 bytes.
    assert found == [None] * 15 + [Step(second * 2 - 1, second + 1, second * 100) for second in range(1, 6)]
    assert horizon.size == 1500


def test_the_last_seconds_are_kept_however_little_room_there_is() -> None:
    for horizon, crowded in ((Horizon(keep=300, most=0), False), (Horizon(keep=300, most=PLENTY), True)):
        for second in range(1, 31):
            horizon.partial(100)
            step = horizon.seal(second * 2, second=second, reach=second + 3, crowded=crowded)
        needed = FEWEST + 3
        assert step == Step(2 * (30 - needed) - 1, 30 - FEWEST, 100 * (30 - needed))
        assert horizon.size == 100 * needed


def test_what_adds_to_an_open_second_is_never_given_up() -> None:
    horizon = Horizon(keep=0, most=0)
    horizon.partial(100)
    assert horizon.seal(2, second=1, reach=3, crowded=True) is None
    assert horizon.seal(3, second=2, reach=3, crowded=True) is None
    assert horizon.seal(4, second=3, reach=3, crowded=True) == Step(3, 3, 100)
