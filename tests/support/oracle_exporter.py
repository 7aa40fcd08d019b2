"""
What fastly-exporter would export, from the entries of the JSON API.

Written from what is known of the exporter, without a look at the core: a sample is a name, its labels and a value.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

Labels = frozenset[tuple[str, str]]
Samples = dict[tuple[str, Labels], float]
Json = Mapping[str, Any]

CODES = [*("200", "204", "206", "301", "302", "304", "400", "401", "403", "404", "416", "429"), "500", "501", "502"]
CODES += ["503", "504", "505", "530"]
GROUPS = ("1xx", "2xx", "3xx", "4xx", "5xx")
TLS = {"1.0": "tls_v10", "1.1": "tls_v11", "1.2": "tls_v12", "1.3": "tls_v13"}

DOMAIN_COUNTERS = {
    **{
        f"{field}_total": field
        for field in (
            *("requests", "edge_requests", "edge_hit_requests", "edge_miss_requests", "http2", "http3"),
            *("resp_header_bytes", "resp_body_bytes", "edge_resp_header_bytes", "edge_resp_body_bytes"),
            *("bereq_header_bytes", "bereq_body_bytes"),
        )
    },
    **{field: field for field in ("origin_fetches", "origin_fetch_resp_header_bytes", "origin_fetch_resp_body_bytes")},
}
RATIOS = ("edge_hit_ratio", "origin_offload")

BOUNDS = ["0.001", "0.005", "0.01", "0.05", "0.1", "0.25", "0.5", "1", "5", "10", "60"]
LATENCIES = [
    *("0_to_1ms", "1_to_5ms", "5_to_10ms", "10_to_50ms", "50_to_100ms", "100_to_250ms", "250_to_500ms"),
    *("500_to_1000ms", "1000_to_5000ms", "5000_to_10000ms", "10000_to_60000ms", "60000ms"),
]
BEYOND = Fraction(61)

CHANNEL_COUNTERS = {
    **{
        f"{field}_total": field
        for field in (
            *("requests", "resp_header_bytes", "header_size", "resp_body_bytes", "body_size", "http2", "http3"),
            *("req_header_bytes", "req_body_bytes", "bereq_header_bytes", "bereq_body_bytes", "ipv6", "restarts"),
            *("hits", "miss", "pass", "synth", "errors", "hits_time", "miss_time", "pass_time"),
            *("hit_resp_body_bytes", "miss_resp_body_bytes", "pass_resp_body_bytes"),
            *("edge_hit_requests", "edge_hit_resp_header_bytes", "edge_hit_resp_body_bytes"),
            *("edge_miss_requests", "edge_miss_resp_header_bytes", "edge_miss_resp_body_bytes"),
            *("edge_resp_header_bytes", "edge_resp_body_bytes", "shield_resp_header_bytes", "shield_resp_body_bytes"),
            *("shield_hit_requests", "shield_hit_resp_header_bytes", "shield_hit_resp_body_bytes"),
            *("shield_miss_requests", "shield_miss_resp_header_bytes", "shield_miss_resp_body_bytes"),
            *("origin_fetches", "origin_fetch_header_bytes", "origin_fetch_body_bytes"),
            *("origin_fetch_resp_header_bytes", "origin_fetch_resp_body_bytes", "origin_revalidations"),
            *("shield", "shield_fetches", "shield_fetch_header_bytes", "shield_fetch_body_bytes"),
            *("shield_fetch_resp_header_bytes", "shield_fetch_resp_body_bytes", "shield_revalidations"),
            *("compute_requests", "compute_req_header_bytes", "compute_req_body_bytes"),
            *("compute_resp_header_bytes", "compute_resp_body_bytes", "compute_bereq_errors"),
            *("compute_bereq_header_bytes", "compute_bereq_body_bytes"),
            *("compute_beresp_header_bytes", "compute_beresp_body_bytes"),
        )
    },
    "edge_total": "edge_requests",
    "request_collapse_usable_total": "request_collapse_usable_count",
    "request_collapse_unusable_total": "request_collapse_unusable_count",
    "compute_bereq_total": "compute_bereqs",
}
COMPUTE_TIMES = ("compute_execution_time", "compute_request_time", "compute_request_time_billed")
MISS_BOUNDS = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2", "4", "8", "16", "32", "60"]
SIZES = {"1k": 1024, "10k": 10240, "100k": 102400, "1m": 1.024e6, "10m": 1.024e7, "100m": 1.024e8, "1g": 1.024e9}

UNTOTALLED = frozenset(f"fastly_domain_{name}" for name in DOMAIN_COUNTERS if not name.endswith("_total"))
"""Counters whose names do not end in `_total`."""


Sample = tuple[str, dict[str, str], Fraction]


def histogram(name: str, bounds: Iterable[str], counts: Mapping[Fraction, Fraction]) -> Iterator[Sample]:
    """Yield the samples of a histogram, from how often each value was observed."""
    for bound in bounds:
        within = (count for value, count in counts.items() if value <= Fraction(bound))
        yield f"{name}_bucket", {"le": repr(float(bound))}, sum(within, Fraction(0))
    yield f"{name}_bucket", {"le": "+Inf"}, sum(counts.values(), Fraction(0))
    yield f"{name}_sum", {}, sum((value * count for value, count in counts.items()), Fraction(0))
    yield f"{name}_count", {}, sum(counts.values(), Fraction(0))


def channel_samples(fields: Json) -> Iterator[Sample]:
    """Yield name, labels and value of the samples of a service."""

    def of(field: str) -> Fraction:
        return Fraction(str(fields.get(field, 0)))

    for name, field in CHANNEL_COUNTERS.items():
        yield name, {}, of(field)
    for name in COMPUTE_TIMES:
        yield f"{name}_total", {}, of(f"{name}_ms") / 1000
    for code in [*CODES, "406"]:
        yield "status_code_total", {"status_code": code}, of(f"status_{code}")
    for code in CODES:
        yield "compute_status_code_total", {"status_code": code}, of(f"compute_resp_status_{code}")
    for group in GROUPS:
        yield "status_group_total", {"status_group": group}, of(f"status_{group}")
        yield "compute_resp_status_total", {"status_group": group}, of(f"compute_resp_status_{group}")
    yield "http_total", {"http_version": "1"}, of("requests") - of("http2") - of("http3")
    yield "http_total", {"http_version": "2"}, of("http2")
    yield "http_total", {"http_version": "3"}, of("http3")
    for version, field in TLS.items():
        yield "tls_total", {"tls_version": version}, of(field)
    misses = fields["miss_histogram"].items()
    times = {Fraction(int(ms), 1000): Fraction(count) for ms, count in misses}
    yield from histogram("miss_duration_seconds", MISS_BOUNDS, times)
    sizes = {Fraction(size): of(f"object_size_{name}") for name, size in SIZES.items()}
    yield from histogram("object_size_bytes", [str(size) for size in SIZES.values()], sizes)


def domain_samples(fields: Json) -> Iterator[Sample]:
    """Yield name, labels and value of the samples of one domain."""
    for name, field in DOMAIN_COUNTERS.items():
        yield name, {}, Fraction(fields.get(field, 0))
    for name in RATIOS:
        yield name, {}, Fraction(fields.get(name, 0))
    for prefix in ("", "origin_"):
        for code in CODES:
            yield f"{prefix}status_code_total", {"status_code": code}, Fraction(fields.get(f"{prefix}status_{code}", 0))
        for group in GROUPS:
            value = Fraction(fields.get(f"{prefix}status_{group}", 0))
            yield f"{prefix}status_group_total", {"status_group": group}, value
    for version, field in TLS.items():
        yield "tls_total", {"tls_version": version}, Fraction(fields.get(field, 0))


def origin_samples(fields: Json) -> Iterator[Sample]:
    """Yield name, labels and value of the samples of one origin."""
    for source, prefix in (("delivery", ""), ("compute", "compute_"), ("waf", "waf_")):

        def of(field: str, prefix: str = prefix) -> Fraction:
            return Fraction(fields.get(prefix + field, 0))

        for field in ("responses", "resp_header_bytes", "resp_body_bytes"):
            yield f"{field}_total", {"source": source}, of(field)
        for code in CODES:
            yield "status_code_total", {"source": source, "status_code": code}, of(f"status_{code}")
        for group in GROUPS:
            yield "status_group_total", {"source": source, "status_group": group}, of(f"status_{group}")
        ends = [*map(Fraction, BOUNDS), BEYOND]
        times = dict(zip(ends, (of(f"latency_{span}") for span in LATENCIES), strict=True))
        for name, labels, value in histogram("latency_seconds", BOUNDS, times):
            yield name, {"source": source, **labels}, value


def exported(
    entries: Mapping[str, Iterable[Json]], service_id: str, *, name: str = "", split_by_pop: bool = True
) -> Samples:
    """Return the samples of a service after these entries, by dataset, oldest first."""
    found: defaultdict[tuple[str, Labels], Fraction] = defaultdict(Fraction)
    tables: dict[str, tuple[str, Callable[[Json], Iterator[Sample]]]] = {
        "channel": ("rt", channel_samples),
        "domains": ("domain", domain_samples),
        "origins": ("origin", origin_samples),
    }
    for dataset, (label, samples) in tables.items():
        for entry in entries.get(dataset, ()):
            for pop, keys in (entry["datacenter"] if split_by_pop else {"aggregate": entry["aggregated"]}).items():
                for key, fields in ({"": keys} if dataset == "channel" else keys).items():
                    own = {"service_id": service_id, "service_name": name or service_id, "datacenter": pop}
                    own |= {label: key} if key else {}
                    for sample, labels, value in samples(fields):
                        place = (f"fastly_{label}_{sample}", frozenset({**own, **labels}.items()))
                        found[place] = value if sample in RATIOS else found[place] + value
    return {place: float(value) for place, value in found.items()}
