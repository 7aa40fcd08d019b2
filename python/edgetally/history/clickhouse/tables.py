"""
The tables: what is kept in ClickHouse, and how it is laid out.

`minutes`, `hours` and `days` have a row per name, POP and window; the row for everything has the empty name. Counters
are two lists, the numbers of those that are not 0 and their values: a row has 17 of 500, so a column for each would
make 500 files of every insert, and a new one would change the tables while nodes of two versions write.

A repeat replaces itself: all columns but the counters are the key. What counts is what `marks` says; a mark is inserted
after its rows.
"""

import threading
from hashlib import blake2b
from typing import NamedTuple

from edgetally.errors import Unavailable
from edgetally.history.clickhouse.client import ClickHouse, text
from edgetally.history.tiers import DAY, HOUR, MINUTE, Tier

VERSION = 1
"""The version of the tables below."""

TABLE_OF = {MINUTE: "minutes", HOUR: "hours", DAY: "days"}
"""By the length of windows."""

ROWS = """
    dataset UInt8, service String, name String, time DateTime('UTC'), pop String, journal UInt64, partition UInt16,
    {last}, counters Nested(id UInt16, value UInt64)
) ENGINE = ReplacingMergeTree{version} PARTITION BY toYYYYMM(time)
ORDER BY (dataset, service, name, time, pop, journal, partition{key})
"""

OF_MINUTES = ROWS.format(last="part UInt16", version="", key=", part")
SUMMED = ROWS.format(last="parts UInt32", version="(parts)", key="")

TABLES = {
    "layout": "version UInt32) ENGINE = ReplacingMergeTree ORDER BY version",
    "journals": "journal UInt64, id String, partitions UInt16) ENGINE = ReplacingMergeTree ORDER BY journal",
    "services": "service String, newest DateTime('UTC')) ENGINE = ReplacingMergeTree(newest) ORDER BY service",
    "minutes": OF_MINUTES,
    "hours": SUMMED,
    "days": SUMMED,
    "marks": """
    tier UInt32, journal UInt64, partition UInt16, time DateTime('UTC'), part UInt16, parts UInt32,
    known Nested(first UInt32, behind UInt32), node String
) ENGINE = ReplacingMergeTree(parts) PARTITION BY (tier, toYYYYMM(time))
ORDER BY (tier, journal, partition, time, part)
""",
}
"""
`layout` has the version, `journals` the id of each journal and how many partitions it has, `services` the newest day of
each service.

`part` is the seconds of a minute that a row has, see `part_of`. `marks` has a mark for each of them, and one for each
hour and day that was added up: of how many `parts`, and of which seconds everything is `known`. An hour of which there
are more parts than it was made of is made anew; the new rows have more `parts`, so they replace the old ones.
"""


class JournalKey(NamedTuple):
    """A journal and its partitions, as rows name them."""

    id: str
    partitions: int

    @property
    def number(self) -> int:
        """What rows call it: the same at all nodes."""
        digest = blake2b(f"{self.id} {self.partitions}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little")


def part_of(minute: int, first: int, behind: int) -> int:
    """Return the number of a part of a minute: from second `first` to before `behind`."""
    start, end = max(first - minute, 0), min(behind - minute, MINUTE)
    return start * 64 + end


WHOLE = part_of(0, 0, MINUTE)
"""The part that is a whole minute."""


def span_of(part: int) -> tuple[int, int]:
    """Return the first second of a part, and the one behind the last, counted from its minute."""
    return divmod(part, 64)


def table_of(tier: Tier) -> str:
    """Return the table of a tier."""
    return TABLE_OF[tier.seconds]


class Tables:
    """Makes the tables, once."""

    def __init__(self, server: ClickHouse) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._are_there = False

    def prepare(self) -> None:
        """Create what is not there; raise Unavailable when that is not possible, or another version made it."""
        with self._lock:
            if not self._are_there:
                self._prepare()
                self._are_there = True

    def _prepare(self) -> None:
        server = self._server
        database = text(server.database)
        if not server.ask(f"SELECT 1 FROM system.databases WHERE name = {database}", database=""):
            server.ask(f"CREATE DATABASE IF NOT EXISTS {server.database}", database="")
        found = server.ask(f"SELECT name FROM system.tables WHERE database = {database}").decode().split("\n")
        version = int(server.ask("SELECT max(version) FROM layout") or 0) if "layout" in found else 0
        if version > VERSION:
            raise Unavailable(
                f"the history in ClickHouse is of a newer edgetally: expected version {VERSION}, got {version}; "
                "upgrade this node"
            )
        for name, columns in TABLES.items():
            if name not in found:
                server.ask(f"CREATE TABLE IF NOT EXISTS {name} ({columns}")
        if version < VERSION:
            server.insert("layout", [b'{"version":%d}' % VERSION])
