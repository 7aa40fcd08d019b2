"""
The peer of polls and fanout: a raw ASGI application that serves the same answers, and does nothing else.

    GET /answer.json                    the file `answer.json` of the working directory
    GET /v1/domains/{service_id}/ts/0   the clock
    GET /v1/domains/{service_id}/ts/N   waits for the entry of the service
    POST /ingest                        one record per service, all of one second: their entries are due at its seal
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]

DELAY = 2
"""Seconds between the start of a second and its seal."""

ANSWER = Path("answer.json").read_bytes()

waiting: dict[str, list[asyncio.Future[bytes]]] = defaultdict(list)


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Answer one request."""
    if scope["path"] == "/answer.json":
        body = ANSWER
    elif scope["path"] == "/ingest":
        records = [json.loads(line) for line in (await body_of(receive)).splitlines()]
        due = records[0]["ts"] + DELAY - time.time()
        asyncio.get_running_loop().call_later(due, seal, records)
        body = b"{}"
    elif scope["path"].endswith("/ts/0"):
        body = answer([], int(time.time()))
    else:
        reader = asyncio.get_running_loop().create_future()
        waiting[scope["path"].split("/")[3]].append(reader)
        body = await reader
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Callable[[], Awaitable[Message]]) -> bytes:
    """Return the body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    return body


def answer(entries: list[Message], clock: int) -> bytes:
    """Return an answer of the API."""
    return json.dumps({"Data": entries, "Timestamp": clock, "AggregateDelay": DELAY}).encode()


def seal(records: list[Message]) -> None:
    """Encode an entry per service, and answer its readers."""
    for record in records:
        counters = {record["domain"]: {"requests": 1, "edge_requests": 1, "resp_body_bytes": record["resp_body_bytes"]}}
        entry = {"recorded": record["ts"], "aggregated": counters, "datacenter": {"local": counters}}
        body = answer([entry], record["ts"] + DELAY)
        for reader in waiting.pop(record["service_id"], ()):
            reader.set_result(body)
