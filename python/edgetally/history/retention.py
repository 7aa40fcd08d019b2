"""
Retention: what is older than its tier is kept is removed, and so is the oldest when the file grows beyond its limit.

It goes in small steps, each of which is one commit. Pages that get free are used again: the file does not shrink.
"""

import sqlite3

import msgspec

from edgetally.history.chunks import note_gone
from edgetally.history.present import forget_present
from edgetally.history.tiers import DAY, HOURS, TIERS, Tier

STEP_CHUNKS = 2_000
"""Most chunks that one step removes."""

REMOVE = """
DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE tier = ? AND period = ? LIMIT ?)
"""


class KeepLimits(msgspec.Struct, frozen=True):
    """How much is kept."""

    days: dict[str, int]
    """How many days of each tier, by its name."""
    max_bytes: int


def is_kept(limits: KeepLimits, second: int, now: int) -> bool:
    """Whether anything of this second is kept at second `now`: its minute, its hour or its day."""
    return any(
        days > 0 and tier.next_period(tier.period_of(second)) + days * DAY > now
        for tier, days in ((tier, limits.days[tier.name]) for tier in TIERS.values())
    )


def remove_expired(database: sqlite3.Connection, limits: KeepLimits, now: int) -> bool:
    """Remove some of what is too old at second `now`; return whether there was any."""
    for tier in TIERS.values():
        oldest = _oldest(database, tier)
        if oldest is not None and tier.next_period(oldest) + limits.days[tier.name] * DAY <= now:
            _remove(database, tier, oldest)
            return True
    return forget_present(database)


def remove_oldest(database: sqlite3.Connection, limits: KeepLimits) -> bool:
    """Remove some of the oldest minutes, hours or days if all together are too large; return whether they were."""
    if used_bytes(database) <= limits.max_bytes:
        return False
    for tier in TIERS.values():
        oldest = _oldest(database, tier)
        if oldest is not None:
            _remove(database, tier, oldest)
            return True
    return False


def used_bytes(database: sqlite3.Connection) -> int:
    """Return the bytes of all pages in use."""
    pages, free, page = (
        int(database.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * page


def _oldest(database: sqlite3.Connection, tier: Tier) -> int | None:
    """Return the oldest period that may be removed: of hours, one whose days are made."""
    oldest: int | None
    (oldest,) = database.execute("SELECT min(period) FROM chunks WHERE tier = ?", (tier.seconds,)).fetchone()
    if tier is HOURS:
        (open_day,) = database.execute("SELECT min(day) FROM open_days").fetchone()
        if open_day is not None and oldest is not None and oldest >= open_day:
            return None
    return oldest


def _remove(database: sqlite3.Connection, tier: Tier, period: int) -> None:
    database.execute(REMOVE, (tier.seconds, period, STEP_CHUNKS))
    note_gone(database, tier.seconds, tier.next_period(period))
