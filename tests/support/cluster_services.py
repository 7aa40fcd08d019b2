"""Whole nodes of a cluster, and clients of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from edgetally.config.validation import check
from edgetally.service.service import Service
from tests.support.kafka import DEADLINE
from tests.support.served import PLAIN, ndjson

PARTITIONS = 3

Json = dict[str, Any]


class Node:
    """A node, and a client of it."""

    def __init__(self, service: Service, client: httpx.AsyncClient) -> None:
        self.service = service
        self.client = client

    async def get(self, path: str) -> Json:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    async def push(self, *records: Json, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.client.post("/ingest", content=ndjson(records), headers=headers)

    async def is_ready(self) -> bool:
        return (await self.client.get("/readyz")).status_code == 200


@asynccontextmanager
async def node(url: str, role: str = "all", **settings: dict[str, object]) -> AsyncIterator[Node]:
    with TemporaryDirectory() as directory:
        own = {"kind": url, "partitions": PARTITIONS, "data_dir": directory}
        given: dict[str, dict[str, object]] = {
            **settings,
            "journal": {**own, **settings.get("journal", {})},
            "node": {"role": role},
            "api": {"listen": "127.0.0.1:0", "error_delay": 0.0},
        }
        async with (
            Service(check(given)) as service,
            httpx.AsyncClient(base_url=service.url, verify=PLAIN, timeout=DEADLINE) as client,
        ):
            yield Node(service, client)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until a condition holds: other nodes and the broker send no event."""
    async with asyncio.timeout(DEADLINE):
        while not await condition():  # noqa: ASYNC110 - they are asked over HTTP
            await asyncio.sleep(0.02)


def record(service_id: str, **fields: object) -> Json:
    return {
        "ts": time.time(),
        "service_id": service_id,
        "pop": "AMS",
        "domain": "a.example",
        "status": 200,
        "origin": "app",
        "origin_status": 200,
        **fields,
    }
