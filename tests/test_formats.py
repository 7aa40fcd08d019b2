"""Lines of every format but the canonical one, as their servers document them, and what they count as."""

import json
from typing import Any

from edgetally._core import Fold, Window

NOW = 1_795_315_900


def counted(format: str, line: str) -> dict[str, Any]:
    """Fold one line; return what it adds, by dataset and key."""
    fold = Fold(service_id="shop", pop="LAB", format=format)
    fold.feed(line.encode() + b"\n", NOW)
    assert fold.report().rejections == []
    window = Window(domains=9, origins=9, addresses=9, pops=9, services=9)
    window.merge(fold.drain())
    (sealed,) = window.seal(NOW)
    return {dataset: json.loads(sealed.entry(dataset))["aggregated"] for dataset in ("domains", "origins")}


def cloudflare(**fields: object) -> dict[str, Any]:
    usual = {"EdgeEndTimestamp": NOW, "ClientRequestHost": "shop.example", "EdgeResponseStatus": 200}
    return counted("cloudflare", json.dumps({**usual, **fields}))


def traefik(**fields: object) -> dict[str, Any]:
    usual = {"StartUTC": "2026-11-22T02:51:07.76349387Z", "RequestHost": "shop.example", "DownstreamStatus": 200}
    return counted("traefik", json.dumps({**usual, "ServiceName": "app@file", "ServiceAddr": "10.0.0.7:80", **fields}))


def cloudfront(*columns: str) -> dict[str, Any]:
    return counted("cloudfront", "\t".join(columns))


def test_a_hit_at_cloudflare_is_no_fetch() -> None:
    added = cloudflare(CacheCacheStatus="hit", OriginIP="", OriginResponseStatus=0, EdgeRequestHost="")
    assert added["domains"]["shop.example"]["edge_hit_requests"] == 1
    assert "origin_fetches" not in added["domains"]["shop.example"]
    assert added["origins"] == {}


def test_a_subrequest_of_a_cloudflare_worker_is_not_an_edge_request() -> None:
    fetched = {"OriginIP": "192.0.2.7", "OriginResponseStatus": 200, "EdgeRequestHost": "api.example"}
    added = cloudflare(ClientRequestSource="edgeWorkerFetch", **fetched)
    assert added["domains"]["shop.example"]["requests"] == 1
    assert "edge_requests" not in added["domains"]["shop.example"]
    assert added["origins"]["api.example"]["responses"] == 1
    for end_user in ("eyeball", "orangeToOrange", "inBrowserChallenge"):
        assert cloudflare(ClientRequestSource=end_user)["domains"]["shop.example"]["edge_requests"] == 1


def test_a_latency_that_cloudflare_did_not_measure_is_in_no_bucket() -> None:
    fetched = {"OriginIP": "192.0.2.7", "OriginResponseStatus": 200, "EdgeRequestHost": "app"}
    for took, bucket in ((0, set[str]()), (38, {"latency_10_to_50ms", "all_latency_10_to_50ms"})):
        origin = cloudflare(OriginResponseHeaderReceiveDurationMs=took, **fetched)["origins"]["app"]
        assert {name for name in origin if "latency" in name} == bucket


def test_cloudflares_status_522_for_an_unreachable_origin_is_no_response() -> None:
    added = cloudflare(EdgeResponseStatus=522, OriginIP="192.0.2.7", OriginResponseStatus=522)
    assert added["domains"]["shop.example"]["origin_fetches"] == 1
    assert added["origins"] == {}


def test_a_traefik_request_counts_in_the_second_in_which_it_ended() -> None:
    line = '{"StartUTC":"2026-11-22T02:51:07.9Z","Duration":%d,"DownstreamStatus":200}'
    fold = Fold(service_id="shop", pop="LAB", format="traefik")
    for took in (99_999_999, 100_000_000):
        fold.feed(line.encode() % took + b"\n", NOW)
    window = Window(domains=9, origins=9, addresses=9, pops=9, services=9)
    window.merge(fold.drain())
    assert [sealed.second % 60 for sealed in window.seal(NOW)] == [7, 8]


def test_an_error_that_traefik_answers_itself_is_no_response() -> None:
    own = traefik(DownstreamStatus=502, OriginStatus=502, OriginContentSize=11)
    assert own["domains"]["shop.example"]["origin_fetches"] == 1
    assert own["origins"] == {}
    of_origin = traefik(DownstreamStatus=502, OriginStatus=502, OriginContentSize=12)
    assert of_origin["origins"]["app@file"]["status_502"] == 1


def test_a_traefik_answer_without_a_server_address_is_no_fetch() -> None:
    added = traefik(DownstreamStatus=503, ServiceAddr="", OriginStatus=503, OriginContentSize=20)
    assert "origin_fetches" not in added["domains"]["shop.example"]


def test_a_head_request_at_cloudfront_has_no_body() -> None:
    columns = ("310", "AMS54-C1", "HTTP/2.0", "TLSv1.3", "Hit", "100")
    for method, body in (("GET", 100), ("HEAD", 0)):
        added = cloudfront(f"{NOW}.123", "200", "400", method, "shop.example", *columns)["domains"]["shop.example"]
        assert (added["resp_header_bytes"], added.get("resp_body_bytes", 0)) == (400 - body, body)


def test_a_cloudfront_viewer_that_disconnected_early_is_a_request() -> None:
    columns = ("310", "AMS54-C1", "HTTP/1.1", "-", "Error", "-")
    added = cloudfront(f"{NOW}.9", "000", "0", "GET", "shop.example", *columns)
    assert added["domains"] == {"shop.example": {"requests": 1, "edge_requests": 1}}
