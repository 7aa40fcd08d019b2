"""What of the journal a restart needs."""

from edgetally.horizon import Horizon, Step


def test_what_adds_to_a_second_that_is_shown_is_needed() -> None:
    horizon = Horizon(keep=10, most=1 << 30)
    horizon.partial(100)
    assert horizon.seal(2, second=1, reach=4, crowded=False) is None
    for second in range(2, 14):
        assert horizon.seal(second + 1, second=second, reach=second + 3, crowded=False) is None
    # Second 4 leaves the shelf now, and nothing before the first seal adds to another.
    assert horizon.seal(15, second=14, reach=17, crowded=False) == Step(1, 4, 100)
    assert horizon.size == 0


def test_without_far_ahead_records_no_more_than_the_shelf_is_needed() -> None:
    horizon = Horizon(keep=10, most=1 << 30)
    found = [horizon.seal(second, second=second, reach=second, crowded=False) for second in range(1, 16)]

    assert found == [None] * 10 + [Step(second - 1, second, 0) for second in range(1, 6)]


def test_beyond_its_size_sealed_seconds_are_given_up_the_oldest_first() -> None:
    horizon = Horizon(keep=300, most=250)
    found = []
    for second in range(1, 6):
        horizon.partial(100)
        found.append(horizon.seal(second * 2, second=second, reach=second + 1, crowded=False))

    assert found == [None, None, Step(1, 2, 100), Step(3, 3, 200), Step(5, 4, 300)]
    assert horizon.size == 200


def test_what_adds_to_an_open_second_is_never_given_up() -> None:
    horizon = Horizon(keep=300, most=0)
    horizon.partial(100)
    assert [horizon.seal(2, second=1, reach=3, crowded=True), horizon.seal(3, second=2, reach=3, crowded=True)] == [
        None,
        None,
    ]
    assert horizon.seal(4, second=3, reach=3, crowded=True) == Step(3, 3, 100)


def test_when_it_is_crowded_only_open_seconds_are_needed() -> None:
    horizon = Horizon(keep=300, most=1 << 30)
    for second in range(1, 6):
        horizon.partial(100)
        horizon.seal(second * 2, second=second, reach=second + 1, crowded=False)

    horizon.partial(100)
    assert horizon.seal(12, second=6, reach=7, crowded=True) == Step(9, 6, 500)
