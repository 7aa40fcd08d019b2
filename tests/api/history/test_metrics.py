"""`/metrics/{domains,origins}/services/{id}`: what was pushed, in the shape that real clients read."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edgetally.api.history.times import iso
from edgetally.history.tiers import DAY, HOUR, MINUTE, TIERS
from tests.support.clock import START
from tests.support.served import Json, Served, record, served

SETTINGS: dict[str, Json] = {
    "pops": {"AMS": {"region": "EU-West"}, "TYO": {"stats_region": "asia"}},
    "history": {"max_questions": 2},
}
THIS_MINUTE = START - START % MINUTE
DOMAINS = "/metrics/domains/services/svc"
ORIGINS = "/metrics/origins/services/svc"

Values = dict[tuple[str, ...], dict[int, dict[str, float]]]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Served]:
    """A server that has a history of two minutes: what it has sealed is in the file and in its memory."""
    async with served({**SETTINGS, "journal": {"kind": "memory", "data_dir": str(tmp_path)}}) as service:
        await service.push(record(0, cache="HIT"), record(0, domain="b.example", status=503, pop="FRA", cache="MISS"))
        await service.to(MINUTE)
        await service.push(*[record(MINUTE, pop="TYO")] * 3)
        await service.to(MINUTE + 5)
        yield service


def found(answer: Json) -> Values:
    """Return the values of each series by window, counted in minutes from the first."""
    assert answer["status"] == "success"
    shown: Values = {}
    for series in answer["data"]:
        values = {(one["timestamp"] - THIS_MINUTE) // MINUTE: one for one in series["values"]}
        for one in values.values():
            del one["timestamp"]
        shown[tuple(series["dimensions"].values())] = values
    return shown


async def test_without_parameters_there_is_one_series_by_hour(running: Served) -> None:
    answer = await running.get(DOMAINS)

    hour = START - START % HOUR
    assert answer["data"] == [{"dimensions": {}, "values": [{"edge_requests": 5, "timestamp": hour}]}]
    assert answer["meta"] == {
        "start": iso(hour - DAY),
        "end": iso(START + MINUTE + 5),
        "downsample": "hour",
        "metric": "edge_requests",
        "metrics": "edge_requests",
        "limit": 100,
        "next_cursor": "",
        "sort": "",
        "group_by": "none",
        "filters": {},
        "holes": [{"start": iso(hour - DAY), "end": iso(START - 2)}],
    }
    origins = await running.get(ORIGINS)
    assert origins["data"] == [{"dimensions": {}, "values": [{"responses": 5, "timestamp": hour}]}]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("metric=requests", {(): {0: {"requests": 2}, 1: {"requests": 3}}}),
        ("metric=status_503,requests", {(): {0: {"status_503": 1, "requests": 2}, 1: {"requests": 3}}}),
        (
            "metric=requests&group_by=domain",
            {("a.example",): {0: {"requests": 1}, 1: {"requests": 3}}, ("b.example",): {0: {"requests": 1}}},
        ),
        ("metric=edge_hit_ratio&group_by=domain&domain=a.example", {("a.example",): {0: {"edge_hit_ratio": 1}}}),
        ("metric=edge_hit_ratio", {(): {0: {"edge_hit_ratio": 0.5}}}),
        (
            "metric=requests&group_by=datacenter,domain",
            {
                ("a.example", "AMS"): {0: {"requests": 1}},
                ("a.example", "TYO"): {1: {"requests": 3}},
                ("b.example", "FRA"): {0: {"requests": 1}},
            },
        ),
        (
            "metric=requests&group_by=region",
            {("asia",): {1: {"requests": 3}}, ("europe",): {0: {"requests": 1}}, ("usa",): {0: {"requests": 1}}},
        ),
        ("metric=requests&region=asia,europe", {(): {0: {"requests": 1}, 1: {"requests": 3}}}),
        ("metric=requests&datacenter=FRA", {(): {0: {"requests": 1}}}),
        ("metric=requests&domain=b.example,c.example", {(): {0: {"requests": 1}}}),
        ("metric=requests&domain=a.example&datacenter=AMS&group_by=domain", {("a.example",): {0: {"requests": 1}}}),
        ("metric=requests&domain=c.example", {}),
        (
            "metric=requests&group_by=none&cursor=&domain=&region=&limit=",
            {(): {0: {"requests": 2}, 1: {"requests": 3}}},
        ),
        (f"metric=requests&end={THIS_MINUTE + MINUTE}", {(): {0: {"requests": 2}}}),
        (f"metric=requests&start={THIS_MINUTE + MINUTE + 1}", {(): {1: {"requests": 3}}}),
    ],
)
async def test_questions(running: Served, question: str, expected: Values) -> None:
    assert found(await running.get(f"{DOMAINS}?downsample=minute&{question}")) == expected


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("second", [THIS_MINUTE, THIS_MINUTE + 1])
async def test_an_empty_interval_has_nothing(running: Served, tier: str, second: int) -> None:
    answer = await running.get(f"{DOMAINS}?downsample={tier}&start={second}&end={second}")

    assert answer["data"] == []
    assert (answer["meta"]["start"], answer["meta"]["end"]) == (iso(second), iso(second))
    assert "holes" not in answer["meta"]


async def test_origins_are_by_host(running: Served) -> None:
    answer = await running.get(f"{ORIGINS}?downsample=minute&metric=responses&group_by=host&host=app,db")

    assert found(answer) == {("app",): {0: {"responses": 2}, 1: {"responses": 3}}}
    assert answer["data"][0]["dimensions"] == {"host": "app"}
    assert answer["meta"]["filters"] == {"host": "app,db", "hosts": "app,db"}
    assert (answer["meta"]["sort"], answer["meta"]["group_by"]) == ("host", "host")


async def test_pages_have_all_series_once(running: Served) -> None:
    question = f"{DOMAINS}?downsample=minute&metric=requests&group_by=domain,datacenter&limit=1"
    seen: list[Any] = []
    cursor = ""
    for _ in range(3):
        answer = await running.get(f"{question}&cursor={cursor}")
        assert len(answer["data"]) == answer["meta"]["limit"] == 1
        seen += found(answer)
        cursor = answer["meta"]["next_cursor"]

    assert cursor == ""
    assert seen == [("a.example", "AMS"), ("a.example", "TYO"), ("b.example", "FRA")]


PAGED = "downsample=minute&metric=requests&group_by=domain,datacenter"


@pytest.mark.parametrize(
    "same",
    [
        f"{PAGED}&limit=2",
        "downsample=minute&metric=requests,requests&group_by=datacenter,domain&domain=",
        f"{PAGED}&start={THIS_MINUTE}&end={THIS_MINUTE + HOUR}",
    ],
)
async def test_a_cursor_is_for_all_pages_of_its_question(running: Served, same: str) -> None:
    cursor = (await running.get(f"{DOMAINS}?{PAGED}&limit=1"))["meta"]["next_cursor"]

    assert next(iter(found(await running.get(f"{DOMAINS}?{same}&cursor={cursor}")))) == ("a.example", "TYO")


@pytest.mark.parametrize(
    ("path", "other"),
    [
        (DOMAINS, "downsample=hour&metric=requests&group_by=domain,datacenter"),
        (DOMAINS, "downsample=minute&metric=edge_requests&group_by=domain,datacenter"),
        (DOMAINS, "downsample=minute&metric=requests&group_by=domain,region"),
        (DOMAINS, "downsample=minute&metric=requests&group_by=domain"),
        (DOMAINS, f"{PAGED}&domain=a.example"),
        (DOMAINS, f"{PAGED}&datacenter=AMS"),
        (DOMAINS, f"{PAGED}&region=usa"),
        ("/metrics/domains/services/other", PAGED),
        (ORIGINS, "downsample=minute&metric=status_2xx&group_by=host,datacenter"),
    ],
)
async def test_a_cursor_is_for_no_other_question(running: Served, path: str, other: str) -> None:
    cursor = (await running.get(f"{DOMAINS}?{PAGED}&limit=1"))["meta"]["next_cursor"]
    answer = await running.client.get(f"{path}?{other}&cursor={cursor}")

    assert answer.status_code == 400
    assert answer.json()["msg"].startswith("cursor: expected the next_cursor of a page of the same question, got ")


async def test_a_cursor_is_good_after_a_restart(tmp_path: Path) -> None:
    settings: dict[str, Json] = {"journal": {"kind": "memory", "data_dir": str(tmp_path)}}
    async with served(settings) as running:
        await running.push(record(0), record(0, domain="b.example"))
        await running.to(2)
        question = f"{DOMAINS}?downsample=minute&metric=requests&group_by=domain&limit=1"
        cursor = (await running.get(question))["meta"]["next_cursor"]
    async with served(settings) as running:
        await running.to(3)
        answer = await running.get(f"{question}&cursor={cursor}")

    assert list(found(answer)) == [("b.example",)]


async def test_at_most_200_series_are_on_a_page(running: Served) -> None:
    for limit in ("201", "1" * 21, "0" * 20 + "201"):
        assert (await running.get(f"{DOMAINS}?limit={limit}"))["meta"]["limit"] == 200


async def test_an_unknown_service_has_no_data(running: Served) -> None:
    assert (await running.get("/metrics/domains/services/nothing"))["data"] == []


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        ("downsample=second", "downsample: expected one of: minute, hour, day, got 'second'"),
        ("metric=request", "no such metric: 'request' (see /openapi.json for the list); did you mean requests?"),
        ("metric=responses", "no such metric: 'responses' (see /openapi.json for the list)"),
        (
            "metric=status_1xx,status_2xx,status_3xx,status_4xx,status_5xx,tls_v10,tls_v11,tls_v12,tls_v13,http2,http3",
            "metric: expected 1 to 10 of them, got 11",
        ),
        ("metric=,", "metric: expected 1 to 10 of them, got 0"),
        ("group_by=host", "group_by: expected some of: domain, datacenter, region, or none, got 'host'"),
        ("start=x", "start: expected Unix seconds or a date such as 2026-11-28T08:00:00Z, got 'x'"),
        ("start=10&end=9", "start must not be after end (got 10 and 9)"),
        ("limit=0", "limit must be an integer of at least 1 (got '0')"),
        ("limit=-1", "limit must be an integer of at least 1 (got '-1')"),
        ("cursor=x", "cursor: expected the next_cursor of a page of the same question, got 'x'"),
        (
            "region=europa",
            "region: expected some of: usa, europe, asia,",
        ),
    ],
)
async def test_what_is_not_valid_is_refused_with_the_reason(running: Served, question: str, problem: str) -> None:
    answer = await running.client.get(f"{DOMAINS}?{question}")

    assert answer.status_code == 400
    assert answer.json()["status"] == "error"
    assert answer.json()["msg"].startswith(problem)


async def test_too_many_values_are_refused(running: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgetally.history.paging.MAX_VALUES", 1)
    answer = await running.client.get(f"{DOMAINS}?downsample=minute")

    assert answer.status_code == 400
    assert "narrow it down" in answer.json()["msg"]


async def test_answers_are_not_stored(running: Served) -> None:
    answer = await running.client.get(DOMAINS)

    assert answer.headers["cache-control"] == "no-store"
    assert "Accept-Encoding" in answer.headers["vary"]


async def test_large_answers_are_compressed_for_who_takes_it(running: Served) -> None:
    for path, is_large in (("/stats", True), (f"{DOMAINS}?downsample=minute", False)):
        packed = await running.client.get(path, headers={"Accept-Encoding": "gzip"})
        plain = await running.client.get(path, headers={"Accept-Encoding": "identity"})

        assert ("content-encoding" in packed.headers) == is_large
        assert "content-encoding" not in plain.headers
        assert packed.json() == plain.json()
        assert "Accept-Encoding" in plain.headers["vary"]


async def test_a_restart_with_another_journal_goes_on(tmp_path: Path) -> None:
    settings: dict[str, Json] = {"journal": {"kind": "memory", "data_dir": str(tmp_path)}}
    async with served(settings) as running:
        await running.push(record(0))
        await running.to(2)
    async with served(settings) as running:
        await running.push(record(0))
        await running.to(3)
        answer = await running.get(f"{DOMAINS}?downsample=minute&metric=requests")

    assert found(answer) == {(): {0: {"requests": 2}}}
