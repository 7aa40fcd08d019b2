"""Chained cursors under traffic, on the real clock: no entry is skipped or repeated, and all requests are counted."""

import asyncio
import itertools
from collections import Counter

import httpx

from tests.support.process import serving
from tests.support.served import PLAIN, Json, ndjson

SECONDS = 8
PUSHES = 15
"""Pushes per second, with these numbers of records in turn:"""
SIZES = (1, 7, 300)


async def test_chained_cursors_skip_and_repeat_nothing_under_traffic() -> None:
    sent: Counter[str] = Counter()
    read: list[Json] = []
    is_over = asyncio.Event()

    async def send(client: httpx.AsyncClient, cursor: int) -> None:
        sizes = itertools.cycle(SIZES)
        for second in range(SECONDS):
            for number in range(PUSHES):
                domain = f"{number % 3}.example"
                # Some are late, and count in a second that is still open.
                ts = {"ts": cursor - 30} if number % 5 == 4 else {}
                records = [{"domain": domain, "status": 200, "weight": second + 1, **ts}] * next(sizes)
                answer = (await client.post("/ingest/svc", content=ndjson(records))).json()
                assert answer == {"accepted": len(records), "rejected": 0, "errors": []}
                sent[domain] += len(records) * (second + 1)
            # The server's own clock sets the pace.
            cursor = (await client.get(f"/v1/domains/svc/ts/{cursor}")).json()["Timestamp"]
        is_over.set()

    async def chain(client: httpx.AsyncClient, cursor: int) -> None:
        limits = itertools.cycle(["", "/limit/1", "/limit/2"])
        while True:
            answer = (await client.get(f"/v1/domains/svc/ts/{cursor}{next(limits)}")).json()
            read.extend(answer["Data"])
            assert answer["Timestamp"] >= cursor
            cursor = answer["Timestamp"]
            if is_over.is_set() and not answer["Data"]:
                return

    with serving("--aggregate-delay", "1", "--poll-timeout", "2.5") as server:
        async with httpx.AsyncClient(base_url=server.url, verify=PLAIN, timeout=30) as client:
            cursor = (await client.get("/v1/domains/svc/ts/h")).json()["Timestamp"]
            await asyncio.gather(send(client, cursor), chain(client, cursor))
            everything = (await client.get("/v1/domains/svc/ts/1")).json()["Data"]

    recorded = [entry["recorded"] for entry in read]
    assert recorded == sorted(set(recorded))
    assert len(recorded) >= SECONDS
    assert read == everything
    summed: Counter[str] = Counter()
    for entry in read:
        for domain, measured in entry["aggregated"].items():
            summed[domain] += measured["requests"]
    assert summed == sent
