"""Routes, and the refusals of requests that match none."""

import asyncio
from typing import NamedTuple

import httpx
import pytest

from tests.support.clock import START
from tests.support.served import Served, record, served


async def test_the_index_lists_services_and_endpoints(service: Served) -> None:
    await service.push(record(0), record(0, service_id="another"))
    await service.to(2)

    index = await service.get("/")

    assert index["name"] == "edgetally"
    assert index["services"] == ["another", "svc"]
    pages = ["fastly_metrics", "openapi", "healthz", "readyz", "metrics", "rejected"]
    assert sorted(index["links"]) == sorted(["channel", "domains", "origins", "origin_insights", "push", *pages])
    assert all(link.startswith(service.url) for link in index["links"].values())
    for name in ("channel", "domains", "origins", "origin_insights", *pages):
        assert (await service.client.get(index["links"][name])).status_code == 200
    assert (await service.client.post(index["links"]["push"], content=b"")).status_code == 200


async def test_the_index_of_an_idle_server_has_no_services_and_working_links(service: Served) -> None:
    index = await service.get("/")
    assert index["services"] == []
    for name in ("channel", "domains", "origins", "origin_insights"):
        assert (await service.client.get(index["links"][name])).json()["Data"] == []


async def test_the_index_needs_no_host_header(service: Served) -> None:
    async with service.connect() as raw:
        answer = await raw.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert answer.json()["links"]["openapi"] == "/openapi.json"


async def test_extra_slashes_are_ignored(service: Served) -> None:
    for path in ("/v1/domains/svc/ts/h/", "//v1/domains/svc/ts/h", "/openapi.json/"):
        async with service.connect() as raw:
            assert (await raw.ask(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())).status == 200


