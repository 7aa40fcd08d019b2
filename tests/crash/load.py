"""The load on a server during a crash test (pushes, a log, readers), and what must come out of it."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx
import msgspec

from edgetally.api.history.times import iso
from tests.support.served import Answer, answer_of

PACE = 0.02
"""Seconds between two actions of a client. Nothing depends on it but the size of the load."""

RECORDED_TRIES = 200
"""How often the history is asked until it has everything."""

REST_SECONDS, PATIENCE_SECONDS = 1.0, 30.0
"""How long a reader waits for an answer behind the marker, and for all that is missing there."""

ALL = 250_000_000_000
"""A second behind all others."""

MARKER = "marker.example"
"""The domain of the last record of every service."""


class Sum(NamedTuple):
    """What records add up to."""

    requests: int = 0
    size: int = 0

    def __add__(self, other: object) -> "Sum":
        assert isinstance(other, Sum)
        return Sum(self.requests + other.requests, self.size + other.size)


class Recorded(NamedTuple):
    """What the history has."""

    sum: Sum
    holes: list[dict[str, str]]
    """Of which times nothing is known, after the first server was started."""


class Target(Protocol):
    """The server, which crashes and restarts."""

    async def url(self) -> str:
        """Wait until it is ready, and return its URL."""


class Account:
    """What was acknowledged, and how often each thing happened."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, Sum] = {}
        """The sum of the records of each service that must be in its entries."""
        self.found: dict[str, Sum] = {}
        """The sum of the entries of each service so far."""
        self.events: Counter[str] = Counter()
        self.resting = False
        """Whether nobody may begin to push."""
        self.pushing = 0
        """How many push, and are not answered yet."""
        self._changed = asyncio.Event()

    def note(self, event: str) -> None:
        self.events[event] += 1
        self._changed.set()

    def acknowledge(self, service_id: str, records: Sum) -> None:
        self.acknowledged[service_id] = self.acknowledged.get(service_id, Sum()) + records

    @asynccontextmanager
    async def rest(self) -> AsyncIterator[None]:
        """Wait until all pushes are answered; meanwhile nobody pushes."""
        self.resting = True
        try:
            while self.pushing:
                self._changed.clear()
                await self._changed.wait()
            yield
        finally:
            self.resting = False

    async def counted(self, service_id: str) -> None:
        """Wait until the entries of a service add up to what was acknowledged."""
        while self.found.get(service_id) != self.acknowledged[service_id]:
            self._changed.clear()
            await self._changed.wait()

    async def after(self, event: str, count: int) -> None:
        """Wait until this has happened so many more times."""
        target = self.events[event] + count
        while self.events[event] < target:
            self._changed.clear()
            await self._changed.wait()


def line(rng: random.Random, *, domain: str | None = None) -> tuple[bytes, Sum]:
    size = rng.randrange(1, 100_000)
    record = {
        "domain": domain or f"{rng.randrange(8)}.example",
        "status": rng.choice([200, 200, 304, 404, 503]),
        "cache": rng.choice(["HIT", "MISS", "PASS"]),
        "resp_body_bytes": size,
        "origin": "app",
        "origin_ip": f"192.0.2.{rng.randrange(4)}",
        "origin_status": 200,
        "origin_ttfb_ms": rng.randrange(300),
    }
    return json.dumps(record).encode() + b"\n", Sum(1, size)


class Batch(NamedTuple):
    """A push."""

    key: str
    lines: list[tuple[bytes, Sum]]


