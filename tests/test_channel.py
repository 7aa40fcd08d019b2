"""What holds between the fields of the channel, for every log."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgetally
from edgetally.model import measurements
from tests.support import records, records_formats
from tests.support.oracle_values import MAX_COUNTER

NOW = records.NOW
COUNTERS = [one.name for one in measurements("channel") if one.kind == "counter"]
RANGES = ("1xx", "2xx", "3xx", "4xx", "5xx")
SIZES = ("1k", "10k", "100k", "1m", "10m", "100m", "1g", "other")


def logs() -> st.SearchStrategy[tuple[str, bytes]]:
    formats = st.sampled_from(records_formats.FORMATS)
    others = formats.flatmap(lambda format: st.tuples(st.just(format), records_formats.log(format)))
    return st.one_of(st.tuples(st.just("canonical"), records.log()), others)


def entries(format: str, data: bytes) -> list[tuple[edgetally.Entry, dict[str, Any]]]:
    """Fold a log; return its entries, each with its channel as the API shows it."""
    folded = edgetally.fold(data, format=format, now=NOW, threads=1, allow_damaged=True)
    return [(entry, json.loads(entry.json("channel"))) for entry in folded if "channel" in entry.datasets]


def total(shown: dict[str, Any], *names: str) -> int:
    return sum(shown.get(name, 0) for name in names)


def is_saturated(shown: dict[str, Any]) -> bool:
    return any(shown.get(name) == MAX_COUNTER for name in COUNTERS)


@given(logs())
@settings(deadline=None)
def test_fields_add_up(log: tuple[str, bytes]) -> None:
    for _, entry in entries(*log):
        for shown in (entry["aggregated"], *entry["datacenter"].values()):
            if is_saturated(shown):
                continue
            responses = total(shown, *(f"status_{name}" for name in RANGES))
            assert total(shown, *(f"object_size_{name}" for name in SIZES)) == responses
            assert sum(shown["miss_histogram"].values()) <= shown["miss"]
            assert total(shown, "hits", "miss", "pass", "synth", "errors") <= shown["requests"]
            assert total(shown, "http2", "http3") <= shown["requests"]
            assert total(shown, "edge_requests") <= shown["requests"]
            assert shown["hits"] == total(shown, "edge_hit_requests", "shield_hit_requests")
            assert shown["miss"] == total(shown, "edge_miss_requests", "shield_miss_requests")
            assert (shown["miss_time"] > 0) <= bool(shown["miss_histogram"])
            assert all(name in shown for name in ("hits_time", "header_size", "body_size"))


@given(logs())
@settings(deadline=None)
def test_the_sum_is_that_of_all_pops(log: tuple[str, bytes]) -> None:
    for _, entry in entries(*log):
        if is_saturated(entry["aggregated"]):
            continue
        added, misses = Counter[str](), Counter[str]()
        for shown in entry["datacenter"].values():
            added.update({name: shown[name] for name in COUNTERS if name in shown})
            misses.update(shown["miss_histogram"])
        assert +added == +Counter({name: entry["aggregated"].get(name, 0) for name in COUNTERS})
        assert misses == entry["aggregated"]["miss_histogram"]


@given(logs())
@settings(deadline=None)
def test_what_domains_count_too_is_the_sum_of_the_domains(log: tuple[str, bytes]) -> None:
    shared = {one.name for one in measurements("domains") if one.kind == "counter"} & set(COUNTERS)
    for entry, channel in entries(*log):
        if is_saturated(channel["aggregated"]):
            continue
        for pop, domains in entry.domains_by_pop.items():
            added = Counter[str]()
            for shown in domains.values():
                added.update({name: count for name, count in shown.items() if name in shared})
            of_pop = channel["datacenter"][pop]
            assert added == Counter({name: of_pop[name] for name in shared if of_pop.get(name)})


def test_every_miss_is_in_the_histogram_where_every_time_is_logged() -> None:
    times = range(0, 70_000, 7)
    fetch = '"origin_ip":"a","origin_status":200,"origin_ttfb_ms"'
    lines = [f'{{"ts":{NOW},"status":200,"cache":"MISS",{fetch}:{ms}}}' for ms in times]
    (entry,) = edgetally.fold(iter(lines))

    histogram = entry.channel["miss_histogram"]
    assert isinstance(histogram, dict)
    assert sum(histogram.values()) == entry.channel["miss"] == len(lines)
    assert list(histogram) == sorted(histogram, key=int)
    assert histogram["1"] == 1  # 0 ms
    assert histogram["60000"] == sum(55_000 < ms <= 60_000 for ms in times)
    assert histogram["60001"] == sum(ms > 60_000 for ms in times)


@pytest.mark.parametrize("compute", ["false", "true"])
def test_a_fetch_from_a_shield_counts_in_the_channel_alone_whoever_asks(compute: str) -> None:
    fetch = {"ip": "10.0.0.7", "status": 304, "bereq_header_bytes": 3, "beresp_body_bytes": 5, "is_shield": True}
    line = json.dumps({"ts": NOW, "domain": "a.example", "weight": 2, "compute": compute, "origins": [fetch]})
    (entry,) = edgetally.fold(iter([line]))

    counted = {name: count for name, count in entry.channel.items() if count}
    assert counted == {
        "shield": 2,
        "shield_fetches": 2,
        "shield_revalidations": 2,
        "shield_fetch_header_bytes": 6,
        "shield_fetch_resp_body_bytes": 10,
    }
    assert not any(entry.origins.values())
