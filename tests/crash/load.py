"""What is done to a server under torture: pushing, logging, reading; and the book of what must come out."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import IO, NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx
import msgspec

from tests.support.served import Answer as Answered
from tests.support.served import answer_of

SHORT_WHILE = 0.02
"""Seconds between two things that a client does. It paces the load, and nothing waits for it to have happened."""

MARKER = "marker.example"
"""The domain of the last record of every service."""


class Sum(NamedTuple):
    """What records add up to."""

    requests: int = 0
    size: int = 0

    def __add__(self, other: object) -> "Sum":
        assert isinstance(other, Sum)
        return Sum(self.requests + other.requests, self.size + other.size)


class Target(Protocol):
    """The server, which comes and goes."""

    async def url(self) -> str:
        """Return where it answers, once it does."""


class Book:
    """What was acknowledged, and what happened on the way."""

    def __init__(self) -> None:
        self.sums: dict[str, Sum] = {}
        self.happened: Counter[str] = Counter()
        self._news = asyncio.Event()

    def note(self, what: str) -> None:
        self.happened[what] += 1
        self._news.set()

    def add(self, service_id: str, sum_: Sum) -> None:
        self.sums[service_id] = self.sums.get(service_id, Sum()) + sum_

    async def after(self, what: str, count: int) -> None:
        """Wait until this has happened so many more times."""
        target = self.happened[what] + count
        while self.happened[what] < target:
            self._news.clear()
            await self._news.wait()


def line(chance: random.Random, *, domain: str | None = None) -> tuple[bytes, Sum]:
    size = chance.randrange(1, 100_000)
    record = {
        "domain": domain or f"{chance.randrange(8)}.example",
        "status": chance.choice([200, 200, 304, 404, 503]),
        "cache": chance.choice(["HIT", "MISS", "PASS"]),
        "resp_body_bytes": size,
        "origin": "app",
        "origin_ip": f"192.0.2.{chance.randrange(4)}",
        "origin_status": 200,
        "origin_ttfb_ms": chance.randrange(300),
    }
    return json.dumps(record).encode() + b"\n", Sum(1, size)


class Batch(NamedTuple):
    """A push."""

    key: str
    lines: list[tuple[bytes, Sum]]


class Sender:
    """Pushes batches, some of them at once, each with a key, again and again until it is answered."""

    def __init__(self, service_id: str, target: Target, book: Book, chance: random.Random) -> None:
        self.service_id = service_id
        self.stopping = False
        self._target = target
        self._book = book
        self._chance = chance
        self._number = 0

    async def run(self) -> None:
        while not self.stopping:
            sizes = [self._chance.choice([1, 1, 5, 50, 500]) for _ in range(self._chance.choice([1, 1, 8]))]
            await self._push([self._batch([line(self._chance) for _ in range(size)]) for size in sizes])
            await asyncio.sleep(SHORT_WHILE)
        await self._push([self._batch([line(self._chance, domain=MARKER)])])

    def _batch(self, lines: list[tuple[bytes, Sum]]) -> Batch:
        self._number += 1
        return Batch(f"{self.service_id}-{self._number}", lines)

    async def _push(self, batches: list[Batch]) -> None:
        """Push these, all over one connection before the first is answered, and those again that are not or refused."""
        while batches:
            address = urlsplit(await self._target.url())
            counted: list[Batch] = []
            try:
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
                try:
                    writer.write(b"".join(map(self._written, batches)))
                    self._book.note("sent")
                    for batch in batches:
                        if self._is_counted(batch, await answer_of(reader)):
                            counted.append(batch)  # noqa: PERF401 - what came before an error stays
                finally:
                    writer.close()
            except (OSError, asyncio.IncompleteReadError):
                for _ in batches[len(counted) :]:
                    self._book.note("pushes without an answer")
            batches = [batch for batch in batches if batch not in counted]
            if batches:
                await asyncio.sleep(SHORT_WHILE)

    def _written(self, batch: Batch) -> bytes:
        # Named in the records, so that pushes of several senders are folded together.
        named = b'{"service_id":"%b",' % self.service_id.encode()
        body = b"".join(one.replace(b"{", named, 1) for one, _ in batch.lines)
        head = (
            f"POST /ingest HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {batch.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _is_counted(self, batch: Batch, answer: Answered) -> bool:
        """Note in the book what was answered."""
        if answer.status == 503:
            assert "retry-after" in answer.headers
            self._book.note("refused")
            return False
        assert answer.status == 200, answer.body
        assert answer.json() == {"accepted": len(batch.lines), "rejected": 0, "errors": []}, answer.body
        self._book.note("acknowledged")
        for _, sum_ in batch.lines:
            self._book.add(self.service_id, sum_)
        return True


class Writer:
    """Writes a log, like an edge: in pieces that end anywhere, with rotation, and whether or not somebody reads."""

    def __init__(self, service_id: str, path: Path, book: Book, chance: random.Random) -> None:
        self.service_id = service_id
        self.stopping = False
        self._path = path
        self._book = book
        self._chance = chance
        self._rotations = 0

    async def run(self) -> None:
        log: IO[bytes] = self._path.open("ab", buffering=0)
        written = 0
        while not self.stopping:
            for one, sum_ in [line(self._chance) for _ in range(self._chance.randrange(1, 40))]:
                await self._write(log, one)
                self._book.add(self.service_id, sum_)
                written += 1
            self._book.note("written")
            await asyncio.sleep(SHORT_WHILE)
            # Not before it can be told from the one before it by when it was written.
            if written > 100 and self._chance.random() < 0.01:
                log = self._rotate(log)
                written = 0
        last, sum_ = line(self._chance, domain=MARKER)
        log.write(last)
        self._book.add(self.service_id, sum_)
        log.close()

    async def _write(self, log: IO[bytes], data: bytes) -> None:
        cut = self._chance.randrange(len(data)) if self._chance.random() < 0.1 else 0
        if cut:
            log.write(data[:cut])
            await asyncio.sleep(0)
        log.write(data[cut:])

    def _rotate(self, log: IO[bytes]) -> IO[bytes]:
        log.close()
        self._rotations += 1
        self._path.rename(self._path.with_name(f"{self._path.name}.{self._rotations}"))
        self._book.note("rotations")
        return self._path.open("ab", buffering=0)


class Answer(msgspec.Struct):
    """What the API answers."""

    data: list[msgspec.Raw] = msgspec.field(name="Data")
    timestamp: int = msgspec.field(name="Timestamp")


class Entry(msgspec.Struct):
    """What an entry shows, as far as it is looked at."""

    recorded: int
    aggregated: dict[str, dict[str, float]]


def entry(raw: bytes | msgspec.Raw) -> Entry:
    return msgspec.json.decode(raw, type=Entry)


class Reader:
    """Chains `Timestamp` until the marker comes, and compares what comes again with what came before."""

    def __init__(self, service_id: str, target: Target, book: Book) -> None:
        self.service_id = service_id
        self.entries: dict[int, bytes] = {}
        self._target = target
        self._book = book

    async def run(self) -> None:
        cursor = 1
        done = False
        async with httpx.AsyncClient(timeout=30) as client:
            while not done:
                answer = await self._ask(client, str(cursor))
                assert answer.timestamp >= cursor, "time goes backwards"
                cursor = answer.timestamp
                for raw in answer.data:
                    recorded = entry(raw).recorded
                    assert recorded not in self.entries, f"{recorded} came twice"
                    assert not self.entries or recorded > max(self.entries), f"{recorded} came late"
                    self.entries[recorded] = bytes(raw)
                    done = done or MARKER in entry(raw).aggregated
                    self._book.note("entries")
                    self._book.note(f"entries of {self.service_id}")

    async def compare(self, path: str) -> int:
        """Read again, and return how many entries came; each has to be what it was, byte for byte."""
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await self._ask(client, path)
        for raw in answer.data:
            recorded = entry(raw).recorded
            assert self.entries[recorded] == bytes(raw), f"{self.service_id}: {recorded} has changed"
        return len(answer.data)

    def sum(self) -> Sum:
        found = Sum()
        for raw in self.entries.values():
            for counts in entry(raw).aggregated.values():
                found += Sum(int(counts["requests"]), int(counts["resp_body_bytes"]))
        return found

    async def _ask(self, client: httpx.AsyncClient, path: str) -> Answer:
        while True:
            url = await self._target.url()
            try:
                answer = await client.get(f"{url}/v1/domains/{self.service_id}/ts/{path}")
            except httpx.TransportError:
                continue
            assert answer.status_code == 200, answer.text
            return msgspec.json.decode(answer.content, type=Answer)
