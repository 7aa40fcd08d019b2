"""The journal in Kafka, with one broker and one partition."""

import hashlib
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from edgetally import _core
from edgetally.journal.base import Checkpoints, Fact, Journal, Partial, Partition, Seal
from edgetally.journal.kafka.journal import KafkaJournal
from tests.journal.conformance import Conformance, OnePartition
from tests.support.cluster import create, open_journal
from tests.support.kafka import Brokers, needs_kafka
from tests.support.records import NOW

pytestmark = needs_kafka()


class Translated:
    """
    A journal whose partials are any bytes, as its only partition.

    In Kafka they are split by service, so they have to be partials. Here each text has a service of its own.
    """

    is_shared = True
    is_writer = True
    is_persistent = False
    is_nearly_full = False

    def __init__(self, journal: KafkaJournal, texts: dict[str, bytes]) -> None:
        self.journal = journal
        self.texts = texts
        (self._partition,) = journal.partitions

    @property
    def partitions(self) -> "tuple[Translated]":
        return (self,)

    @property
    def end(self) -> int:
        return self._partition.end

    @property
    def newest_seal(self) -> Seal | None:
        return self._partition.newest_seal

    @property
    def complete_after(self) -> int:
        return self._partition.complete_after

    @property
    def failing(self) -> str | None:
        return self.journal.failing

    @property
    def commits(self) -> int:
        return self.journal.commits

    @property
    def id(self) -> str:
        return self.journal.id

    @property
    def failures(self) -> int:
        return self.journal.failures

    @property
    def size(self) -> int:
        return self.journal.size

    @property
    def problem(self) -> str:
        return self._partition.problem

    async def opened(self) -> None:
        await self._partition.opened()

    async def append(
        self, partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None
    ) -> None:
        await self.journal.append(self._partial(partial), checkpoints, push_id=push_id)

    async def seal(self, second: int) -> None:
        await self._partition.seal(second)

    async def read(self, position: int = 0) -> AsyncIterator[Fact]:
        async for fact in self._partition.read(position):
            yield Partial(fact.position, self._text(fact.partial)) if isinstance(fact, Partial) else fact

    def forget(self, position: int, complete_after: int | None = None) -> None:
        self._partition.forget(position, complete_after)

    def start_over(self, position: int) -> None:
        self._partition.start_over(position)

    def checkpoints(self) -> Mapping[str, str]:
        return self.journal.checkpoints()

    def release(self) -> None:
        self.journal.release()

    async def close(self) -> None:
        await self.journal.close()

    def _partial(self, text: bytes) -> bytes:
        if not text:
            return b""
        service_id = hashlib.sha256(text).hexdigest()
        self.texts[service_id] = text
        fold = _core.Fold()
        fold.feed(f'{{"ts":{NOW},"status":200,"service_id":"{service_id}","domain":"a.example"}}\n'.encode(), NOW)
        return fold.drain()

    def _text(self, partial: bytes) -> bytes:
        ((service_id, records, _),) = _core.Window().merge(partial)
        assert records == 1
        return self.texts[service_id]


class TestKafkaJournal(Conformance):
    remembers_what_is_forgotten = False

    @pytest.fixture(autouse=True)
    def topic(self, one_broker: Brokers, tmp_path: Path) -> None:
        self.url = create(one_broker.url())
        self.directory = tmp_path
        self.opened: list[KafkaJournal] = []

    async def open(self) -> OnePartition:
        return await self._open("first", {})

    async def reopen(self, journal: OnePartition) -> OnePartition:
        assert isinstance(journal, Translated)
        shutil.copytree(self.directory / "first", self.directory / "second")
        return await self._open("second", journal.texts)

    async def _open(self, name: str, texts: dict[str, bytes]) -> OnePartition:
        journal = open_journal(self.url, self.directory / name)
        (partition,) = journal.partitions
        await partition.opened()
        await partition.caught_up()
        return Translated(journal, texts)


def is_a_journal(journal: KafkaJournal) -> tuple[Journal, Partition]:
    """The types say so."""
    return journal, journal.partitions[0]
