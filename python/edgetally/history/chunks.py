"""The rows of the file that compaction, retention and readers share: how chunks and minutes are looked up."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from edgetally import _core
from edgetally.history.tiers import TIERS, Tier

DATASETS = ("domains", "origins")
"""What is stored, by number. The channel is the row for everything of the domains."""

EVERYTHING = ""
"""The name of the row for everything."""

Part = tuple[str | None, bytes]
"""A chunk with its name, or a minute without one."""


class Shelfmark(NamedTuple):
    """Where the chunks of a service in a period are."""

    tier: int
    period: int
    service: int
    dataset: int


def stored_dataset(dataset: str) -> int:
    """Return the number of the dataset in which one is stored."""
    return DATASETS.index("domains" if dataset == "channel" else dataset)


def tier_of(seconds: int) -> Tier:
    """Return the tier with windows of this length."""
    return next(tier for tier in TIERS.values() if tier.seconds == seconds)


def chunks_at(database: sqlite3.Connection, at: Shelfmark) -> list[Part]:
    """Return the chunks of all names, sorted by them."""
    query = "SELECT name, rows FROM chunks WHERE tier = ? AND period = ? AND service = ? AND dataset = ? ORDER BY name"
    return database.execute(query, at).fetchall()


def chunk_of(database: sqlite3.Connection, at: Shelfmark, name: str) -> Iterator[Part]:
    """Yield the chunk of a name, if there is one."""
    query = "SELECT name, rows FROM chunks WHERE tier = ? AND period = ? AND service = ? AND dataset = ? AND name = ?"
    yield from database.execute(query, (*at, name))


def has_chunks(database: sqlite3.Connection, at: Shelfmark) -> bool:
    """Whether there are any chunks."""
    query = "SELECT 1 FROM chunks WHERE tier = ? AND period = ? AND service = ? AND dataset = ? LIMIT 1"
    return database.execute(query, at).fetchone() is not None


def add_chunks(database: sqlite3.Connection, at: Shelfmark, parts: Sequence[Part], *, names: int) -> None:
    """Add parts to the chunks that are there; all but `names` names are `_other` then."""
    there = chunks_at(database, at)
    packed = _core.pack([*there, *parts], step=at.tier, names=names)
    if there:
        database.execute("DELETE FROM chunks WHERE tier = ? AND period = ? AND service = ? AND dataset = ?", at)
    insert_chunks(database, at, packed)


def insert_chunks(database: sqlite3.Connection, at: Shelfmark, packed: Iterable[tuple[str, bytes]]) -> None:
    """Write chunks where there are none."""
    insert = "INSERT INTO chunks (tier, period, service, dataset, name, rows) VALUES (?, ?, ?, ?, ?, ?)"
    database.executemany(insert, ((*at, name, rows) for name, rows in packed))


def note_gone(database: sqlite3.Connection, tier: int, before: int) -> None:
    """Note that everything of a tier before this second was removed."""
    note = "INSERT INTO gone VALUES (?, ?) ON CONFLICT (tier) DO UPDATE SET before = max(before, excluded.before)"
    database.execute(note, (tier, before))
