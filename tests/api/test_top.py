"""Rankings over HTTP: parameters, who may see them, how often they are made."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from edgetally import _core
from edgetally.api import top
from edgetally.api.ranking_answer import RankingAnswer
from edgetally.window.ranking import Ranker
from tests.support.clock import START
from tests.support.served import Served, record, served
from tests.support.tokens import access, bearer


async def test_a_ranking_is_what_the_documentation_says(service: Served) -> None:
    compute = {"compute": True, "compute_request_time_ms": 70, "origin_ttfb_ms": 12}
    await service.push(record(0), record(1, domain="b.example", status=503, pop="FRA"), record(1, **compute))
    await service.to(4)

    for of, focus in (("domains", "a.example"), ("origins", "app")):
        answer = await service.client.get(f"/top/svc?of={of}&focus={focus}&rows=1")
        ranking = msgspec.json.decode(answer.content, type=RankingAnswer)

        assert (ranking.second, ranking.timestamp, ranking.aggregate_delay) == (START + 2, START + 4, 2)
        assert ranking.columns == _core.columns(of)
        assert ranking.all.now[0] == 3
        assert ranking.focus
        assert ranking.focus.name == focus
        assert ranking.rejected == 0
    assert answer.headers["cache-control"] == "no-store"


async def test_before_the_start_nothing_is_known(service: Served) -> None:
    await service.traffic([0, 1])
    await service.to(5)

    answer = await service.get("/top/svc")

    series = answer["all"]["series"]["requests"]
    known = answer["second"] - answer["since"] + 1
    assert answer["since"] == START - 2
    assert series == [None] * (300 - known) + [0, 0, 1, 1, 0, 0]


async def test_a_second_that_is_kept_can_be_shown_again(service: Served) -> None:
    await service.traffic([0, 10])
    await service.to(12)
    then = (await service.client.get("/top/svc")).content
    await service.traffic([20])
    await service.to(22)

    assert (await service.client.get(f"/top/svc?at={START + 10}")).content == then
    assert (await service.get("/top/svc"))["second"] == START + 20


@pytest.mark.parametrize("at", [0, START - 3, START + 3, START + 99])
async def test_another_second_is_not_found(service: Served, at: int) -> None:
    await service.to(4)

    answer = await service.client.get(f"/top/svc?at={at}")

    assert answer.status_code == 404
    problem = f"no such second: {at} (the oldest that is kept is {START - 2}, the newest is {START + 2})"
    assert answer.json()["Error"] == problem


async def test_seconds_that_left_the_shelf_are_not_known_any_more() -> None:
    async with served({"shelf": {"keep": 150}}) as service:
        await service.traffic([0, 100])
        await service.to(202)
        answer = await service.get("/top/svc")
        assert answer["since"] == START + 51
        assert answer["all"]["series"]["requests"][:151] == [None] * 150 + [0]


WRONG = {
    "of=names": "unknown value 'names' of `of` (expected one of: domains, origins)",
    "rows=0": "rows must be an integer of at least 1 (got '0')",
    "rows=-5": "rows must be an integer of at least 1 (got '-5')",
    "rows=111111111111111111111": "rows must be from 1 to 200 (got 111111111111111111111)",
    "rows=201": "rows must be from 1 to 200 (got 201)",
    "rows=x": "rows must be an integer of at least 1 (got 'x')",
    "at=x": "at must be an integer of at least 0 (got 'x')",
    "at=-1": "at must be an integer of at least 0 (got '-1')",
    "pops=AMS": "unknown parameter 'pops' (expected one of: of, by, rows, pop, match, focus, at, downsample)",
    "by=bytes": "domains cannot be ordered by 'bytes' (expected one of: trouble, requests, ",
    "of=origins&by=requests": "origins cannot be ordered by 'requests' (expected one of: trouble, responses, ",
}


@pytest.mark.parametrize("query", WRONG)
async def test_a_wrong_parameter_is_refused_and_explained(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/top/svc?{query}")

    assert answer.status_code == 400
    assert WRONG[query] in answer.json()["Error"]


async def test_a_wrong_service_id_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/top/not%20one")
    assert (answer.status_code, answer.json()["Error"]) == (
        400,
        "a service id has 1 to 64 letters, digits, - and _ (got 'not one')",
    )
    assert (await client.get("/top/svc/more")).status_code == 404
    assert (await client.post("/top/svc")).status_code == 405


async def test_an_unknown_service_has_an_empty_ranking(service: Served) -> None:
    answer = await service.get("/top/unknown")
    assert (answer["rows"], answer["pops"], answer["rest"]["names"]) == ([], [], 0)
    assert set(answer["all"]["now"]) == {0}


async def test_only_a_token_for_every_service_is_told_of_rejected_lines() -> None:
    every, mine, theirs, pushing = (
        bearer("read", "*"),
        bearer("read", "svc"),
        bearer("read", "x"),
        bearer("ingest", "*"),
    )
    async with served({"access": access(every, mine, theirs, pushing)}) as service:
        await service.client.post("/ingest", content=b"nonsense\n2026 [error] 1#1: x\n", headers=pushing.header)
        await service.to(2)

        answers = [await service.client.get("/top/svc", headers=one.header) for one in (every, mine, theirs)]

        assert [one.status_code for one in answers] == [200, 200, 403]
        assert [one.json().get("rejected") for one in answers] == [2, None, None]
        assert (await service.client.get("/top/svc")).status_code == 403


async def test_who_looks_at_the_same_shares_the_bytes(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = Ranker.make

    def counted(ranker: Ranker) -> bytes:
        made.append(ranker)
        return make(ranker)

    monkeypatch.setattr(Ranker, "make", counted)
    await service.traffic([0])
    await service.to(3)

    for query in ("", "", "?rows=40", "?of=domains&by=trouble&match="):
        for coding in ("gzip", "identity"):
            await service.get(f"/top/svc{query}", **{"accept-encoding": coding, "x": query})
    assert len(made) == 1
    await service.to(4)
    await service.get("/top/svc")
    assert len(made) == 2


async def test_too_many_different_questions_have_to_wait_for_the_next_second() -> None:
    async with served({"api": {"max_rankings": 64}}) as service:
        for rows in range(1, 65):
            assert (await service.client.get(f"/top/svc?rows={rows}")).status_code == 200
        refused = await service.client.get("/top/svc?rows=65")
        known = await service.client.get("/top/svc?rows=64", headers={"x": "y"})
        await service.to(1)
        again = await service.client.get("/top/svc?rows=65")
        metrics = (await service.client.get("/metrics")).text

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["Error"].startswith("api.max_rankings reached: 64 different rankings a second")
    assert (known.status_code, again.status_code) == (200, 200)
    assert 'edgetally_limit_reached_total{limit="api.max_rankings"} 1.0' in metrics


async def test_a_large_ranking_is_made_beside_the_event_loop(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "INLINE_BYTES", -1)
    await service.traffic([0])
    await service.to(3)

    answers = await asyncio.gather(*(service.client.get("/top/svc", headers={"x": str(one)}) for one in range(20)))
    left = asyncio.create_task(service.client.get("/top/svc?rows=7"))
    await asyncio.sleep(0)
    left.cancel()

    assert {one.content for one in answers} == {answers[0].content}
    assert answers[0].json()["all"]["now"][0] == 1
    assert (await service.get("/top/svc?rows=7"))["all"]["now"][0] == 1


async def test_series_are_freed_when_nobody_asks_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[_core.KeptSeries] = []

    def make() -> _core.KeptSeries:
        made.append(_core.KeptSeries())
        return made[-1]

    monkeypatch.setattr(top, "INLINE_BYTES", -1)
    monkeypatch.setattr(top, "KeptSeries", make)
    async with served() as service:
        await service.traffic([0])
        for second in (3, 8, 13):
            await service.to(second)
            await service.get("/top/svc")
        assert len(made) == 1
        await service.to(13 + top.KEPT_SECONDS + 1)
        assert len(made) == 2
        await service.to(60)
        assert len(made) == 2, "there was nothing to free"


async def test_an_error_of_the_thread_is_an_internal_error(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Ranker) -> bytes:
        raise MemoryError

    monkeypatch.setattr(top, "INLINE_BYTES", -1)
    monkeypatch.setattr(Ranker, "make", fail)

    assert (await service.client.get("/top/svc")).status_code == 500


async def test_large_answers_are_compressed(service: Served) -> None:
    async with service.connect() as raw:
        plain = await raw.ask(b"GET /top/svc HTTP/1.1\r\nHost: x\r\n\r\n")
        packed = await raw.ask(b"GET /top/svc HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
        await raw.send(b"HEAD /top/svc HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await raw.answer(head=True)).status == 200
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


async def test_a_restart_says_the_same(tmp_path: Path) -> None:
    settings: dict[str, dict[str, object]] = {
        "journal": {"kind": "sqlite", "data_dir": str(tmp_path)},
        "window": {"max_domains": 1},
    }
    async with served(settings) as service:
        await service.push(record(0), record(0, domain="b.example"))
        await service.to(3)
        await service.push(record(0))
        await service.to(6)
        before: Any = (await service.client.get(f"/top/svc?at={START + 4}")).json()
        clock = service.clock
    async with served(settings, clock) as service:
        after: Any = (await service.client.get(f"/top/svc?at={START + 4}")).json()

    assert (before["late"], before["overflowed"]) == (1, 1)
    assert json.dumps(after) == json.dumps(before)


@pytest.fixture
async def remembering(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a history, whose shelf has lost the first second."""
    settings: dict[str, Any] = {
        "journal": {"kind": "memory", "data_dir": str(tmp_path)},
        "shelf": {"keep": 120},
    }
    async with served(settings) as running:
        await running.push(record(0), record(0), record(0, domain="b.example", status=503, pop="FRA"))
        await running.to(130)
        yield running


