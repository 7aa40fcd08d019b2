"""
Compaction: the minutes of an hour become chunks by name, an hour becomes part of its day, and a day of its month.

```text
60 minutes ──▶ an hour of minutes, by name          hours of a day ──▶ a month of days, by name
           └─▶ a day of hours, by name   (added)                      (added when the day is over)
```

Everything is addition, so minutes that come later, from a journal that began anew or from an import, are added to what
is there. Each step is one commit: a process that is killed finds the state before or after it.
"""

import sqlite3

import msgspec

from edgetally import _core
from edgetally.history.chunks import Part, Shelfmark, add_chunks, chunks_at, has_chunks, insert_chunks, note_gone
from edgetally.history.present import note_present
from edgetally.history.tiers import DAY, DAYS, HOUR, HOURS, MINUTE, MINUTES, day_of, hour_of

STEP_BYTES = 16 << 20
"""A step ends when it has read about so much. It bounds the write-ahead log."""

MINUTES_OF = """
SELECT NULL, rows FROM minutes WHERE minute IN (SELECT value FROM json_each(?)) AND service = ? AND dataset = ?
"""
WHICH_MINUTES = """
SELECT minute FROM minutes WHERE minute IN (SELECT value FROM json_each(?)) AND service = ? AND dataset = ?
"""
REMOVE_MINUTES = "DELETE FROM minutes WHERE minute IN (SELECT value FROM json_each(?)) AND service = ? AND dataset = ?"


class Kept(msgspec.Struct, frozen=True):
    """Which tiers are kept, and how many names."""

    minutes: bool
    hours: bool
    days: bool
    names: int


def compact(database: sqlite3.Connection, kept: Kept, now: int) -> bool:
    """
    Take the next step, for an hour or a day that is over at second `now`; return whether there was one.

    The caller begins the transaction, and commits it.
    """
    size = 0
    while size < STEP_BYTES and (moved := _compact_hour(database, kept, now)):
        size += moved
    if size:
        return True
    return _compact_day(database, kept, now)


def _compact_hour(database: sqlite3.Connection, kept: Kept, now: int) -> int:
    """Compact the oldest hour of a service and dataset, if it is over; return the bytes of its minutes."""
    oldest = database.execute("SELECT minute, service, dataset FROM minutes ORDER BY minute LIMIT 1").fetchone()
    if not oldest or hour_of(oldest[0]) + HOUR > now:
        return 0
    minute, service, dataset = oldest
    hour = hour_of(minute)
    minutes = str([*range(hour, hour + HOUR, MINUTE)])
    parts: list[Part] = database.execute(MINUTES_OF, (minutes, service, dataset)).fetchall()
    of_them = database.execute(WHICH_MINUTES, (minutes, service, dataset)).fetchall()
    note_present(database, service, [one for (one,) in of_them])
    of_hour = _add_minutes(database, kept, Shelfmark(MINUTE, hour, service, dataset), parts)
    if kept.hours or kept.days:
        _add_hour(database, kept, Shelfmark(HOUR, day_of(hour), service, dataset), of_hour)
    database.execute(REMOVE_MINUTES, (minutes, service, dataset))
    return sum(len(rows) for _, rows in parts)


def _add_minutes(database: sqlite3.Connection, kept: Kept, at: Shelfmark, parts: list[Part]) -> list[Part]:
    """Add minutes to the chunks of their hour, and return them added up."""
    if not kept.minutes:
        note_gone(database, MINUTE, MINUTES.next_period(at.period))
    elif has_chunks(database, at):
        add_chunks(database, at, parts, names=kept.names)
    else:
        # As always, but for a journal that began anew, or an import.
        by_minute, of_hour = _core.pack_twice(parts, steps=(MINUTE, HOUR), names=kept.names)
        insert_chunks(database, at, by_minute)
        return [*of_hour]
    return [*_core.pack(parts, step=HOUR, names=kept.names)]


def _add_hour(database: sqlite3.Connection, kept: Kept, at: Shelfmark, of_hour: list[Part]) -> None:
    """Add an hour to its day and, if that was added to its month already, to the month."""
    _, day, service, dataset = at
    open_day = (service, dataset, day)
    is_open = database.execute("SELECT 1 FROM open_days WHERE service = ? AND dataset = ? AND day = ?", open_day)
    if kept.days and not is_open.fetchone():
        if has_chunks(database, at):
            _add_to_month(database, kept, at, of_hour)
        else:
            database.execute("INSERT INTO open_days VALUES (?, ?, ?)", open_day)
    add_chunks(database, at, of_hour, names=kept.names)


def _compact_day(database: sqlite3.Connection, kept: Kept, now: int) -> bool:
    """Add a day that is over to its month; return whether there was one."""
    query = "SELECT service, dataset, day FROM open_days WHERE day <= ? ORDER BY day LIMIT 1"
    found = database.execute(query, (now - DAY,)).fetchone()
    if not found:
        return False
    service, dataset, day = found
    at = Shelfmark(HOUR, day, service, dataset)
    _add_to_month(database, kept, at, chunks_at(database, at))
    database.execute("DELETE FROM open_days WHERE service = ? AND dataset = ? AND day = ?", found)
    if not kept.hours:
        database.execute("DELETE FROM chunks WHERE tier = ? AND period = ? AND service = ? AND dataset = ?", at)
        note_gone(database, HOUR, HOURS.next_period(day))
    return True


def _add_to_month(database: sqlite3.Connection, kept: Kept, at: Shelfmark, parts: list[Part]) -> None:
    month = DAYS.period_of(at.period)
    add_chunks(database, Shelfmark(DAY, month, at.service, at.dataset), parts, names=kept.names)
