"""What the edges did, for Prometheus: the numbers are those of the JSON API, and the text is what parsers expect."""

import asyncio
import gzip
import json
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families as text_families

from edgetally._core import AGGREGATE, OTHER, Fold, Sealed, Window
from edgetally.api import fastly_metrics
from edgetally.config.validation import check
from edgetally.window.series import ExportedSeries
from tests.support import certificates
from tests.support.clock import START, until
from tests.support.oracle_exporter import RATIOS, UNTOTALLED, Labels, Samples, exported
from tests.support.served import Json, Served, ndjson, record, served
from tests.support.tokens import access, bearer

NOT_COUNTED = {
    f"fastly_rt_{name}"
    for name in ("service_info", "last_successful_response", "realtime_api_requests_total", "datacenter_info")
}
"""Of services and POPs as a whole."""

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.3"


def openmetrics_families(text: str) -> Iterable[Any]:
    families: Iterable[Any] = parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return families


def samples_of(families: Iterable[Any]) -> Samples:
    """Return every sample but those of services and POPs as a whole, with bounds as floats."""
    found: Samples = {}
    for family in families:
        for sample in family.samples:
            labels = dict(sample.labels)
            if "le" in labels:
                labels["le"] = labels["le"] if labels["le"] == "+Inf" else repr(float(labels["le"]))
            # This parser gives every counter a `_total`, and reads bounds as they are.
            name = sample.name.removesuffix("_total")
            place = (name if name in UNTOTALLED else sample.name, frozenset(labels.items()))
            assert place not in found, "a series comes twice"
            found[place] = sample.value
    return {place: value for place, value in found.items() if place[0] not in NOT_COUNTED}


def written(series: ExportedSeries, services: list[str] | None = None, *, openmetrics: bool = False) -> str:
    scrape = series.scrape(services, openmetrics=openmetrics)
    pieces = []
    while True:
        piece, is_end = scrape.write(5000)
        pieces.append(piece)
        if is_end:
            return b"".join(pieces).decode()


def read(series: ExportedSeries, services: list[str] | None = None) -> Samples:
    return samples_of(text_families(written(series, services)))


def sealed(records: Iterable[Json]) -> list[Sealed]:
    fold, window = Fold(), Window()
    fold.feed(b"".join(json.dumps(one).encode() + b"\n" for one in records), START)
    fold.finish(START)
    if partial := fold.drain():
        window.merge(partial)
    return window.seal(START + 100)


def make(**given: Any) -> ExportedSeries:  # noqa: ANN401 - limits
    return ExportedSeries(**{"series": 1_000_000, "domains": 1000, "origins": 1000, "split_by_pop": True, **given})


def entries(seconds: Iterable[Sealed]) -> dict[str, dict[str, list[Json]]]:
    """Return the entries by service and dataset."""
    found: defaultdict[str, dict[str, list[Json]]] = defaultdict(lambda: {"channel": [], "domains": [], "origins": []})
    for one in seconds:
        for dataset, shown in found[one.service_id].items():
            if one.has(dataset):
                shown.append(json.loads(one.entry(dataset)))
    return found


def names(samples: Samples, label: str) -> set[str]:
    return {dict(labels)[label] for _, labels in samples if label in dict(labels)}


# --- the numbers ------------------------------------------------------------------------------------------------------

REQUESTS = st.fixed_dictionaries(
    {"ts": st.integers(0, 4).map(lambda second: START + second), "status": st.sampled_from([103, 200, 304, 404, 503])},
    optional={
        "service_id": st.sampled_from(["one", "two"]),
        "pop": st.sampled_from(["AMS", "LHR", 'quoted " and \\']),
        "domain": st.sampled_from(["a.example", "b.example", "c.example"]),
        "cache": st.sampled_from(["HIT", "MISS", "PASS"]),
        "edge": st.booleans(),
        "proto": st.sampled_from(["HTTP/1.1", "HTTP/2.0", "HTTP/3"]),
        "tls": st.sampled_from(["TLSv1.2", "TLSv1.3"]),
        "compute": st.booleans(),
        "weight": st.integers(1, 10**5),
        "resp_header_bytes": st.integers(0, 2**40),
        "resp_body_bytes": st.integers(0, 2**40),
        "bereq_body_bytes": st.integers(0, 2**40),
        "beresp_body_bytes": st.integers(0, 2**40),
        "origin": st.sampled_from(["app", "images"]),
        "origin_ip": st.sampled_from(["192.0.2.1", "192.0.2.2"]),
        "origin_status": st.sampled_from([200, 206, 502]),
        "edge_time_ms": st.sampled_from([0, 5, 5.5, 623, 61_000]),
        "ipv6": st.booleans(),
        "restarts": st.integers(0, 3),
        "collapsed": st.sampled_from(["usable", "unusable"]),
        "origin_is_shield": st.booleans(),
        "req_body_bytes": st.integers(0, 2**20),
        "origin_ttfb_ms": st.sampled_from([0, 1, 2, 10, 11, 999, 60_000, 60_001]),
    },
)


