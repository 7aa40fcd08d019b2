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

UNTOTALLED = frozenset(f"fastly_domain_{name}" for name in DOMAIN_COUNTERS if not name.endswith("_total"))
"""Counters whose names do not end in `_total`."""


def domain_samples(fields: Json) -> Iterator[tuple[str, dict[str, str], Fraction]]:
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


def origin_samples(fields: Json) -> Iterator[tuple[str, dict[str, str], Fraction]]:
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
        counts = [of(f"latency_{span}") for span in LATENCIES]
        for number, bound in enumerate([*BOUNDS, "+Inf"]):
            le = bound if bound == "+Inf" else repr(float(bound))
            yield "latency_seconds_bucket", {"source": source, "le": le}, sum(counts[: number + 1], Fraction(0))
        ends = [*map(Fraction, BOUNDS), BEYOND]
        total = sum((count * end for count, end in zip(counts, ends, strict=True)), Fraction(0))
        yield "latency_seconds_sum", {"source": source}, total
        yield "latency_seconds_count", {"source": source}, sum(counts, Fraction(0))


def exported(
    entries: Mapping[str, Iterable[Json]], service_id: str, *, name: str = "", split_by_pop: bool = True
) -> Samples:
    """Return the samples of a service after these entries, by dataset (`domains`, `origins`), oldest first."""
    found: defaultdict[tuple[str, Labels], Fraction] = defaultdict(Fraction)
    tables: dict[str, tuple[str, Callable[[Json], Iterator[tuple[str, dict[str, str], Fraction]]]]] = {
        "domains": ("domain", domain_samples),
        "origins": ("origin", origin_samples),
    }
    for dataset, (label, samples) in tables.items():
        for entry in entries.get(dataset, ()):
            for pop, keys in (entry["datacenter"] if split_by_pop else {"aggregate": entry["aggregated"]}).items():
                for key, fields in keys.items():
                    own = {"service_id": service_id, "service_name": name or service_id, "datacenter": pop, label: key}
                    for sample, labels, value in samples(fields):
                        place = (f"fastly_{label}_{sample}", frozenset({**own, **labels}.items()))
                        found[place] = value if sample in RATIOS else found[place] + value
    return {place: float(value) for place, value in found.items()}
