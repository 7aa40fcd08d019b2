"""A push that carries a key counts once."""

import asyncio
import gzip
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from edgetally.api.errors import Refusal
from edgetally.api.idempotency import KEEP_SECONDS, Once, Said
from edgetally.errors import Unavailable
from edgetally.journal.base import Checkpoints
from edgetally.journal.memory import MemoryJournal
from tests.support.clock import START, TurnedClock, until
from tests.support.served import Json, Served, ndjson, record, served
from tests.support.tokens import access, bearer

Commit = Callable[[Callable[[Said], Checkpoints]], Awaitable[Said]]


class Counter:
    """Counts pushes into a journal."""

    def __init__(self, *, most: int = 100) -> None:
        self.clock = TurnedClock()
        self.journal = MemoryJournal()
        self.counted: list[str] = []
        self.once = Once(self.journal.checkpoints(), self.clock, most=most)
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.began = 0

    def commit(self, body: str, problem: Exception | None = None) -> Commit:
        async def commit(marks: Callable[[Said], Checkpoints]) -> Said:
            said = Said(200, body)
            self.began += 1
            await self.goes_on.wait()
            if problem:
                raise problem
            await self.journal.append(b"x", marks(said))
            self.counted.append(body)
            return said

        return commit

    async def push(self, key: str, body: str) -> str:
        return (await self.once.push(key, hash(body), self.commit(body))).body


async def test_a_key_that_is_used_again_is_not_forgotten_by_a_push_that_came_meanwhile() -> None:
    counter = Counter()
    await counter.push("k", "a")
    await counter.clock.advance(KEEP_SECONDS + 1)
    counter.goes_on.clear()
    pushes = [asyncio.create_task(counter.push(key, body)) for key, body in (("k", "b"), ("other", "c"))]
    await until(lambda: counter.began == 3)
    counter.goes_on.set()
    await asyncio.wait(pushes)

    assert await counter.push("k", "b") == "b"
    assert counter.counted == ["a", "b", "c"]


async def test_a_repeat_gets_the_first_answer() -> None:
    counter = Counter()
    first = await counter.once.push("k", 1, counter.commit("first"))
    again = await counter.once.push("k", 1, counter.commit("second"))

    assert (first, again) == (Said(200, "first"), Said(200, "first"))
    assert counter.counted == ["first"]
    assert counter.once.repeated == 1


async def test_other_content_under_the_same_key_is_refused() -> None:
    counter = Counter()
    await counter.push("k", "a")
    with pytest.raises(Refusal, match="came with other records before"):
        await counter.push("k", "b")
    assert counter.counted == ["a"]


async def test_a_repeat_during_the_first_waits_for_it() -> None:
    counter = Counter()
    counter.goes_on.clear()
    pushes = [asyncio.create_task(counter.push("k", "a")) for _ in range(5)]
    await counter.clock.advance(1)
    assert counter.began == 1
    counter.goes_on.set()

    assert await asyncio.gather(*pushes) == ["a"] * 5
    assert counter.counted == ["a"]


async def test_the_first_counts_though_its_sender_has_left() -> None:
    counter = Counter()
    counter.goes_on.clear()
    first = asyncio.create_task(counter.push("k", "a"))
    await counter.clock.advance(1)
    first.cancel()
    again = asyncio.create_task(counter.push("k", "a"))
    await counter.clock.advance(1)
    counter.goes_on.set()

    assert await again == "a"
    assert first.cancelled()
    assert counter.counted == ["a"]


async def test_when_the_first_fails_the_next_counts() -> None:
    counter = Counter()
    counter.goes_on.clear()
    first = asyncio.create_task(counter.once.push("k", hash("a"), counter.commit("a", Unavailable("full"))))
    again = asyncio.create_task(counter.push("k", "a"))
    await counter.clock.advance(1)
    counter.goes_on.set()

    with pytest.raises(Unavailable, match="full"):
        await first
    assert await again == "a"
    assert counter.counted == ["a"]


async def test_a_key_is_forgotten_after_ten_minutes() -> None:
    counter = Counter()
    await counter.push("k", "a")
    await counter.clock.advance(KEEP_SECONDS - 1)
    assert await counter.push("k", "a") == "a"
    await counter.clock.advance(1)
    assert await counter.push("k", "b") == "b"
    await counter.clock.advance(KEEP_SECONDS)
    await counter.push("other", "c")

    assert counter.counted == ["a", "b", "c"]
    assert list(counter.journal.checkpoints()) == ["push:other"]


