"""What leaves the history: by age of each tier, and by the size of all."""

import sqlite3
from contextlib import closing
from pathlib import Path

from edgetally.history.tiers import DAY, DAYS, HOUR, HOURS, MINUTES, Tier
from tests.support.history import MIDNIGHT, Keeping, keeping, sealed_seconds


def fill(kept: Keeping, days: int, *, names: int = 1) -> None:
    """Record a request of each name in the first second of each of some days."""
    for day in range(days):
        at = MIDNIGHT + day * DAY
        kept.seal_each(
            sealed_seconds(
                {"ts": at, "service_id": "svc", "pop": "AMS", "domain": f"{name}.example", "status": 200}
                for name in range(names)
            ),
            until=at + HOUR,
        )
    kept.settle()


def expire(kept: Keeping, now: int) -> None:
    while kept.file.maintain(now):
        pass


def days_with_requests(kept: Keeping, tier: Tier) -> list[int]:
    found = kept.ask(tier=tier, metrics=("requests",))
    return sorted({(at - MIDNIGHT) // DAY for values in found.values() for at in values})


def test_each_tier_is_kept_for_its_days(tmp_path: Path) -> None:
    with keeping(tmp_path, minute_days=1, hour_days=3, day_days=3_650) as kept:
        fill(kept, 5)
        expire(kept, MIDNIGHT + 5 * DAY)
        assert days_with_requests(kept, MINUTES) == [4]
        assert days_with_requests(kept, HOURS) == [2, 3, 4]
        assert days_with_requests(kept, DAYS) == [0, 1, 2, 3, 4]


def test_what_is_not_kept_any_more_is_a_hole(tmp_path: Path) -> None:
    with keeping(tmp_path, minute_days=1) as kept:
        fill(kept, 3)
        expire(kept, MIDNIGHT + 3 * DAY)
        first, last = kept.holes(MIDNIGHT, MIDNIGHT + HOUR)[0]
        assert first <= MIDNIGHT
        assert last >= MIDNIGHT + HOUR
        assert kept.holes(MIDNIGHT, MIDNIGHT + 60, tier="day") == []


def test_a_tier_of_no_days_is_off(tmp_path: Path) -> None:
    with keeping(tmp_path, minute_days=0) as kept:
        fill(kept, 2)
        expire(kept, MIDNIGHT + 2 * DAY)
        assert days_with_requests(kept, MINUTES) == []
        assert days_with_requests(kept, HOURS) == [0, 1]


def test_the_oldest_minutes_go_first_when_the_file_is_too_large(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept:
        fill(kept, 6, names=400)
        size = kept.file.size
        everything = days_with_requests(kept, MINUTES)
    assert everything == [0, 1, 2, 3, 4, 5]

    with keeping(tmp_path, max_bytes=size - 20_000) as kept:
        expire(kept, MIDNIGHT + 6 * DAY)
        left = days_with_requests(kept, MINUTES)
        assert left == list(range(6 - len(left), 6))
        assert 0 < len(left) < 6
        assert days_with_requests(kept, HOURS) == days_with_requests(kept, DAYS) == everything


def test_which_minutes_were_there_is_forgotten_with_the_last_tier(tmp_path: Path) -> None:
    with keeping(tmp_path, minute_days=1, hour_days=3, day_days=40) as kept:
        fill(kept, 3)
        expire(kept, MIDNIGHT + 35 * DAY)
        count = "SELECT count(*) FROM present"
        with closing(sqlite3.connect(kept.file.path)) as database:
            assert database.execute(count).fetchone() == (3,)
            expire(kept, MIDNIGHT + 80 * DAY)
            assert database.execute(count).fetchone() == (0,)
