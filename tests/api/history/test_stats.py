"""`/stats…`: the service as a whole, in the shape that real clients read."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgetally.api.history.answers import MAX_COUNT
from edgetally.api.history.parameters import CHANNEL_FIELDS
from edgetally.config.regions import USUAL_BILLING_REGIONS
from edgetally.history.tiers import DAY, MINUTE, TIERS
from edgetally.model import MAX_WEIGHT
from tests.support.clock import START
from tests.support.served import Json, Served, record, served
from tests.support.tokens import access, bearer

TODAY = START - START % DAY
EVERY, READER, SENDER = bearer("read", "*"), bearer("read", "svc"), bearer("ingest", "*")


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a history of two services in two regions."""
    settings: dict[str, Json] = {
        "access": access(EVERY, READER, SENDER),
        "journal": {"kind": "memory", "data_dir": str(tmp_path)},
        "pops": {"AMS": {"region": "EU-West"}},
        "services": {"svc": {"name": "Shop"}},
    }
    async with served(settings) as service:
        service.client.headers.update(EVERY.header)
        lines = [
            record(0, cache="HIT", resp_header_bytes=10),
            record(0, pop="IAD", cache="MISS", status=503),
            record(0, service_id="blog", pop="IAD", domain="blog.example", cache="PASS"),
        ]
        pushed = await service.client.post("/ingest", json=lines, headers=SENDER.header)
        assert pushed.json()["accepted"] == 3
        await service.to(MINUTE)
        yield service


async def test_a_block_has_every_field_of_the_channel(running: Served) -> None:
    answer = await running.get("/stats/service/svc")

    (block,) = answer["data"]
    assert set(block) == {*CHANNEL_FIELDS, "start_time", "service_id"}
    assert (block["start_time"], block["service_id"]) == (TODAY, "svc")
    shown = {
        name: block[name] for name in ("requests", "hits", "miss", "hit_ratio", "status_5xx", "bandwidth", "http3")
    }
    assert shown == {
        "requests": 2,
        "hits": 1,
        "miss": 1,
        "hit_ratio": 0.5,
        "status_5xx": 1,
        "bandwidth": 210,
        "http3": 0,
    }
    assert (answer["status"], answer["msg"]) == ("success", None)
    assert answer["meta"] == {
        "to": "2026-11-22 02:21:00 UTC",
        "from": "2026-10-23 02:21:00 UTC",
        "by": "day",
        "region": "all",
    }


async def test_a_block_is_the_entry_of_the_channel(running: Served) -> None:
    (entry,) = (await running.get("/v1/channel/svc/ts/h"))["Data"]
    (block,) = (await running.get("/stats/service/svc?by=minute"))["data"]

    for name, value in entry["aggregated"].items():
        assert name == "miss_histogram" or block[name] == value


async def test_one_field_is_there_also_when_it_is_0(running: Served) -> None:
    of_one = await running.get("/stats/service/svc/field/status_404?by=hour")
    of_all = await running.get("/stats/field/requests?from=yesterday&to=now")
    ratio = await running.get("/stats/service/blog/field/hit_ratio")

    assert [(one["status_404"], one["service_id"], len(one)) for one in of_one["data"]] == [(0, "svc", 3)]
    assert {name: [one["requests"] for one in blocks] for name, blocks in of_all["data"].items()} == {
        "blog": [1],
        "svc": [2],
    }
    assert [one["hit_ratio"] for one in ratio["data"]] == [None]


async def test_all_services_are_listed_or_added_up(running: Served) -> None:
    listed = (await running.get("/stats"))["data"]
    chosen = (await running.get("/stats?services=blog,nothing"))["data"]
    (block,) = (await running.get("/stats/aggregate"))["data"]

    assert {name: blocks[0]["requests"] for name, blocks in listed.items()} == {"blog": 1, "svc": 2}
    assert list(chosen) == ["blog"]
    assert (block["requests"], block["hit_ratio"], "service_id" in block) == (3, 0.5, False)


async def test_a_token_sees_its_services_alone(running: Served) -> None:
    (block,) = (await running.get("/stats/aggregate", **READER.header))["data"]

    assert list((await running.get("/stats", **READER.header))["data"]) == ["svc"]
    assert block["requests"] == 2
    assert (await running.client.get("/stats/service/blog", headers=READER.header)).status_code == 403


