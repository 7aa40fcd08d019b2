"""The official client for JavaScript, `fastly` from npm, unchanged."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clients import CHANNEL, NODE, TRAFFIC, Standin, by_name, needs_clients, needs_hosts

pytestmark = [*needs_clients(), *needs_hosts()]


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """A server that has sealed a second of two services."""
    with by_name(tmp_path_factory.mktemp("standin")) as running:
        running.push(*TRAFFIC)
        running.push(*TRAFFIC, service_id="blog")
        yield running


Call = tuple[str, str, dict[str, object]]
"""A class of the client, a method and its options."""


def call(standin: Standin, *calls: Call) -> list[Any]:
    """Make these calls, and return what each results in."""
    results: list[Any] = json.loads(standin.run("node", NODE / "ask.mjs", given=json.dumps(calls)))
    return results


def forms(api: str, what: str) -> list[Call]:
    """Return the calls that ask for a dataset, in each form of the path."""
    return [
        (api, f"get{what}Last120Seconds", {"service_id": "shop"}),
        (api, f"get{what}LastMaxEntries", {"service_id": "shop", "max_entries": 100}),
        (api, f"get{what}LastSecond", {"service_id": "shop", "start_timestamp": 1}),
    ]


def test_domains(standin: Standin) -> None:
    for result in call(standin, *forms("DomainInspectorRealtimeApi", "DomainInspector")):
        (entry,) = result["data"]["Data"]
        assert entry["aggregated"].keys() == {"a.example", "b.example"}
        assert entry["datacenter"].keys() == {"AMS", "FRA"}
        for measured in entry["aggregated"].values():
            assert measured["requests"] == len(TRAFFIC) // 2
            assert measured["status_404"] == len(TRAFFIC) // 4
            assert measured["resp_body_bytes"] == len(TRAFFIC) // 2 * 5_000_000_000
            assert measured["edge_hit_ratio"] == 0.5


def test_origins(standin: Standin) -> None:
    for result in call(standin, *forms("OriginInspectorRealtimeApi", "OriginInspector")):
        (entry,) = result["data"]["Data"]
        measured = entry["aggregated"]["app"]
        assert measured["responses"] == measured["latency_10_to_50ms"] == len(TRAFFIC)
        assert measured["status_4xx"] == len(TRAFFIC) // 2
        assert entry["datacenter"].keys() == {"AMS", "FRA"}


def test_the_channel(standin: Standin) -> None:
    calls: list[Call] = [
        ("RealtimeApi", "getStatsLast120Seconds", {"service_id": "shop"}),
        ("RealtimeApi", "getStatsLast120SecondsLimitEntries", {"service_id": "shop", "max_entries": 100}),
        ("RealtimeApi", "getStatsLastSecond", {"service_id": "shop", "timestamp_in_seconds": 1}),
    ]
    for result in call(standin, *calls):
        (entry,) = result["data"]["Data"]
        assert {name: entry["aggregated"][name] for name in CHANNEL} == CHANNEL
        assert entry["datacenter"].keys() == {"AMS", "FRA"}
        assert entry["recorded"] == {}, "the client takes this number for an object, with Fastly, too"


def test_services(standin: Standin) -> None:
    every, one, detail, found, versions, version, domains, dictionaries = (
        result["data"]
        for result in call(
            standin,
            ("ServiceApi", "listServices", {}),
            ("ServiceApi", "getService", {"service_id": "shop"}),
            ("ServiceApi", "getServiceDetail", {"service_id": "shop"}),
            ("ServiceApi", "searchService", {"name": "Web shop"}),
            ("VersionApi", "listServiceVersions", {"service_id": "shop"}),
            ("VersionApi", "getServiceVersion", {"service_id": "shop", "version_id": 1}),
            ("ServiceApi", "listServiceDomains", {"service_id": "shop"}),
            ("DictionaryApi", "listDictionaries", {"service_id": "shop", "version_id": 1}),
        )
    )

    assert [service["id"] for service in every] == ["shop"]
    assert {service["name"] for service in (*every, one, detail, found)} == {"Web shop"}
    assert detail["active_version"]["number"] == version["number"] == 1
    assert versions == [version]
    assert {domain["name"] for domain in domains} == {"a.example", "b.example"}
    assert dictionaries == []


def test_pops_and_the_token(standin: Standin) -> None:
    pops, token = call(standin, ("PopApi", "listPops", {}), ("TokensApi", "getTokenCurrent", {}))

    places = {pop["code"]: (pop["name"], pop["region"]) for pop in pops["data"]}
    assert places == {"AMS": ("Amsterdam", "EU-West"), "FRA": ("FRA", "North-America")}
    assert token["data"]["name"] == "tools"
    assert token["data"]["services"] == ["shop"]


def test_products_and_certificates(standin: Standin) -> None:
    shop: dict[str, object] = {"service_id": "shop"}
    domains, origins, other, services, certificates = call(
        standin,
        ("ProductDomainInspectorApi", "getProductDomainInspector", shop),
        ("ProductOriginInspectorApi", "getProductOriginInspector", shop),
        ("ProductBrotliCompressionApi", "getProductBrotliCompression", shop),
        ("ProductDomainInspectorApi", "getServicesProductDomainInspector", {}),
        ("TlsCertificatesApi", "listTlsCerts", {}),
    )

    assert domains["data"]["product"]["id"] == "domain_inspector"
    assert origins["data"]["product"]["id"] == "origin_inspector"
    assert other["status"] == 400
    assert services["data"]["services"] == ["shop"]
    assert certificates["data"]["data"] == []


def test_services_beyond_the_token_are_refused(standin: Standin) -> None:
    calls: list[Call] = [
        ("ServiceApi", "getService", {"service_id": "blog"}),
        ("RealtimeApi", "getStatsLast120Seconds", {"service_id": "blog"}),
    ]
    assert [result["status"] for result in call(standin, *calls)] == [403, 403]


def test_history(standin: Standin) -> None:
    domains, origins, blocks, usage = (
        result["data"]
        for result in call(
            standin,
            (
                "DomainInspectorHistoricalApi",
                "getDomainInspectorHistorical",
                {"service_id": "shop", "group_by": "domain", "metric": "requests", "downsample": "minute"},
            ),
            (
                "OriginInspectorHistoricalApi",
                "getOriginInspectorHistorical",
                {"service_id": "shop", "group_by": "host"},
            ),
            ("HistoricalApi", "getHistStatsService", {"service_id": "shop", "by": "hour"}),
            ("HistoricalApi", "getUsage", {}),
        )
    )

    # The client's model of values has no timestamp.
    shown = [(series["dimensions"]["domain"], series["values"][0]["requests"]) for series in domains["data"]]
    assert shown == [("a.example", 8), ("b.example", 8)]
    assert [series["values"][0]["responses"] for series in origins["data"]] == [16]
    assert [block["requests"] for block in blocks["data"]] == [16]
    assert usage["data"]["usa"]["requests"] == 8
