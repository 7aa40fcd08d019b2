"""Marks: which minutes, hours and days are in ClickHouse, and of which seconds everything is known."""

import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import msgspec

from edgetally.history.base import RecordedBatch
from edgetally.history.clickhouse.client import ClickHouse
from edgetally.history.clickhouse.tables import WHOLE, part_of, span_of
from edgetally.history.holes import Span
from edgetally.history.tiers import DAY, HOUR, MINUTE, MINUTES

MAX_PARTS = 12
"""Parts of a minute of which the best are looked for. There are two if a node was stopped in it."""


class PartitionAt(NamedTuple):
    """A window of a partition of a journal."""

    journal: int
    partition: int
    time: int


class MinuteMark(NamedTuple):
    """What one batch adds: a part of a minute of one partition."""

    minute: int
    part: int
    known: Sequence[Span]

    @classmethod
    def of(cls, batch: RecordedBatch) -> "MinuteMark":
        """Return the mark of a batch, all of whose rows are of one minute."""
        minute = batch.minutes[0].minute if batch.minutes else MINUTES.window_of(batch.until - 1)
        known = ((max(first, minute), min(behind, minute + MINUTE)) for first, behind in batch.known)
        part = part_of(minute, batch.first, batch.until)
        return cls(minute, part, [(first, behind) for first, behind in known if first < behind])


def mark_row(tier: int, at: PartitionAt, *, part: int, parts: int, known: Iterable[Span], node: str) -> bytes:
    """Return the row of a mark."""
    spans = [*known]
    row = {
        "tier": tier,
        "journal": at.journal,
        "partition": at.partition,
        "time": at.time,
        "part": part,
        "parts": parts,
        "known.first": [first for first, _ in spans],
        "known.behind": [behind for _, behind in spans],
        "node": node,
    }
    return msgspec.json.encode(row) + b"\n"


def best_of(parts: Sequence[int]) -> frozenset[int]:
    """
    Return the parts of a minute that count: those that have the most of its seconds, and none twice.

    Nodes that read a minute from different seconds on make parts that overlap. Of the same second, all say the same.
    """
    if WHOLE in parts:
        return frozenset([WHOLE])
    best: tuple[int, ...] = ()
    seconds = 0
    some = sorted(set(parts), key=_length, reverse=True)[:MAX_PARTS]
    for count in range(1, len(some) + 1):
        for chosen in combinations(some, count):
            length = sum(map(_length, chosen))
            if length > seconds and _are_apart(chosen):
                best, seconds = chosen, length
    return frozenset(best)


def _length(part: int) -> int:
    first, behind = span_of(part)
    return behind - first


def _are_apart(parts: Iterable[int]) -> bool:
    spans = sorted(map(span_of, parts))
    return all(one[1] <= other[0] for one, other in pairwise(spans))