async def test_regions_and_pops_filter(running: Served) -> None:
    async def requests(question: str) -> list[int]:
        return [one["requests"] for one in (await running.get(f"/stats/service/svc?{question}"))["data"]]

    assert await requests("region=europe") == [1]
    assert await requests("region=europe,usa") == [2]
    assert await requests("region=all") == [2]
    assert await requests("datacenter=IAD") == [1]
    assert await requests("region=asia") == []
    assert (await running.get("/stats/service/svc?region=europe"))["meta"]["region"] == "europe"


@pytest.mark.parametrize("tier", TIERS)
async def test_an_empty_interval_has_nothing(running: Served, tier: str) -> None:
    question = f"by={tier}&from={START + 1}&to={START + 1}"
    usage = (await running.get(f"/stats/usage?{question}"))["data"]
    by_service = (await running.get(f"/stats/usage_by_service?{question}"))["data"]

    for path in ("service/svc", "service/svc/field/requests", "aggregate"):
        assert (await running.get(f"/stats/{path}?{question}"))["data"] == []
    assert (await running.get(f"/stats?{question}"))["data"] == {}
    assert {one["requests"] for one in usage.values()} == {0}
    assert [one for one in by_service.values() if any(used["requests"] for used in one.values())] == []


async def test_usage_is_by_region(running: Served) -> None:
    usage = (await running.get("/stats/usage"))["data"]
    by_service = (await running.get("/stats/usage_by_service"))["data"]
    by_month = (await running.get("/stats/usage_by_month?year=2026&month=11"))["data"]

    nothing = {"bandwidth": 0, "requests": 0, "compute_requests": 0}
    assert set(usage) == set(USUAL_BILLING_REGIONS)
    assert usage["europe"] == {"bandwidth": 110, "requests": 1, "compute_requests": 0}
    assert usage["usa"] == {"bandwidth": 200, "requests": 2, "compute_requests": 0}
    assert usage["asia"] == nothing
    assert {name: one["requests"] for name, one in by_service["usa"].items()} == {"blog": 1, "svc": 1}
    assert by_service["asia"] == {}
    assert by_month["total"] == usage
    assert by_month["services"] == {"blog": {"name": "blog"}, "svc": {"name": "Shop"}}
    assert (await running.get("/stats/usage_by_month?year=2025&month=1"))["data"]["total"]["usa"] == nothing


async def test_windows_count_whole_and_meta_repeats_what_was_asked(running: Served) -> None:
    usage = await running.get(f"/stats/usage?from={START + 30}&to={START + 31}")

    assert (usage["data"]["europe"]["requests"], usage["data"]["usa"]["requests"]) == (1, 2)
    assert (usage["meta"]["from"], usage["meta"]["to"]) == ("2026-11-22 02:20:30 UTC", "2026-11-22 02:20:31 UTC")


async def test_sums_stop_where_counters_do(running: Served) -> None:
    full = record(MINUTE, resp_header_bytes=MAX_COUNT, weight=MAX_WEIGHT)
    for service_id in ("svc", "blog"):
        await running.client.post("/ingest", json=[{**full, "service_id": service_id}], headers=SENDER.header)
    await running.to(MINUTE + 5)
    fields = [(await running.get(f"/stats/service/svc{one}"))["data"][0] for one in ("", "/field/bandwidth")]
    (total,) = (await running.get("/stats/aggregate"))["data"]
    by_minute = await running.get("/stats/usage?by=minute")
    by_service = await running.get("/stats/usage_by_service")

    assert {one["bandwidth"] for one in [*fields, total, by_minute["data"]["europe"]]} == {MAX_COUNT}
    assert by_service["data"]["europe"]["blog"]["bandwidth"] == MAX_COUNT


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/stats/field/nothing", "no such metric: 'nothing' (see /openapi.json for the list)"),
        (
            "/stats/service/svc/field/miss_histogram",
            "no such metric: 'miss_histogram' (see /openapi.json for the list)",
        ),
        ("/stats?by=week", "by: expected one of: minute, hour, day, got 'week'"),
        ("/stats?from=soon", "from: expected Unix seconds or a date such as 2026-11-28T08:00:00Z, or `2 weeks ago`"),
        ("/stats?from=now&to=yesterday", "from must not be after to"),
        ("/stats/usage_by_month?month=13", "expected a year from 1970 to 9998 and a month from 1 to 12"),
        ("/stats/usage_by_month?year=x", "year must be an integer of at least 1 (got 'x')"),
    ],
)
async def test_what_is_not_valid_is_refused_with_the_reason(running: Served, path: str, problem: str) -> None:
    answer = await running.client.get(path)

    assert answer.status_code == 400
    assert answer.json()["status"] == "error"
    assert answer.json()["msg"].startswith(problem)
