"""A reader of server-sent events, as browsers read them."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from tests.support.clock import TIMEOUT_SECONDS
from tests.support.served import Answer, RawConnection, Served, answer_of


class Event(NamedTuple):
    """One event."""

    name: str
    id: str
    """Of the last event that had one."""
    data: str

    def json(self) -> Any:  # noqa: ANN401 - JSON is of any type
        return json.loads(self.data)


class EventParser:
    """Finds the complete events in bytes that arrive in pieces."""

    def __init__(self) -> None:
        self.last_id = ""
        self.retry = 0
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        found = []
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
            assert len(fields) == block.count(b"\n") + 1, f"a field comes twice: {block[:80]!r}"
            self.last_id = fields.get("id", self.last_id)
            self.retry = int(fields.get("retry", self.retry))
            if "data" in fields:
                found.append(Event(fields.get("event", "message"), self.last_id, fields["data"]))
        return found


class EventStream:
    """An open stream."""

    def __init__(self, raw: RawConnection, answer: Answer) -> None:
        self.raw = raw
        self.answer = answer
        self.parser = EventParser()
        self.received = b""
        """All bytes of the body so far."""
        self._events: list[Event] = []
        self._decoder = zlib.decompressobj(31) if answer.headers.get("content-encoding") == "gzip" else None

    async def event(self) -> Event:
        """Wait for the next event."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not self._events:
                data = await self.raw.reader.read(1 << 16)
                assert data, "the stream ended"
                self._take(data)
        return self._events.pop(0)

    async def is_over(self) -> bool:
        """Wait for the end; return whether no event came before it."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            self._take(await self.raw.reader.read())
        return not self._events

    def _take(self, data: bytes) -> None:
        self.received += data
        self._events += self.parser.feed(self._decoder.decompress(data) if self._decoder else data)


async def start(raw: RawConnection, target: str, *fields: str) -> EventStream:
    """Request a stream over `raw`."""
    lines = [f"GET {target} HTTP/1.1", "Host: x", *fields, "", ""]
    await raw.send("\r\n".join(lines).encode())
    answer = await answer_of(raw.reader)
    assert answer.status == 200, await raw.reader.read()
    return EventStream(raw, answer)


@asynccontextmanager
async def streaming(service: Served, target: str, *fields: str) -> AsyncIterator[EventStream]:
    """Open a stream; return once the server has sent its start."""
    async with service.connect() as raw:
        yield await start(raw, target, *fields)