async def test_a_path_may_be_percent_encoded(service: Served) -> None:
    async with service.connect() as raw:
        answer = await raw.ask(b"GET /%76%31/domains/s%76c/ts/%68?x=y HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 200


class Case(NamedTuple):
    name: str
    path: str
    status: int
    problem: str  # part of it


AT_LEAST_1 = "max_entries must be an integer of at least 1"

CASES = [
    Case("no such page", "/nothing", 404, "no such endpoint: /nothing (see / for the list)"),
    Case("no such dataset", "/v1/nothing/svc/ts/0", 404, "no such endpoint: /v1/nothing/svc/ts/0 ("),
    Case("no such query", "/v1/domains/svc/ts/0/max/3", 404, "/limit/"),
    Case("a service id with a dot", "/v1/domains/a.b/ts/0", 400, "'a.b'"),
    Case("a service id of 65 letters", f"/v1/domains/{'a' * 65}/ts/0", 400, "service id"),
    Case("a service id that is not UTF-8", "/v1/domains/%ff%fe/ts/0", 400, "service id"),
    Case("a service id that leads elsewhere", "/v1/domains/..%5C..%5Cetc/ts/0", 400, "service id"),
    Case("a blank service id", "/v1/domains/%20/ts/0", 400, "service id"),
    Case("a service id with a newline", "/v1/domains/svc%0A/ts/0", 400, "service id"),
    Case(
        "a timestamp that is a word",
        "/v1/domains/svc/ts/now",
        400,
        "start_timestamp must be an integer of at least 0 (got 'now')",
    ),
    Case(
        "a timestamp that is negative",
        "/v1/domains/svc/ts/-1",
        400,
        "start_timestamp must be an integer of at least 0 (got '-1')",
    ),
    Case("a timestamp with a plus", "/v1/domains/svc/ts/+1", 400, "start_timestamp"),
    Case("a timestamp with a fraction", "/v1/domains/svc/ts/1.5", 400, "start_timestamp"),
    Case("a timestamp with an underscore", "/v1/domains/svc/ts/1_000", 400, "start_timestamp"),
    Case("a timestamp in other digits", "/v1/domains/svc/ts/%D9%A3", 400, "start_timestamp"),
    Case(
        "a timestamp of 19 digits",
        f"/v1/domains/svc/ts/{'1' * 19}",
        400,
        f"start_timestamp must have at most 18 digits (got 19: '{'1' * 19}')",
    ),
    Case(
        "a limit that is a word",
        "/v1/domains/svc/ts/h/limit/all",
        400,
        "max_entries must be an integer of at least 1 (got 'all')",
    ),
    Case("a limit of 0", "/v1/domains/svc/ts/h/limit/0", 400, f"{AT_LEAST_1} (got '0')"),
    Case("a limit of 0 behind a cursor", "/v1/domains/svc/ts/5/limit/0", 400, f"{AT_LEAST_1} (got '0')"),
    Case("a limit that is negative", "/v1/domains/svc/ts/h/limit/-5", 400, f"{AT_LEAST_1} (got '-5')"),
    Case("a channel of an unknown kind", "/v1/channel/svc/ts/0?kind=x", 400, "unknown kind 'x' (expected origin_insi"),
    Case("a channel, kind in capitals", "/v1/channel/svc/ts/0?kind=Origin_Insights", 400, "expected origin_insights"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_refusal_names_the_problem(service: Served, case: Case) -> None:
    answer = await service.client.get(case.path)
    assert answer.status_code == case.status
    assert case.problem in answer.json()["Error"]
    assert answer.json()["Timestamp"] == START


@pytest.mark.parametrize("query", ["", "?kind=", "?", "?kind=&kind=", "?other=1"])
async def test_a_channel_without_a_kind_is_the_service_as_a_whole(service: Served, query: str) -> None:
    await service.push(record(0, pop="AMS"), record(0, pop="FRA", domain="b.example"))
    await service.to(2)

    for suffix in ("0", "h", "h/limit/1", f"{START}", f"{START}/limit/1"):
        (entry,) = (await service.get(f"/v1/channel/svc/ts/{suffix}{query}"))["Data"]
        assert entry["recorded"] == START
        assert entry["aggregated"]["requests"] == 2
        assert {pop: shown["requests"] for pop, shown in entry["datacenter"].items()} == {"AMS": 1, "FRA": 1}


@pytest.mark.parametrize("limit", ["121", "1" * 21, "9" * 5_000, "0" * 20 + "3"])
async def test_a_limit_may_be_larger_than_what_there_is(service: Served, limit: str) -> None:
    await service.traffic(range(2))
    await service.to(4)

    for start in ("h", "1"):
        shown = (await service.get(f"/v1/domains/svc/ts/{start}/limit/{limit}"))["Data"]
        assert [entry["recorded"] for entry in shown] == [START, START + 1]


async def test_an_unknown_service_is_idle(service: Served) -> None:
    for path in (
        "domains/unknown/ts/h",
        "origins/unknown/ts/h",
        "channel/unknown/ts/h",
        "channel/unknown/ts/h?kind=origin_insights",
    ):
        assert (await service.get(f"/v1/{path}"))["Data"] == []


async def test_unknown_parameters_of_reads_are_ignored(service: Served) -> None:
    assert (await service.client.get("/v1/domains/svc/ts/h?kind=nothing&x")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/openapi.json", "/v1/domains/svc/ts/h", "/.well-known/fastly/logging/challenge"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_endpoints_for_reading_refuse_other_methods(service: Served, method: str, path: str) -> None:
    answer = await service.client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert answer.json()["Error"].startswith(f"method {method} not allowed")


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/v1/domains/svc/ts/h", "/ingest", "/ingest/svc"])
async def test_options_and_405_list_the_same_methods(service: Served, path: str) -> None:
    options = await service.client.options(path)
    refused = await service.client.delete(path)
    assert options.headers["Allow"] == refused.headers["Allow"]


# Delayed refusals


DELAYED = [
    ("a bad timestamp", "GET", "/v1/domains/svc/ts/now", 400),
    ("a bad service id", "GET", "/v1/domains/a.b/ts/0", 400),
    ("an unknown kind", "GET", "/v1/channel/svc/ts/0?kind=x", 400),
    ("an unknown dataset", "GET", "/v1/nothing/svc/ts/0", 404),
    ("a method that is not allowed", "POST", "/v1/domains/svc/ts/0", 405),
]


@pytest.mark.parametrize(("name", "method", "path", "status"), DELAYED, ids=[name for name, *_ in DELAYED])
async def test_refusals_of_reads_are_delayed(name: str, method: str, path: str, status: int) -> None:
    """A client that retries at once would otherwise keep both sides busy."""
    assert name
    async with served({"api": {"error_delay": 1.0}}) as service, service.connect() as raw:
        await raw.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = asyncio.create_task(raw.answer())
        await service.to(0.999)
        assert not answer.done()
        await service.to(1)
        assert (await answer).status == status
        assert (await answer).json()["Timestamp"] == START + 1
        assert (await raw.ask(b"GET /v1/domains/svc/ts/h HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("GET", "/ingest"), ("POST", "/ingest/a.b")])
async def test_other_refusals_are_not_delayed(method: str, path: str) -> None:
    async with served({"api": {"error_delay": 1.0}}) as service:
        assert (await service.client.request(method, path)).status_code >= 400


async def test_a_client_that_disconnects_before_its_refusal_leaves_nothing_behind() -> None:
    async with served({"api": {"error_delay": 1.0}}) as service:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), service.connect() as raw:
                await raw.ask(b"GET /v1/domains/a.b/ts/0 HTTP/1.1\r\nHost: x\r\n\r\n")
        await service.to(3)
        assert not service.service.server.connections


async def test_a_cached_answer_belongs_to_its_request(service: Served, client: httpx.AsyncClient) -> None:
    await service.push(record(0), record(0, service_id="other", domain="other.example"))
    await service.to(2)
    for _ in range(2):
        for service_id, domain in (("svc", "a.example"), ("other", "other.example")):
            (entry,) = (await client.get(f"/v1/domains/{service_id}/ts/0")).json()["Data"]
            assert list(entry["aggregated"]) == [domain]
