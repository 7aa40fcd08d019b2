"""The official client for Python, `fastly` from PyPI, unchanged: it can be given an address."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastly
import httpx
import pytest
from fastly.api.dictionary_api import DictionaryApi
from fastly.api.domain_inspector_historical_api import DomainInspectorHistoricalApi
from fastly.api.domain_inspector_realtime_api import DomainInspectorRealtimeApi
from fastly.api.historical_api import HistoricalApi
from fastly.api.origin_inspector_historical_api import OriginInspectorHistoricalApi
from fastly.api.origin_inspector_realtime_api import OriginInspectorRealtimeApi
from fastly.api.pop_api import PopApi
from fastly.api.product_brotli_compression_api import ProductBrotliCompressionApi
from fastly.api.product_domain_inspector_api import ProductDomainInspectorApi
from fastly.api.product_origin_inspector_api import ProductOriginInspectorApi
from fastly.api.realtime_api import RealtimeApi
from fastly.api.service_api import ServiceApi
from fastly.api.tls_certificates_api import TlsCertificatesApi
from fastly.api.tokens_api import TokensApi
from fastly.api.version_api import VersionApi
from fastly.model.domain_inspector_measurements import DomainInspectorMeasurements
from fastly.model.origin_inspector_measurements import OriginInspectorMeasurements
from fastly.model_utils import validate_and_convert_types

from edgetally.model import measurements
from tests.support.clients import CHANNEL, READER, TRAFFIC, by_address
from tests.support.process import serving
from tests.support.programs import skip_or_fail
from tests.support.served import Json, ndjson
from tests.support.tokens import bearer, write

ONLY_HITS: Json = {"domain": "c.example", "status": 200, "cache": "HIT"}


@pytest.fixture(scope="module")
def api() -> Iterator[fastly.ApiClient]:
    """The official client, whose server has sealed two seconds with traffic."""
    with serving("--aggregate-delay", "1") as server, httpx.Client(base_url=server.url, timeout=30) as plain:
        cursor = plain.get("/v1/domains/svc/ts/h").json()["Timestamp"]
        for _ in range(2):
            assert plain.post("/ingest/svc", content=ndjson([*TRAFFIC, ONLY_HITS])).json()["rejected"] == 0
            cursor = plain.get(f"/v1/domains/svc/ts/{cursor}").json()["Timestamp"]
        configuration = fastly.Configuration(host=server.url)
        configuration.api_token = "made-up"
        with fastly.ApiClient(configuration) as client:
            yield client


def test_its_token_is_the_token_of_this_server(tmp_path: Path) -> None:
    reader = bearer("read", "svc")
    tokens = write(tmp_path / "tokens.jsonl", reader)
    with serving("--token-file", str(tokens)) as server:
        configuration = fastly.Configuration(host=server.url)
        with fastly.ApiClient(configuration) as client:
            configuration.api_token = reader.token
            assert DomainInspectorRealtimeApi(client).get_domain_inspector_last120_seconds("svc").data == []
            assert OriginInspectorRealtimeApi(client).get_origin_inspector_last120_seconds("svc").data == []

            with pytest.raises(fastly.ApiException) as another:
                DomainInspectorRealtimeApi(client).get_domain_inspector_last120_seconds("other")
            configuration.api_token = "made-up"
            with pytest.raises(fastly.ApiException) as unknown:
                OriginInspectorRealtimeApi(client).get_origin_inspector_last_second("svc", 0)

    for refused in (another, unknown):
        assert refused.value.status == 403
        body = json.loads(refused.value.body)
        assert body["Error"] == "invalid authentication"
        assert body["Timestamp"] > 0


def typed(api: fastly.ApiClient, measured: Json) -> Any:  # noqa: ANN401 - the client has no types
    """Hold the measurements of a domain, which the client leaves as they are, against its own list of them."""
    return validate_and_convert_types(
        measured,
        (DomainInspectorMeasurements,),
        ["aggregated"],
        spec_property_naming=True,
        _check_type=True,
        configuration=api.configuration,
    )


def test_the_domain_inspector_is_read(api: fastly.ApiClient) -> None:
    inspector = DomainInspectorRealtimeApi(api)

    history = inspector.get_domain_inspector_last120_seconds("svc")
    limited = inspector.get_domain_inspector_last_max_entries("svc", 100)
    since = inspector.get_domain_inspector_last_second("svc", 1)

    assert 1 <= len(history.data) <= 2
    assert [entry.recorded for entry in limited.data] == [entry.recorded for entry in history.data]
    assert [entry.recorded for entry in since.data] == [entry.recorded for entry in history.data]
    assert history.aggregate_delay == 1
    assert history.timestamp > history.data[-1].recorded
    for answer in (history, limited, since):
        measured = [typed(api, entry.aggregated["a.example"]) for entry in answer.data]
        assert sum(one.requests for one in measured) == len(TRAFFIC)  # half of two pushes
        assert sum(one.status_404 for one in measured) == len(TRAFFIC) // 2
        assert sum(one.http2 for one in measured) == len(TRAFFIC)
        assert sum(one.resp_body_bytes for one in measured) == len(TRAFFIC) * 5_000_000_000
        assert {one.edge_hit_ratio for one in measured} == {0.5}
        assert set(answer.data[0].datacenter) == {"AMS", "FRA", "local"}


def test_the_origin_inspector_is_read(api: fastly.ApiClient) -> None:
    inspector = OriginInspectorRealtimeApi(api)

    history = inspector.get_origin_inspector_last120_seconds("svc")
    limited = inspector.get_origin_inspector_last_max_entries("svc", 100)
    since = inspector.get_origin_inspector_last_second("svc", 1)

    for answer in (history, limited, since):
        measured = [entry.aggregated["app"] for entry in answer.data]
        assert sum(one.responses for one in measured) == 2 * len(TRAFFIC)
        assert sum(one.all_responses for one in measured) == 2 * len(TRAFFIC)
        assert sum(one.latency_10_to_50ms for one in measured) == 2 * len(TRAFFIC)
        assert sum(one.status_4xx for one in measured) == len(TRAFFIC)
        assert set(answer.data[0].datacenter) == {"AMS", "FRA"}


@pytest.mark.parametrize(
    ("dataset", "model"), [("domains", DomainInspectorMeasurements), ("origins", OriginInspectorMeasurements)]
)
def test_every_measurement_is_one_that_the_client_knows(dataset: str, model: Any) -> None:  # noqa: ANN401
    known = set(model.attribute_map.values())
    ours = {row.name for row in measurements(dataset)}
    assert ours <= known
    assert {name for name in known - ours if not name.startswith("waf_")} == set()


def test_a_ratio_that_is_whole_is_still_a_number_that_the_client_takes(api: fastly.ApiClient) -> None:
    history = DomainInspectorRealtimeApi(api).get_domain_inspector_last120_seconds("svc")
    (ratio,) = {typed(api, entry.aggregated["c.example"]).edge_hit_ratio for entry in history.data}
    assert ratio == 1


def test_the_last_second_of_an_idle_service_is_no_data(api: fastly.ApiClient) -> None:
    for answer in (
        DomainInspectorRealtimeApi(api).get_domain_inspector_last_second("idle", 0),
        OriginInspectorRealtimeApi(api).get_origin_inspector_last_second("idle", 0),
    ):
        assert answer.data == []
        assert answer.timestamp > 0


def test_a_refusal_is_one_that_the_client_knows(api: fastly.ApiClient) -> None:
    with pytest.raises(fastly.ApiException) as refused:
        DomainInspectorRealtimeApi(api).get_domain_inspector_last_second("no.service", 0)
    assert refused.value.status == 400
    assert "no.service" in json.loads(refused.value.body)["Error"]


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fastly.ApiClient]:
    """The official client with the token of one service. The settings have names."""
    with by_address(tmp_path_factory.mktemp("standin")) as standin:
        standin.push(*TRAFFIC)
        standin.push(*TRAFFIC, service_id="blog")
        configuration = fastly.Configuration(host=standin.url)
        configuration.api_token = READER.token
        with fastly.ApiClient(configuration) as client:
            yield client


class TestAround:
    pytestmark = skip_or_fail("curl")

    def test_the_channel_is_read_without_a_check(self, around: fastly.ApiClient) -> None:
        """The client takes the number `recorded` for an object, with Fastly, too."""
        with pytest.raises(fastly.ApiTypeError, match="recorded"):
            RealtimeApi(around).get_stats_last120_seconds("shop")
        (entry,) = RealtimeApi(around).get_stats_last120_seconds("shop", _check_return_type=False).data

        assert {name: entry["aggregated"][name] for name in CHANNEL} == CHANNEL

    def test_services(self, around: fastly.ApiClient) -> None:
        services = ServiceApi(around)
        listed, detail = services.list_services(), services.get_service_detail("shop")
        versions = VersionApi(around)

        assert [service.id for service in listed] == ["shop"]
        found = services.search_service("Web shop"), services.get_service("shop"), detail
        assert {service.name for service in (*listed, *found)} == {"Web shop"}
        assert detail.active_version.number == versions.get_service_version("shop", 1).number == 1
        assert [version.active for version in versions.list_service_versions("shop")] == [True]
        assert {domain.name for domain in services.list_service_domains("shop")} == {"a.example", "b.example"}
        assert DictionaryApi(around).list_dictionaries("shop", 1) == []

    @pytest.mark.parametrize("service", ["blog", "nowhere"])
    def test_services_beyond_the_token_are_refused(self, around: fastly.ApiClient, service: str) -> None:
        with pytest.raises(fastly.ApiException) as refused:
            ServiceApi(around).get_service(service)

        assert refused.value.status == 403
        assert "not authorized" in json.loads(refused.value.body)["msg"]

    def test_pops(self, around: fastly.ApiClient) -> None:
        pops = {pop.code: pop for pop in PopApi(around).list_pops()}

        assert pops.keys() == {"AMS", "FRA"}
        assert (pops["AMS"].name, pops["AMS"].coordinates.latitude) == ("Amsterdam", 52.3)

    def test_the_token(self, around: fastly.ApiClient) -> None:
        token = TokensApi(around).get_token_current()

        assert (token.name, token.services) == ("tools", ["shop"])

    def test_products_and_certificates(self, around: fastly.ApiClient) -> None:
        domains, origins = ProductDomainInspectorApi(around), ProductOriginInspectorApi(around)

        assert domains.get_product_domain_inspector("shop").product.id == "domain_inspector"
        assert origins.get_product_origin_inspector("shop").product.id == "origin_inspector"
        assert domains.get_services_product_domain_inspector().services == ["shop"]
        with pytest.raises(fastly.ApiException) as refused:
            ProductBrotliCompressionApi(around).get_product_brotli_compression("shop")
        assert refused.value.status == 400
        assert TlsCertificatesApi(around).list_tls_certs().data == []

    def test_the_history_of_the_inspectors_is_read_without_a_check(self, around: fastly.ApiClient) -> None:
        """The client's models contradict each other: it refuses every answer with data, Fastly's, too."""
        domains, origins = DomainInspectorHistoricalApi(around), OriginInspectorHistoricalApi(around)
        with pytest.raises(fastly.ApiValueError, match="allOf"):
            domains.get_domain_inspector_historical("shop")

        by_domain = domains.get_domain_inspector_historical(
            "shop", group_by="domain", metric="requests", downsample="minute", _check_return_type=False
        )
        by_host = origins.get_origin_inspector_historical("shop", group_by="host", _check_return_type=False)

        assert [
            (series["dimensions"], [one["requests"] for one in series["values"]]) for series in by_domain["data"]
        ] == [({"domain": "a.example"}, [8]), ({"domain": "b.example"}, [8])]
        assert [(series["dimensions"], series["values"][0]["responses"]) for series in by_host["data"]] == [
            ({"host": "app"}, 16)
        ]

    def test_the_history_of_services_is_read(self, around: fastly.ApiClient) -> None:
        history = HistoricalApi(around)

        assert [block.requests for block in history.get_hist_stats_service("shop", by="minute").data.value] == [16]
        assert [block.requests for block in history.get_hist_stats_aggregated().data.value] == [16]
        assert list(history.get_hist_stats(_check_return_type=False)["data"]) == ["shop"]
        assert [block["hits"] for block in history.get_hist_stats_service_field("shop", "hits").data.value] == [8]
        assert list(history.get_hist_stats_field("hits", _check_return_type=False)["data"]) == ["shop"]
        usage = history.get_usage(_check_return_type=False)["data"]
        assert {name: one["requests"] for name, one in usage.items() if one["requests"]} == {"europe": 8, "usa": 8}
        assert history.get_usage_service(_check_return_type=False)["data"]["usa"]["shop"]["requests"] == 8
        assert history.get_usage_month(_check_return_type=False)["data"]["services"] == {"shop": {"name": "Web shop"}}
        assert len(history.get_regions(_check_return_type=False)["data"]) == 9
