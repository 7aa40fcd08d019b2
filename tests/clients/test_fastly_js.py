"""The official client for JavaScript, `fastly` from npm, unchanged."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clients import NODE, READER, TRAFFIC, Standin, by_name, needs_clients, needs_hosts

pytestmark = [*needs_clients(), *needs_hosts()]


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """A server that has sealed a second of two services."""
    with by_name(tmp_path_factory.mktemp("standin")) as running:
        running.push(*TRAFFIC)
        running.push(*TRAFFIC, service_id="blog")
        yield running


def call(standin: Standin, *calls: tuple[str, str, dict[str, object]], token: str = READER.token) -> list[Any]:
    """Make these calls, and return what each results in."""
    results: list[Any] = json.loads(standin.run("node", NODE / "ask.mjs", given=json.dumps(calls), token=token))
    return results


def forms(api: str, what: str) -> list[tuple[str, str, dict[str, object]]]:
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