def differences(one: Samples, other: Samples) -> dict[tuple[str, Labels], tuple[float | None, float | None]]:
    """Return what is not in both with the same value, but for the rounding of sums of floats."""
    return {
        place: (one.get(place), other.get(place))
        for place in one.keys() | other.keys()
        if place not in one or place not in other or not math.isclose(one[place], other[place], rel_tol=1e-12)
    }


@settings(max_examples=20, deadline=None)
@given(st.lists(REQUESTS, min_size=1, max_size=10))
def test_the_samples_are_those_of_the_exporter(records: list[Json]) -> None:
    series = make()
    seconds = sealed(records)
    series.add(START + 100, seconds)

    shown = entries(seconds)
    found = read(series)
    assert differences(found, {k: v for one in shown for k, v in exported(shown[one], one).items()}) == {}
    assert found == samples_of(openmetrics_families(written(series, openmetrics=True)))
    for service_id, ones in shown.items():
        assert differences(read(series, [service_id]), exported(ones, service_id)) == {}


@settings(max_examples=8, deadline=None)
@given(st.lists(REQUESTS, min_size=1, max_size=10))
def test_without_the_split_every_pop_is_the_aggregate(records: list[Json]) -> None:
    series = make(split_by_pop=False)
    seconds = sealed(records)
    series.add(START + 100, seconds)

    shown = entries(seconds)
    found = read(series)
    assert (
        differences(found, {k: v for one in shown for k, v in exported(shown[one], one, split_by_pop=False).items()})
        == {}
    )
    assert names(found, "datacenter") <= {AGGREGATE}


@settings(max_examples=8, deadline=None)
@given(st.lists(REQUESTS, min_size=1, max_size=10))
def test_counters_only_grow_and_no_series_goes_away(records: list[Json]) -> None:
    series = make()
    before: Samples = {}
    for one in sealed(records):
        series.add(one.second, [one])
        now = read(series)
        assert before.keys() <= now.keys()
        assert all(now[place] >= value for place, value in before.items() if not place[0].endswith(RATIOS))
        before = now


def sums(samples: Samples, *, without: tuple[str, ...]) -> Samples:
    """Return the sums of all counters over these labels."""
    found: defaultdict[tuple[str, Labels], float] = defaultdict(float)
    for (name, labels), value in samples.items():
        if not name.endswith(RATIOS) and value:
            found[name, frozenset((label, text) for label, text in labels if label not in without)] += value
    return dict(found)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda second, service, pop, domain: record(
                second, service_id=f"s{service}", pop=f"P{pop}", domain=f"d{domain}.example", origin=f"o{domain}"
            ),
            st.integers(0, 3),
            st.integers(0, 40),
            st.integers(0, 5),
            st.integers(0, 10),
        ),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_the_number_of_series_is_bounded_and_sums_stay_exact(records: list[Json], domains: int, kilos: int) -> None:
    limited, unlimited = make(series=kilos * 1000, domains=domains, origins=domains), make()
    for one in sealed(records):
        limited.add(one.second, [one])
        unlimited.add(one.second, [one])

    found, full = read(limited), read(unlimited)
    assert limited.count <= kilos * 1000 + 153 + 69 + 123  # the last keys: `_other` of all services
    assert len(found) <= limited.count
    every = ("service_id", "service_name", "datacenter", "domain", "origin")
    assert differences(sums(found, without=every), sums(full, without=every)) == {}
    if OTHER not in names(found, "service_id"):
        assert differences(sums(found, without=every[2:]), sums(full, without=every[2:])) == {}
    places = set().union(*(names(found, label) for label in ("service_id", "datacenter", "domain", "origin")))
    assert (limited.overflowed > 0) == (OTHER in places)


def test_made_up_domains_do_not_use_up_the_limit() -> None:
    series = make(domains=10)
    for second in range(100):
        one = [record(second, domain=f"{second}-{number}.invalid") for number in range(10)]
        (added,) = sealed([*one, record(second, domain="late.example")] if second > 50 else one)
        series.add(added.second, [added])

    shown = names(read(series), "domain")
    assert len(shown) <= 11
    assert "late.example" in shown


