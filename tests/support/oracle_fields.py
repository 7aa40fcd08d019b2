"""The names of the measurements of every dataset, written out for the oracle."""

_RANGES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_CODES = (
    *("200", "204", "206", "301", "302", "304", "400", "401", "403", "404", "416", "429"),
    *("500", "501", "502", "503", "504", "505", "530"),
)


def _statuses(prefix: str, *, besides: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> set[str]:
    """Name the fields of one family of statuses: the five ranges and the codes that have a field of their own."""
    return {prefix + name for name in (*_RANGES, *_CODES, *besides) if name not in without}


def _sizes(*families: str) -> set[str]:
    """Name the header and the body bytes of every family."""
    return {f"{family}_{part}_bytes" for family in families for part in ("header", "body")}


LATENCIES = (
    (1, "latency_0_to_1ms"),
    (5, "latency_1_to_5ms"),
    (10, "latency_5_to_10ms"),
    (50, "latency_10_to_50ms"),
    (100, "latency_50_to_100ms"),
    (250, "latency_100_to_250ms"),
    (500, "latency_250_to_500ms"),
    (1000, "latency_500_to_1000ms"),
    (5000, "latency_1000_to_5000ms"),
    (10000, "latency_5000_to_10000ms"),
    (60000, "latency_10000_to_60000ms"),
)
"""The latency buckets but the last: the longest time that belongs to each in milliseconds, and its name."""

LAST_LATENCY = "latency_60000ms"

RATIOS = frozenset({"edge_hit_ratio", "origin_offload"})

_DOMAINS = (
    {"requests", "bandwidth", "origin_fetches"}
    | {"edge_requests", "edge_hit_requests", "edge_miss_requests"}
    | {"http2", "http3", "tls_v10", "tls_v11", "tls_v12", "tls_v13"}
    | {"compute_request", "compute_bereqs", "compute_bereq_errors"}
    | {"compute_execution_time_ms", "compute_request_time_ms", "compute_request_time_billed_ms"}
    | _sizes("resp", "edge_resp", "bereq", "origin_fetch_resp")
    | _sizes("compute_req", "compute_resp", "compute_bereq", "compute_beresp")
    | _statuses("status_", besides=("499",))
    | _statuses("origin_status_")
    | _statuses("compute_resp_status_", besides=("103",))
    | _statuses("compute_origin_status_")
    | RATIOS
)

_ORIGINS = {"responses", LAST_LATENCY} | {name for _, name in LATENCIES} | _sizes("resp") | _statuses("status_")

FIELDS: dict[str, frozenset[str]] = {
    "domains": frozenset(_DOMAINS),
    "origins": frozenset(family + name for family in ("", "compute_", "waf_", "all_") for name in _ORIGINS),
    "origin_insights": frozenset({"responses"} | _sizes("resp") | _statuses("status_", without=("206", "429", "530"))),
}
"""Every measurement of a dataset."""
