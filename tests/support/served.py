"""A service in the process of the test, on a clock that the test turns, and clients for it."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx

from edgetally.clock import date_of
from edgetally.config.validation import check
from edgetally.service.service import Service
from tests.support.clock import START, TIMEOUT_SECONDS, ManualClock, until

Json = dict[str, Any]


def record(second: float, **fields: object) -> Json:
    """Make a record that counts in every dataset: one request of `svc`, one fetch from its origin."""
    return {
        "ts": START + second + 0.5,
        "service_id": "svc",
        "pop": "AMS",
        "domain": "a.example",
        "status": 200,
        "resp_body_bytes": 100,
        "origin": "app",
        "origin_ip": "192.0.2.1",
        "origin_status": 200,
        **fields,
    }


def ndjson(records: Iterable[object]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in records)


PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that do not use TLS: without it, they would load all trusted certificates."""


class Answer(NamedTuple):
    """One answer, as it came over the raw."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - JSON is of any type
        return json.loads(self.body)


async def answer_of(reader: asyncio.StreamReader, *, head: bool = False) -> Answer:
    """Read one response; to HEAD, it has no body."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        top = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
        first, *fields = top.removesuffix("\r\n\r\n").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = dict(field.lower().split(": ", 1) for field in fields)
        assert len(headers) == len(fields), "a field comes twice"
        size = 0 if head else int(headers.get("content-length", "0"))
        return Answer(int(status), headers, await reader.readexactly(size))


class RawConnection:
    """A connection that sends bytes as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, head: bool = False) -> Answer:
        """Read one response; to HEAD, it has no body."""
        return await answer_of(self.reader, head=head)

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        return await self.answer()

    async def is_over(self) -> bool:
        """Wait until the server closes; return whether it did so without sending anything."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self.reader.read() == b""
        except ConnectionResetError:
            return True


class Served:
    """A running service, its clock and a client."""

    def __init__(self, service: Service, clock: ManualClock, client: httpx.AsyncClient) -> None:
        self.service = service
        self.clock = clock
        self.client = client
        self.url = service.url
        """Its address."""

    @property
    def waiting(self) -> int:
        return self.service.long_poll.waiting

    async def to(self, second: float) -> None:
        """Turn the clock to this many seconds after START."""
        await self.clock.advance(START + second - self.clock.now())

    async def push(self, *records: Json, path: str = "/ingest") -> Json:
        answer = await self.client.post(path, content=ndjson(records))
        assert answer.status_code == 200, answer.text
        report: Json = answer.json()
        return report

    async def traffic(self, seconds: Iterable[int]) -> None:
        """Push one record of `svc` in each of these seconds, at its time."""
        for second in seconds:
            if START + second > self.clock.now():
                await self.to(second)
            await self.push(record(second))

    async def get(self, path: str, **headers: str) -> Json:
        answer = await self.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    async def entries(self, endpoint: str = "domains", service_id: str = "svc") -> list[Json]:
        """Return every entry that is still on the shelf."""
        kind = "?kind=origin_insights" if endpoint == "channel" else ""
        answer = await self.get(f"/v1/{endpoint}/{service_id}/ts/h/limit/120{kind}")
        found: list[Json] = answer["Data"]
        return found

    async def park(self, path: str) -> asyncio.Task[httpx.Response]:
        """Request `path`, and return once the reader waits for its response."""
        already = self.waiting
        asked = asyncio.create_task(self.client.get(path))
        await until(lambda: self.waiting > already or asked.done())
        assert not asked.done(), asked.result().text
        return asked

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[RawConnection]:
        address = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1 << 24)
        try:
            yield RawConnection(reader, writer)
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                pass  # the server closed it first


@asynccontextmanager
async def served(
    settings: dict[str, dict[str, object]] | None = None,
    clock: ManualClock | None = None,
    *,
    wait_for_threads: bool = True,
) -> AsyncIterator[Served]:
    """
    Run a service with these settings. By default, refusals are not delayed, and the journal is in memory.

    A test that itself asks in threads, and waits there for the time to go on, does not `wait_for_threads`.
    """
    given = settings or {}
    config = check(
        {
            "journal": {"kind": "memory"},
            **given,
            "api": {"listen": "127.0.0.1:0", "error_delay": 0.0, **given.get("api", {})},
        }
    )
    clock = clock or ManualClock()
    if wait_for_threads:
        clock.wait_for_threads()
    async with (
        Service(config, clock) as service,
        httpx.AsyncClient(base_url=service.url, verify=PLAIN, timeout=None) as client,  # noqa: S113 - pytest has its own time-out
    ):
        delay = config.window.aggregate_delay

        def is_settled() -> bool:
            # Of seconds that a previous process sealed, nothing is exported.
            sealed, exported = service.shelf.newest, service.exported_series.newest
            is_recorded = all(one.is_idle for one in service.history.recorders)
            return sealed >= int(clock.now()) - delay and exported in (0, sealed) and is_recorded

        clock.settled = is_settled
        # Who looks at the service compares its seconds with the `Date` of its answers.
        with patch("edgetally.http.messages.http_date", lambda: date_of(int(clock.now()))):
            yield Served(service, clock, client)