class Sender:
    """Pushes batches, some of them at once, each with an idempotency key, and repeats them until they are answered."""

    def __init__(self, service_id: str, target: Target, account: Account, rng: random.Random) -> None:
        self.service_id = service_id
        self.stopping = False
        self._target = target
        self._account = account
        self._rng = rng
        self._number = 0

    async def run(self) -> None:
        while not self.stopping:
            if not self._account.resting:
                sizes = [self._rng.choice([1, 1, 5, 50, 500]) for _ in range(self._rng.choice([1, 1, 8]))]
                self._account.pushing += 1
                await self._push([self._batch([line(self._rng) for _ in range(size)]) for size in sizes])
                self._account.pushing -= 1
                self._account.note("rounds of pushes")
            await asyncio.sleep(PACE)
        await self._push([self._batch([line(self._rng, domain=MARKER)])])

    def _batch(self, lines: list[tuple[bytes, Sum]]) -> Batch:
        self._number += 1
        return Batch(f"{self.service_id}-{self._number}", lines)

    async def _push(self, batches: list[Batch]) -> None:
        """Pipeline these over one connection; repeat those that are refused or not answered."""
        while batches:
            address = urlsplit(await self._target.url())
            counted: list[Batch] = []
            try:
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
                try:
                    writer.write(b"".join(map(self._written, batches)))
                    self._account.note("sent")
                    for batch in batches:
                        if self._is_counted(batch, await answer_of(reader)):
                            counted.append(batch)  # noqa: PERF401 - what came before an error stays
                finally:
                    writer.close()
            except (OSError, asyncio.IncompleteReadError):
                for _ in batches[len(counted) :]:
                    self._account.note("pushes without an answer")
            batches = [batch for batch in batches if batch not in counted]
            if batches:
                await asyncio.sleep(PACE)

    def _written(self, batch: Batch) -> bytes:
        # The service is in the records, so that pushes of several senders are folded together.
        named = b'{"service_id":"%b",' % self.service_id.encode()
        body = b"".join(one.replace(b"{", named, 1) for one, _ in batch.lines)
        head = (
            f"POST /ingest HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {batch.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _is_counted(self, batch: Batch, answer: Answer) -> bool:
        """Note the answer to a batch; return whether it is acknowledged."""
        if answer.status == 503:
            assert "retry-after" in answer.headers
            self._account.note("refused")
            return False
        assert answer.status == 200, answer.body
        assert answer.json() == {"accepted": len(batch.lines), "rejected": 0, "errors": []}, answer.body
        self._account.note("acknowledged")
        for _, sum_ in batch.lines:
            self._account.acknowledge(self.service_id, sum_)
        return True


class Writer:
    """Writes a log like an edge: in pieces that end anywhere, with rotation, and without waiting for a reader."""

    def __init__(self, service_id: str, path: Path, account: Account, rng: random.Random) -> None:
        self.service_id = service_id
        self.stopping = False
        self.follow = path
        self._path = path
        self._account = account
        self._rng = rng
        self._rotations = 0

    async def run(self) -> None:
        log: IO[bytes] = self._path.open("ab", buffering=0)
        written = 0
        while not self.stopping:
            for one, sum_ in [line(self._rng) for _ in range(self._rng.randrange(1, 40))]:
                await self._write(log, one)
                self._account.acknowledge(self.service_id, sum_)
                written += 1
            self._account.note("written")
            await asyncio.sleep(PACE)
            # Not before its time of writing differs from that of the log before it.
            if written > 100 and self._rng.random() < 0.01:
                log = self._rotate(log)
                written = 0
        last, sum_ = line(self._rng, domain=MARKER)
        log.write(last)
        self._account.acknowledge(self.service_id, sum_)
        log.close()

    async def _write(self, log: IO[bytes], data: bytes) -> None:
        cut = self._rng.randrange(len(data)) if self._rng.random() < 0.1 else 0
        if cut:
            log.write(data[:cut])
            await asyncio.sleep(0)
        log.write(data[cut:])

    def _rotate(self, log: IO[bytes]) -> IO[bytes]:
        log.close()
        self._rotations += 1
        self._path.rename(self._path.with_name(f"{self._path.name}.{self._rotations}"))
        self._account.note("rotations")
        return self._path.open("ab", buffering=0)


class Entries(msgspec.Struct):
    """An answer of the API."""

    data: list[msgspec.Raw] = msgspec.field(name="Data")
    timestamp: int = msgspec.field(name="Timestamp")


class Entry(msgspec.Struct):
    """The parts of an entry that are compared."""

    recorded: int
    aggregated: dict[str, dict[str, float]]


def entry(raw: bytes | msgspec.Raw) -> Entry:
    return msgspec.json.decode(raw, type=Entry)


def sum_of(raw: bytes | msgspec.Raw) -> Sum:
    """Return what an entry adds up to."""
    found = Sum()
    for counts in entry(raw).aggregated.values():
        found += Sum(int(counts["requests"]), int(counts["resp_body_bytes"]))
    return found


class Reader:
    """
    Chains `Timestamp` until the marker and all else came, and compares entries that are read again with the first time.

    After an outage, the marker may come before what an older file still has. That is waited for, but not without end.
    """

    def __init__(self, service_id: str, target: Target, account: Account) -> None:
        self.service_id = service_id
        self.entries: dict[int, bytes] = {}
        self._target = target
        self._account = account

    async def run(self) -> None:
        cursor = 1
        marked_at: float | None = None
        async with httpx.AsyncClient(timeout=30) as client:
            while marked_at is None or (self._lacks_some and time.monotonic() < marked_at + PATIENCE_SECONDS):
                try:
                    async with asyncio.timeout(None if marked_at is None else REST_SECONDS):
                        answer = await self._ask(client, str(cursor))
                except TimeoutError:
                    continue
                assert answer.timestamp >= cursor, "the cursor goes backwards"
                cursor = answer.timestamp
                for raw in answer.data:
                    recorded = entry(raw).recorded
                    assert recorded not in self.entries, f"{recorded} came twice"
                    assert not self.entries or recorded > max(self.entries), f"{recorded} came late"
                    self.entries[recorded] = bytes(raw)
                    self._account.found[self.service_id] = self._account.found.get(self.service_id, Sum()) + sum_of(raw)
                    if marked_at is None and MARKER in entry(raw).aggregated:
                        marked_at = time.monotonic()
                    self._account.note("entries")
                    self._account.note(f"entries of {self.service_id}")

    @property
    def _lacks_some(self) -> bool:
        return self._account.found.get(self.service_id) != self._account.acknowledged.get(self.service_id)

    async def compare(self, path: str) -> int:
        """Read again, compare each entry byte for byte, and return how many there are."""
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await self._ask(client, path)
        for raw in answer.data:
            recorded = entry(raw).recorded
            assert self.entries[recorded] == bytes(raw), f"{self.service_id}: {recorded} has changed"
        return len(answer.data)

    async def recorded(self, expected: Sum) -> Recorded:
        """Return what the history has of all minutes. It comes a moment after the entries, so wait for it."""
        # The clock may have been set back behind some of them.
        query = f"downsample=minute&start=0&end={ALL}&metric=requests,resp_body_bytes"
        path = f"/metrics/domains/services/{self.service_id}?{query}"
        async with httpx.AsyncClient(timeout=30) as client:
            for _ in range(RECORDED_TRIES):
                answer = await client.get(f"{await self._target.url()}{path}")
                assert answer.status_code == 200, answer.text
                values = [one for series in answer.json()["data"] for one in series["values"]]
                found = Sum(
                    sum(one.get("requests", 0) for one in values), sum(one.get("resp_body_bytes", 0) for one in values)
                )
                if found == expected:
                    break
                await asyncio.sleep(PACE)
        # The first hole is the time before the first server, and perhaps a part of its first minute.
        first = iso(min(self.entries, default=0))
        return Recorded(found, [one for one in answer.json()["meta"]["holes"] if one["end"] > first])

    def sum(self) -> Sum:
        found = Sum()
        for raw in self.entries.values():
            found += sum_of(raw)
        return found

    async def _ask(self, client: httpx.AsyncClient, path: str) -> Entries:
        while True:
            url = await self._target.url()
            try:
                answer = await client.get(f"{url}/v1/domains/{self.service_id}/ts/{path}")
            except httpx.TransportError:
                continue
            assert answer.status_code == 200, answer.text
            return msgspec.json.decode(answer.content, type=Entries)