class TestPast:
    async def test_a_second_that_left_the_shelf_is_answered_by_its_minute(self, remembering: Served) -> None:
        for of, name in (("domains", "b.example"), ("origins", "app")):
            answer = await remembering.client.get(f"/top/svc?of={of}&at={START + 5}&focus={name}")
            ranking = msgspec.json.decode(answer.content, type=RankingAnswer)

            assert (ranking.second, ranking.window, ranking.ago) == (START, 600, 3600)
            assert ranking.all.now[0] == 3
            assert ranking.rows[0].name == name
            assert ranking.focus
            assert ranking.all.series["5xx"][-1] == (of == "domains")
            assert ranking.since == START - 2

    @pytest.mark.parametrize(("downsample", "seconds"), [("minute", 60), ("hour", 3600), ("day", 86_400)])
    async def test_minutes_hours_and_days_are_ranked(self, remembering: Served, downsample: str, seconds: int) -> None:
        then = await remembering.get(f"/top/svc?downsample={downsample}&at={START}")
        now = await remembering.get(f"/top/svc?downsample={downsample}")

        assert then["second"] == START - START % seconds
        assert now["second"] == START + 128 - (START + 128) % seconds
        for ranking in (then, now):
            assert ranking["all"]["now"][0] == 3
            assert ranking["pops"][0]["name"] == "AMS"

    @pytest.mark.parametrize("at", [0, START - 120, START + 129])
    async def test_what_is_not_known_is_not_found(self, remembering: Served, at: int) -> None:
        for downsample in ("second", "minute"):
            answer = await remembering.client.get(f"/top/svc?at={at}&downsample={downsample}")

            assert answer.status_code == 404
            assert answer.json()["Error"].startswith(f"no such second: {at}")

    async def test_a_stream_has_no_minutes(self, remembering: Served) -> None:
        answer = await remembering.client.get("/top/svc?downsample=minute", headers={"Accept": "text/event-stream"})

        assert answer.status_code == 400

    async def test_another_unit_is_refused(self, remembering: Served) -> None:
        answer = await remembering.client.get("/top/svc?downsample=week")

        assert answer.status_code == 400
        assert answer.json()["Error"] == "downsample must be one of: second, minute, hour, day (got 'week')"

    async def test_without_a_history_there_are_seconds_alone(self, service: Served) -> None:
        assert (await service.client.get("/top/svc?downsample=minute")).status_code == 404