async def test_the_oldest_keys_give_way_beyond_the_limit() -> None:
    counter = Counter(most=3)
    for number in range(10):
        await counter.push(f"k{number}", "a")

    assert list(counter.journal.checkpoints()) == ["push:k7", "push:k8", "push:k9"]


async def test_a_restart_knows_the_keys_and_the_order_in_which_they_expire() -> None:
    counter = Counter()
    for number in range(4):
        await counter.push(f"k{number}", "a")
        await counter.clock.advance(100)
    counter.once = Once(dict(reversed(list(counter.journal.checkpoints().items()))), counter.clock, most=3)
    assert await counter.push("k0", "a") == "a"
    assert counter.counted == ["a"] * 4
    counter.once = Once(counter.journal.checkpoints(), counter.clock, most=2)
    await counter.push("k4", "a")

    assert list(counter.journal.checkpoints()) == ["push:k3", "push:k4"]


# Over HTTP.


async def send(service: Served, key: str, *records: Json, path: str = "/ingest") -> httpx.Response:
    return await service.client.post(path, content=ndjson(records), headers={"Idempotency-Key": key})


async def requests(service: Served) -> int:
    return sum(entry["aggregated"]["a.example"]["requests"] for entry in await service.entries())


async def test_a_push_with_a_key_counts_once(service: Served) -> None:
    first = await send(service, "a b~", record(0), record(0, status="x"))
    again = await send(service, "a b~", record(0), record(0, status="x"))
    other = await send(service, "a b!", record(0))
    await service.to(3)

    assert first.status_code == again.status_code == 200
    assert first.json()["accepted"] == other.json()["accepted"] == 1
    assert first.json()["errors"]
    assert again.content == first.content
    assert await requests(service) == 2


async def test_a_push_is_the_same_however_it_is_compressed(service: Served) -> None:
    body = ndjson([record(0)] * 100)
    for content, coding in ((body, {}), (gzip.compress(body), {"Content-Encoding": "gzip"})):
        answer = await service.client.post("/ingest", content=content, headers={"Idempotency-Key": "k", **coding})
        assert answer.json()["accepted"] == 100
    await service.to(3)

    assert await requests(service) == 100


async def test_a_push_of_which_nothing_counts_is_remembered_too(service: Served) -> None:
    answers = [await send(service, "k", {"status": "x"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].content == answers[1].content


async def test_other_records_under_the_same_key_are_refused(service: Served) -> None:
    await send(service, "k", record(0))
    answers = [await send(service, "k", record(1)), await send(service, "k", record(0), path="/ingest?pop=FRA")]

    for answer in answers:
        assert answer.status_code == 422
        assert "came with other records before" in answer.json()["Error"]


async def test_a_key_belongs_to_its_path(service: Served) -> None:
    await send(service, "k", record(0))
    await send(service, "k", record(0), path="/ingest/svc")
    await service.to(3)

    assert await requests(service) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é"])
async def test_a_key_that_cannot_be_one_is_refused(service: Served, key: str) -> None:
    answer = await service.client.post(
        "/ingest", content=ndjson([record(0)]), headers=[(b"Idempotency-Key", key.encode())]
    )
    assert answer.status_code == 400
    assert "1 to 255 printable ASCII characters" in answer.json()["Error"]


async def test_a_key_survives_a_restart(tmp_path: Path) -> None:
    async with served({"journal": {"data_dir": str(tmp_path / "data")}}) as first:
        before = await send(first, "k", record(0))
        shutil.copytree(tmp_path / "data", tmp_path / "left")
    async with served({"journal": {"data_dir": str(tmp_path / "left")}}) as second:
        assert (await send(second, "k", record(0))).content == before.content
        await second.to(3)
        assert await requests(second) == 1
        assert second.clock.now() == START + 3


async def test_nobody_meets_the_keys_of_others() -> None:
    shop, bank = bearer("ingest", "shop"), bearer("ingest", "bank")
    async with served({"access": access(shop, bank)}) as service:
        answers = []
        for who in (shop, bank, shop):
            headers = {"Idempotency-Key": "k", **who.header}
            answers.append(await service.client.post("/ingest", content=b'{"status":200}\n' * 3, headers=headers))

        assert [answer.json()["accepted"] for answer in answers] == [3, 3, 3]
        assert service.service.worker.accepted == 6