def test_a_service_and_a_pop_have_the_names_they_are_given() -> None:
    series = make()
    series.add(START, sealed([record(0)]))
    series.name({"svc": "shop"}, {"AMS": ("Amsterdam", "Europe", "52.3", "4.76"), "XYZ": ("Elsewhere", "", "", "")})

    text = written(series)
    assert 'service_id="svc",service_name="shop",datacenter="AMS",domain="a.example"' in text
    assert 'service_name="svc"' not in text
    assert '_info{datacenter="AMS",name="Amsterdam",group="Europe",latitude="52.3",longitude="4.76"} 1\n' in text
    assert '_info{datacenter="XYZ",name="Elsewhere",group="",latitude="",longitude=""} 1\n' in text


def test_counters_without_total_are_of_unknown_type_where_they_have_to_be() -> None:
    series = make()
    series.add(START, sealed([record(0)]))

    types = {one.name: one.type for one in openmetrics_families(written(series, openmetrics=True))}
    assert {name for name, kind in types.items() if kind == "unknown"} == UNTOTALLED
    text = {one.name: one.type for one in text_families(written(series))}
    assert {text[name] for name in UNTOTALLED} == {"counter"}


def test_there_is_nothing_before_the_first_second() -> None:
    assert written(make()) == ""
    assert written(make(), openmetrics=True) == "# EOF\n"


# --- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


async def scraped(service: Served, path: str = "/fastly/metrics", **headers: str) -> Samples:
    answer = await service.client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples_of(text_families(answer.text))


async def targets(service: Served, **headers: str) -> object:
    return await service.get("/fastly/sd", **headers)


async def shown(service: Served) -> dict[str, list[Json]]:
    """Return the entries of `svc` by dataset."""
    paths = {dataset: f"/v1/{dataset}/svc/ts/h" for dataset in ("channel", "domains", "origins")}
    return {dataset: (await service.get(path))["Data"] for dataset, path in paths.items()}


async def test_a_scrape_has_what_the_api_has(service: Served) -> None:
    await service.traffic([0, 1, 1, 3])
    await service.push(record(3, domain="b.example", pop="LHR", status=503), record(0, domain="late.example"))
    await service.to(6)

    assert await scraped(service) == exported(await shown(service), "svc")
    assert await scraped(service, "/fastly/metrics?target=svc") == await scraped(service, "/fastly/metrics?target=")
    assert await scraped(service, "/fastly/metrics?target=unknown") == {}


async def test_service_families_say_how_far_the_numbers_go(service: Served) -> None:
    await service.traffic([0, 2])
    await service.to(7)

    text = (await service.client.get("/fastly/metrics")).text
    of = '{service_id="svc",service_name="svc"'
    assert f'fastly_rt_service_info{of},service_version="1"}} 1\n' in text
    assert f"fastly_rt_last_successful_response{of}}} {START + 5}\n" in text
    assert f'fastly_rt_realtime_api_requests_total{of},result="success"}} 2\n' in text
    assert f'fastly_rt_realtime_api_requests_total{of},result="no data"}} 4\n' in text
    assert 'fastly_rt_datacenter_info{datacenter="AMS",name="AMS"' in text


async def test_services_and_pops_have_the_names_of_the_settings() -> None:
    named: dict[str, dict[str, object]] = {
        "services": {"svc": {"name": "shop"}},
        "pops": {"AMS": {"name": "Amsterdam", "group": "Europe", "latitude": 52.3, "longitude": 4.76}},
    }
    async with served(named) as service:
        await service.traffic([0])
        await service.to(3)

        assert await scraped(service) == exported(await shown(service), "svc", name="shop")
        text = (await service.client.get("/fastly/metrics")).text
        assert '{datacenter="AMS",name="Amsterdam",group="Europe",latitude="52.3",longitude="4.76"} 1\n' in text

        service.service.reload(check({"services": {"svc": {"name": "store"}}}))
        assert await scraped(service) == exported(await shown(service), "svc", name="store")


async def test_openmetrics_and_gzip_are_given_to_those_who_ask(service: Served) -> None:
    await service.traffic([0])
    await service.to(3)

    plain = await service.client.get("/fastly/metrics", headers={"Accept-Encoding": "identity"})
    answer = await service.client.get("/fastly/metrics", headers={"Accept": OPENMETRICS, "Accept-Encoding": "gzip"})

    assert "content-encoding" not in plain.headers
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text.endswith("# EOF\n")
    assert samples_of(openmetrics_families(answer.text)) == samples_of(text_families(plain.text))


