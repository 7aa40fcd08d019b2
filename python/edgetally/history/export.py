"""Export: the rows of a dataset as newline-delimited JSON, for anything that reads tables."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from edgetally import _core
from edgetally.history.chunks import EVERYTHING, Part, Shelfmark, chunk_of, chunks_at, stored_dataset
from edgetally.history.sqlite_file import explained, open_unknown
from edgetally.history.tiers import DAYS, HOURS, MINUTE, Tier

ALL_NAMES = 1 << 32
"""More names than there are: nothing is added under `_other`."""


def exported(path: Path, dataset: str, tier: Tier, start: int, end: int, services: Sequence[str]) -> Iterator[bytes]:
    """
    Yield lines: a row per name, POP and window that begins from `start` to before `end`.

    They are sorted by period, service, name, POP and window. No `services`: all of them. What is written while this
    reads is not seen. Raises ConfigError when the file cannot be used, Unavailable if not now.
    """
    with closing(open_unknown(path)) as database, explained(path, writes=False):
        database.execute("BEGIN")
        of = _services(database, services)
        for period in _periods(database, tier, start, end):
            for service_id, service in of:
                parts = _parts(
                    database, Shelfmark(tier.seconds, period, service, stored_dataset(dataset)), tier, dataset
                )
                yield _core.history_lines(
                    _chosen(_core.pack(parts, step=tier.seconds, names=ALL_NAMES), dataset),
                    dataset=dataset,
                    service_id=service_id,
                    start=start,
                    end=end,
                )


def _services(database: sqlite3.Connection, services: Sequence[str]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = database.execute(
        "SELECT service_id, id FROM services ORDER BY service_id"
    ).fetchall()
    return [one for one in found if not services or one[0] in services]


def _periods(database: sqlite3.Connection, tier: Tier, start: int, end: int) -> Iterator[int]:
    """Yield the periods in which something may be."""
    first, last = database.execute(
        "SELECT min(first), max(last) FROM (SELECT min(period) AS first, max(period) AS last FROM chunks "
        "UNION ALL SELECT min(minute), max(minute) FROM minutes)"
    ).fetchone()
    if first is not None:
        yield from tier.periods(max(start, first), min(end, last + DAYS.seconds))


def _parts(database: sqlite3.Connection, at: Shelfmark, tier: Tier, dataset: str) -> list[Part]:
    """Return all that there is of a period, also what is not compacted yet."""
    parts: list[Part] = []
    for one in (at, *_open_days(database, at, tier)):
        parts += chunk_of(database, one, EVERYTHING) if dataset == "channel" else chunks_at(database, one)
    behind = tier.next_period(at.period)
    first, last = database.execute("SELECT min(minute), max(minute) FROM minutes").fetchone()
    if first is not None:
        query = "SELECT NULL, rows FROM minutes WHERE minute = ? AND service = ? AND dataset = ?"
        for minute in range(max(at.period, first), min(behind, last + 1), MINUTE):
            parts += database.execute(query, (minute, at.service, at.dataset))
    return parts


def _open_days(database: sqlite3.Connection, at: Shelfmark, tier: Tier) -> Iterator[Shelfmark]:
    """Yield where the hours are of days that are not added to their month yet."""
    if tier is DAYS:
        query = "SELECT day FROM open_days WHERE service = ? AND dataset = ? AND day >= ? AND day < ?"
        behind = tier.next_period(at.period)
        for (day,) in database.execute(query, (at.service, at.dataset, at.period, behind)).fetchall():
            yield Shelfmark(HOURS.seconds, day, at.service, at.dataset)


def _chosen(parts: list[tuple[str, bytes]], dataset: str) -> Sequence[Part]:
    """Return the parts that are shown: the row for everything is the channel."""
    return [(name, rows) for name, rows in parts if (name == EVERYTHING) == (dataset == "channel")]
