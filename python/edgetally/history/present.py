"""
Which minutes of a service are in the history: a bit for each, by day, compressed.

Hours and days cannot tell. So an import adds those minutes to them that are missing, and no others. A minute is noted
when it is compacted or imported, and forgotten with the last tier that has its day.
"""

import sqlite3
import zlib
from collections.abc import Sequence

from edgetally.history.tiers import DAY, MINUTE, day_of

TABLE = """
CREATE TABLE IF NOT EXISTS present (day INTEGER, service INTEGER, minutes BLOB NOT NULL,
    PRIMARY KEY (day, service)) STRICT, WITHOUT ROWID
"""

STEP_DAYS = 2_000
"""Most rows that one step removes."""

OLDEST = """
SELECT min(coalesce((SELECT min(minute) FROM minutes), ?1),
    coalesce((SELECT min(period) FROM chunks WHERE tier = 60), ?1),
    coalesce((SELECT min(period) FROM chunks WHERE tier = 3600), ?1),
    coalesce((SELECT min(period) FROM chunks WHERE tier = 86400), ?1))
"""
FORGET = """
DELETE FROM present WHERE (day, service) IN (SELECT day, service FROM present WHERE day < ? ORDER BY day LIMIT ?)
"""
LATEST = 1 << 62


def is_noted(database: sqlite3.Connection, service: int, minute: int) -> bool:
    """Whether a minute was noted."""
    day = day_of(minute)
    return bool(_bits(database, service, day) >> (minute - day) // MINUTE & 1)


def note_present(database: sqlite3.Connection, service: int, minutes: Sequence[int]) -> None:
    """Note that these minutes, at least one and all of one day, are there."""
    day = day_of(minutes[0])
    before = bits = _bits(database, service, day)
    for minute in minutes:
        bits |= 1 << (minute - day) // MINUTE
    if bits != before:
        blob = zlib.compress(bits.to_bytes(DAY // MINUTE // 8, "little"))
        database.execute("REPLACE INTO present VALUES (?, ?, ?)", (day, service, blob))


def forget_present(database: sqlite3.Connection) -> bool:
    """Forget some of the days of which no tier has anything any more; return whether there were any."""
    (oldest,) = database.execute(OLDEST, (LATEST,)).fetchone()
    return database.execute(FORGET, (day_of(oldest), STEP_DAYS)).rowcount > 0


def _bits(database: sqlite3.Connection, service: int, day: int) -> int:
    row = database.execute("SELECT minutes FROM present WHERE day = ? AND service = ?", (day, service)).fetchone()
    return int.from_bytes(zlib.decompress(row[0]), "little") if row else 0
