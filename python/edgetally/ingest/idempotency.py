"""
Idempotent pushes: a push with an `Idempotency-Key` counts once, however often it is sent.

Its idempotency record is durable together with its rows. So after an unclear outcome (no answer, a lost connection, a
restart of the server) the sender sends it again, and gets the report of the first time.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Self

import msgspec

from edgetally.clock import Clock
from edgetally.errors import KeyReused
from edgetally.journal.base import Checkpoints
from edgetally.model import Rejection, Report
from edgetally.telemetry import metrics
from edgetally.telemetry.prometheus import Family

KEEP_SECONDS = 600
"""How long a key is remembered."""

PREFIX = "idempotency:"
"""Of the names of idempotency records, among the checkpoints of a journal."""

OLD_PREFIX = "push:"
"""Of those that hold an HTTP answer instead of a report. They are read, not written."""


class IdempotencyKey(msgspec.Struct, frozen=True):
    """The key of a push."""

    name: str
    """The same for all pushes with this key that the same sender sends to the same path."""
    content: int
    """A checksum of what the push contains."""

    @property
    def push_id(self) -> bytes:
        """
        16 bytes that are the same at every node for the same push, and only for it.

        Name and content have all that its sender says. Defaults of a node are not in it: each has a POP of its own.
        """
        text = msgspec.json.encode((self.name, self.content))
        return hashlib.blake2b(text, digest_size=16).digest()


class IdempotencyRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored of a push: its report, without samples, because there may be many records."""

    until: int
    """The second from which on its key may be used for another push."""
    content: int
    accepted: int
    rejected: dict[str, int] = {}
    """Lines by reason."""
    rejections: list[tuple[int, str, int]] = []
    """The first rejected lines: number, reason, and the byte at which reading stopped."""

    @classmethod
    def of(cls, report: Report, content: int, until: int) -> Self:
        """Make the record of a push that is about to be committed."""
        rejections = [(line.line, line.reason, line.at) for line in report.rejections]
        return cls(until, content, report.accepted, dict(report.rejected), rejections)

    def report(self) -> Report:
        """Return the report."""
        rejections = []
        for line, reason, at in self.rejections:
            with suppress(KeyError):  # another version had other reasons
                rejections.append(Rejection(line=line, reason=reason, at=at, sample=b""))
        return Report(self.accepted, Counter(self.rejected), rejections, Counter())


class IdempotencyKeys:
    """Remembers the pushes of the last ten minutes by their key, at most `limit` of them."""

    def __init__(self, checkpoints: Mapping[str, str], clock: Clock, *, limit: int) -> None:
        self.repeated = 0
        """Pushes that were sent again, and not counted again."""
        self.evicted = 0
        """Keys that were dropped early because there were too many."""
        self._checkpoints = checkpoints
        self._clock = clock
        self._limit = limit
        self._pending: dict[str, asyncio.Future[Report]] = {}
        """Pushes that are on their way into the journal, by the name of their record."""
        records = [(name, decode(text).until) for name, text in checkpoints.items() if is_record(name)]
        self._expiry = dict(sorted(records, key=lambda record: record[1]))
        """The second from which on a record is not needed, by its name; the first to expire comes first."""

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"api.idempotency_keys": self.evicted}

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.PUSHES_REPEATED.sample(self.repeated)

    async def find(self, key: IdempotencyKey) -> Report | None:
        """
        Return the report of an earlier push with this key; None if there was none.

        Waits for one that is on its way. Raises KeyReused if the content of the earlier one was different.
        """
        while pending := self._pending.get(PREFIX + key.name):
            await asyncio.wait([pending])
        record = self._record(PREFIX + key.name) or self._record(OLD_PREFIX + key.name)
        if record is None:
            return None
        if record.content != key.content:
            raise KeyReused("this Idempotency-Key was used for other records: use a new key for every push")
        self.repeated += 1
        return record.report()

    def pending(self, key: IdempotencyKey) -> asyncio.Future[Report] | None:
        """Return what is set when a push with this key that is on its way is committed, or has failed."""
        return self._pending.get(PREFIX + key.name)

    def start(self, key: IdempotencyKey, done: asyncio.Future[Report]) -> None:
        """Take note of a push that `find` has not found. `done` is set when it is committed, or has failed."""
        name = PREFIX + key.name
        self._pending[name] = done
        done.add_done_callback(lambda _: self._pending.pop(name))

    def checkpoints(self, reports: Sequence[tuple[IdempotencyKey, Report]]) -> Checkpoints:
        """Return what is to be committed with these pushes: their records, and the removal of expired ones."""
        if not reports:
            return {}
        until = int(self._clock.now()) + KEEP_SECONDS
        return {
            **dict.fromkeys(self._expired(len(reports))),
            **{PREFIX + key.name: encode(IdempotencyRecord.of(report, key.content, until)) for key, report in reports},
        }

    def note_committed(self, checkpoints: Checkpoints) -> None:
        """Take note that what `checkpoints` returned is durable."""
        now = self._clock.now()
        for name, text in checkpoints.items():
            until = self._expiry.pop(name, 0)
            if text is None:
                self.evicted += until > now
            else:
                self._expiry[name] = decode(text).until

    def _record(self, name: str) -> IdempotencyRecord | None:
        text = self._checkpoints.get(name)
        record = decode(text) if text else None
        return record if record and record.until > self._clock.now() else None

    def _expired(self, count: int) -> list[str]:
        """Return which records may be removed: two for each of `count` new ones, so that no push pays for all."""
        now = self._clock.now()
        too_many = len(self._expiry) + len(self._pending) - self._limit
        found: list[str] = []
        for name, until in self._expiry.items():
            if name in self._pending:
                continue  # its key is used for another push now, whose record stays
            if len(found) >= max(2 * count, too_many) or (until > now and len(found) >= too_many):
                break
            found.append(name)
        return found


def is_record(name: str) -> bool:
    """Tell whether a checkpoint is an idempotency record."""
    return name.startswith((PREFIX, OLD_PREFIX))


def encode(record: IdempotencyRecord) -> str:
    """Return the text of a record."""
    return msgspec.json.encode(record).decode()


def decode(text: str) -> IdempotencyRecord:
    """Read a record of any version."""
    if text.startswith("["):
        return _decode_answer(text)
    return msgspec.json.decode(text, type=IdempotencyRecord)


class OldAnswer(msgspec.Struct):
    """The body of the HTTP answer in records of the first version: `[until, content, [status, body]]`."""

    accepted: int
    rejected: int
    errors: list[dict[str, int | str]]


def _decode_answer(text: str) -> IdempotencyRecord:
    until, content, (_, body) = msgspec.json.decode(text, type=tuple[int, int, tuple[int, str]])
    answer = msgspec.json.decode(body, type=OldAnswer)
    lines = [(int(error["line"]), str(error["reason"]).partition(":")[0], 0) for error in answer.errors]
    # It has the reasons of the first lines only. What matters is how many there are.
    rejected = Counter(reason for _, reason, _ in lines)
    rejected[""] += answer.rejected - len(lines)
    return IdempotencyRecord(until, content, answer.accepted, dict(+rejected), lines)
