"""Pushes with an `Idempotency-Key` over HTTP: each counts once, and repeated ones get the same answer."""

import gzip
import shutil
from pathlib import Path

import httpx
import pytest

from edgetally.journal.sqlite import SqliteJournal
from tests.support.clock import START
from tests.support.served import Json, Served, ndjson, record, served
from tests.support.tokens import access, bearer


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


async def test_compression_does_not_matter(service: Served) -> None:
    body = ndjson([record(0)] * 100)
    for content, coding in ((body, {}), (gzip.compress(body), {"Content-Encoding": "gzip"})):
        answer = await service.client.post("/ingest", content=content, headers={"Idempotency-Key": "k", **coding})
        assert answer.json()["accepted"] == 100
    await service.to(3)

    assert await requests(service) == 100


async def test_a_push_without_any_record_that_counts_is_remembered_too(service: Served) -> None:
    answers = [await send(service, "k", {"status": "x"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].content == answers[1].content


async def test_lines_of_other_logs_are_remembered_too(service: Served) -> None:
    headers = {"Idempotency-Key": "k"}
    line = b'{"level":"error","ts":1,"logger":"http.log.error","msg":"x"}\n'
    path = "/ingest?format=caddy"
    answers = [await service.client.post(path, content=line * 3, headers=headers) for _ in range(2)]

    for answer in answers:
        assert (answer.status_code, answer.json()) == (200, {"accepted": 0, "rejected": 3, "errors": []})
    assert service.service.totals.rejected == {"other_log": 3}


async def test_other_records_with_the_same_key_are_refused(service: Served) -> None:
    await send(service, "k", record(0))
    answers = [await send(service, "k", record(1)), await send(service, "k", record(0), path="/ingest?pop=FRA")]

    for answer in answers:
        assert answer.status_code == 422
        assert "was used for other records" in answer.json()["Error"]


async def test_a_key_belongs_to_its_path(service: Served) -> None:
    await send(service, "k", record(0))
    await send(service, "k", record(0), path="/ingest/svc")
    await service.to(3)

    assert await requests(service) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é"])
async def test_an_invalid_key_is_refused(service: Served, key: str) -> None:
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


# As the version before has stored them, with the answers that it gave.
OLD_RECORDS: dict[str, str | None] = {
    "push:*::k": '[1795314600,270351121,[200,"{\\"accepted\\":1,\\"rejected\\":1,\\"errors\\":[{\\"line\\":2,'
    '\\"reason\\":\\"bad_status: status must be an integer up to 999\\"}]}"]]',
    "push:*:svc:k": '[1795314600,1265957905,[200,"{\\"accepted\\":1,\\"rejected\\":0,\\"errors\\":[]}"]]',
}


async def test_a_key_survives_an_upgrade(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "data")
    await journal.append(b"", OLD_RECORDS)
    await journal.close()
    async with served({"journal": {"data_dir": str(tmp_path / "data")}}) as service:
        first = await send(service, "k", record(0), record(0, status="x"))
        second = await send(service, "k", record(0), path="/ingest/svc?pop=FRA&weight=2&format=caddy")
        other = await send(service, "k", record(1))

        assert (first.status_code, first.json()["accepted"], first.json()["rejected"]) == (200, 1, 1)
        assert [(error["line"], error["reason"].partition(":")[0]) for error in first.json()["errors"]] == [
            (2, "bad_status")
        ]
        assert (second.status_code, second.json()) == (200, {"accepted": 1, "rejected": 0, "errors": []})
        assert other.status_code == 422
        assert service.service.totals.accepted == 0


async def test_senders_have_keys_of_their_own() -> None:
    shop, bank = bearer("ingest", "shop"), bearer("ingest", "bank")
    async with served({"access": access(shop, bank)}) as service:
        answers = []
        for sender in (shop, bank, shop):
            headers = {"Idempotency-Key": "k", **sender.header}
            answers.append(await service.client.post("/ingest", content=b'{"status":200}\n' * 3, headers=headers))

        assert [answer.json()["accepted"] for answer in answers] == [3, 3, 3]
        assert service.service.totals.accepted == 6