class Marks:
    """Asks for marks. Times are from `start` to before `end`; `of` are the partitions that count, as a condition."""

    def __init__(self, server: ClickHouse) -> None:
        self._server = server

    def parts_of(self, windows: Iterable[PartitionAt]) -> Mapping[PartitionAt, set[int]]:
        """Return the parts of some minutes that are there."""
        found: dict[PartitionAt, set[int]] = defaultdict(set)
        if those := sorted(windows):
            start, end = min(one.time for one in those), max(one.time for one in those) + MINUTE
            where = f"tier = {MINUTE} AND {between(start, end)} AND {windows_in(those)}"
            query = f"SELECT journal, partition, toUInt32(time), part FROM marks WHERE {where} FORMAT RowBinary"
            for *at, part in struct.iter_unpack("<QHIH", self._server.ask(query)):
                found[PartitionAt(*at)].add(part)
        return found

    def split(self, of: str, start: int, end: int) -> Mapping[PartitionAt, set[int]]:
        """Return the minutes that have parts, or one that is not the whole minute, and which."""
        query = (
            f"SELECT journal, partition, toUInt32(time) AS at, groupUniqArray(part) AS found FROM marks "
            f"WHERE tier = {MINUTE} AND {of} AND {between(start, end)} GROUP BY journal, partition, at "
            f"HAVING found != [{WHOLE}] FORMAT JSONEachRow"
        )
        found = {}
        for line in self._server.ask(query).splitlines():
            row = msgspec.json.decode(line)
            found[PartitionAt(int(row["journal"]), row["partition"], row["at"])] = set(row["found"])
        return found

    def unmade(self, of: str, start: int, end: int, tier: int) -> Mapping[PartitionAt, tuple[int, int]]:
        """Return the hours, or days, of which there are more parts than they were made of, and both numbers."""
        finer, parts = (MINUTE, "1") if tier == HOUR else (HOUR, "parts")
        query = (
            f"SELECT journal, partition, toUInt32({window(tier)}) AS at, "
            f"toUInt32(sum(if(tier = {finer}, {parts}, 0))) AS there, "
            f"toUInt32(max(if(tier = {tier}, parts, 0))) AS made FROM marks FINAL "
            f"WHERE tier IN ({finer}, {tier}) AND {of} AND {between(start, end)} "
            "GROUP BY journal, partition, at HAVING there > made ORDER BY at, journal, partition FORMAT RowBinary"
        )
        found = struct.iter_unpack("<QHIII", self._server.ask(query))
        return {PartitionAt(*at): (there, made) for *at, there, made in found}

    def known(self, of: str, start: int, end: int, tiers: Mapping[int, str]) -> Iterator[tuple[int, int, Span]]:
        """Yield journal, partition and span of what is known; `tiers` has a condition for the marks of each tier."""
        those = " OR ".join(f"(tier = {tier} AND {condition})" for tier, condition in tiers.items())
        query = (
            "SELECT journal, partition, first, behind FROM marks FINAL "
            "ARRAY JOIN known.first AS first, known.behind AS behind "
            f"WHERE ({those}) AND {of} AND {between(start, end)} FORMAT RowBinary"
        )
        for journal, partition, first, behind in struct.iter_unpack("<QHII", self._server.ask(query)):
            yield journal, partition, (first, behind)

    def newest(self, of: str, start: int) -> Counter[tuple[int, int]]:
        """Return behind which second nothing is known of each journal and partition, if anything is since `start`."""
        query = (
            "SELECT journal, partition, max(known.behind[-1]) FROM marks "
            f"WHERE {of} AND {between(start, 1 << 32)} GROUP BY journal, partition FORMAT RowBinary"
        )
        found = struct.iter_unpack("<QHI", self._server.ask(query))
        return Counter({(journal, partition): behind for journal, partition, behind in found})

    def range(self, of: str, start: int, end: int) -> Span | None:
        """Return the first second that any mark is of, and the one behind the last; None if there are no marks."""
        query = (
            "SELECT count(), min(toUInt32(time)), max(toUInt32(time) + tier) FROM marks "
            f"WHERE {of} AND {between(start, end)}"
        )
        count, first, behind = map(int, self._server.ask(query).split())
        return (first, behind) if count else None


def between(start: int, end: int) -> str:
    """Return the condition for windows from `start` to before `end`."""
    start, end = (min(max(second, 0), (1 << 32) - 1) for second in (start, end))
    return f"time >= toDateTime({start}, 'UTC') AND time < toDateTime({end}, 'UTC')"


def windows_in(windows: Iterable[PartitionAt], length: int = MINUTE) -> str:
    """Return the condition for rows that are in one of these windows of a partition."""
    listed = ", ".join(f"({one.journal}, {one.partition}, {one.time})" for one in windows)
    return f"(journal, partition, {window(length)}) IN ({listed})" if listed else "0"


def window(length: int) -> str:
    """Return the expression for the first second of the window of a row."""
    return "toUInt32(time)" if length == MINUTE else f"toUInt32(intDiv(toUInt32(time), {length}) * {length})"


def left_out(split: Mapping[PartitionAt, set[int]]) -> list[str]:
    """Return the condition that leaves out parts that do not count, if there are any."""
    listed = ", ".join(
        f"({at.journal}, {at.partition}, {at.time}, {part})"
        for at, parts in split.items()
        for part in sorted(parts - best_of([*parts]))
    )
    return [f"(journal, partition, toUInt32(time), part) NOT IN ({listed})"] if listed else []


def day_window(at: PartitionAt) -> PartitionAt:
    """Return the day of a window."""
    return at._replace(time=at.time - at.time % DAY)