async def test_a_large_scrape_comes_in_pieces(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastly_metrics, "PIECE_BYTES", 1000)
    await service.traffic([0])
    await service.to(3)

    for headers in ({"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}):
        answer = await service.client.get("/fastly/metrics", headers=headers)
        assert answer.headers["transfer-encoding"] == "chunked"
        assert samples_of(text_families(answer.text)) == exported(await shown(service), "svc")
    async with service.connect() as raw:
        await raw.send(b"GET /fastly/metrics HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
        body = (await raw.reader.read()).partition(b"\r\n\r\n")[2]
        assert samples_of(text_families(gzip.decompress(body).decode()))
    assert (await service.client.head("/fastly/metrics")).status_code == 200


async def test_a_large_scrape_comes_over_tls_too(tmp_path: Path) -> None:
    pair = certificates.make(tmp_path)
    async with (
        served({"api": pair.settings}) as service,
        httpx.AsyncClient(base_url=service.url, verify=pair.trusted(), timeout=None) as client,  # noqa: S113 - as there
    ):
        lines = ndjson(record(0, domain=f"{number}.example") for number in range(300))
        await client.post("/ingest", content=lines)
        await service.to(3)

        answer = await client.get("/fastly/metrics", headers={"Accept-Encoding": "identity"})
        assert len(answer.content) > 2_000_000
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.text.count("\nfastly_domain_requests_total{") == 300


async def test_too_many_scrapes_at_a_time_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastly_metrics, "PIECE_BYTES", 1000)
    domains = [record(0, domain=f"{number}.example") for number in range(300)]
    async with served({"fastly_metrics": {"max_scrapes": 1}}) as service, service.connect() as raw:
        await service.push(*domains)
        await service.to(3)
        # This one does not read its answer, which is larger than all buffers.
        await raw.send(b"GET /fastly/metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n")
        await raw.reader.readuntil(b"\r\n\r\n")

        refused = await service.client.get("/fastly/metrics")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert "fastly_metrics.max_scrapes" in refused.json()["Error"]
        assert service.service.fastly_metrics.limits_reached == {"fastly_metrics.max_scrapes": 1}

        raw.writer.transport.abort()
        await until(lambda: not service.service.fastly_metrics.answering)
        assert (await service.client.get("/fastly/metrics")).status_code == 200


async def test_services_are_discovered(service: Served) -> None:
    assert await targets(service) == [{"targets": []}]
    await service.push(record(0), record(0, service_id="another"))
    await service.to(3)

    assert await targets(service) == [{"targets": ["another", "svc"]}]
    await service.to(400)
    assert (await service.get("/"))["services"] == []
    assert await targets(service) == [{"targets": ["another", "svc"]}]


async def test_a_token_sees_its_services_alone() -> None:
    one, everything, push = bearer("read", "svc"), bearer("read", "*"), bearer("ingest", "*")
    async with served({"access": access(one, everything, push)}) as service:
        lines = ndjson([record(0), record(0, service_id="another")])
        await service.client.post("/ingest", content=lines, headers=push.header)
        await service.to(3)

        for reader, seen in ((one, ["svc"]), (everything, ["another", "svc"])):
            assert names(await scraped(service, **reader.header), "service_id") == {*seen}
            assert await targets(service, **reader.header) == [{"targets": seen}]
        for path, headers in (
            ("/fastly/metrics", push.header),
            ("/fastly/sd", push.header),
            ("/fastly/metrics", {}),
            ("/fastly/metrics?target=another", one.header),
        ):
            answer = await service.client.get(path, headers=headers)
            assert answer.status_code in (401, 403)
            assert "another" not in answer.text


async def test_a_token_that_is_withdrawn_ends_its_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastly_metrics, "PIECE_BYTES", 1000)
    reader, push = bearer("read", "svc"), bearer("ingest", "*")
    async with served({"access": access(reader, push)}) as service, service.connect() as raw:
        lines = ndjson(record(0, domain=f"{number}.example") for number in range(300))
        await service.client.post("/ingest", content=lines, headers=push.header)
        await service.to(3)
        await raw.send(b"GET /fastly/metrics HTTP/1.1\r\nHost: x\r\n%b\r\n" % reader.field)
        await raw.reader.readuntil(b"\r\n\r\n")

        service.service.policy.keys.replace({})

        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await raw.reader.readuntil(b"\r\n0\r\n\r\n")
