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

OBJECT_SIZES = (
    (1024, "object_size_1k"),
    (10 * 1024, "object_size_10k"),
    (100 * 1024, "object_size_100k"),
    (1024**2, "object_size_1m"),
    (10 * 1024**2, "object_size_10m"),
    (100 * 1024**2, "object_size_100m"),
    (1024**3, "object_size_1g"),
)
"""The classes of body sizes but the last: the smallest size that is too large for each, and its name."""

LAST_OBJECT_SIZE = "object_size_other"

MISS_TIMES = (
    *range(1, 11),
    *range(20, 251, 10),
    *range(300, 1001, 50),
    *range(1100, 3001, 100),
    *range(3500, 10001, 500),
    *range(11000, 20001, 1000),
    *range(25000, 60001, 5000),
)
"""The upper ends of the buckets of `miss_histogram` but the last, in milliseconds."""

LAST_MISS_TIME = 60001

RATIOS = frozenset({"edge_hit_ratio", "hit_ratio", "origin_offload"})

TIMES = frozenset({"hits_time", "miss_time", "pass_time"})
"""Seconds."""

ALWAYS = frozenset(
    {"requests", "resp_header_bytes", "header_size", "resp_body_bytes", "body_size", "hits", "miss", "pass", "synth"}
    | {"errors", "hits_time", "miss_time", "miss_histogram"}
)
"""What entries of the channel have when it is 0, too."""


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
    | {"edge_hit_ratio", "origin_offload"}
)

_ALL = ("all_hit", "all_miss", "all_pass", "all_synth", "all_error", "all_edge_hit", "all_edge_miss")

_CHANNEL = (
    ALWAYS
    | {"edge_requests", "edge_hit_requests", "edge_miss_requests", "shield_hit_requests", "shield_miss_requests"}
    | {f"{name}_requests" for name in _ALL}
    | {f"all_status_{name}" for name in _RANGES}
    | {"http2", "http3", "tls", "tls_v10", "tls_v11", "tls_v12", "tls_v13", "ipv6", "restarts", "pass_time"}
    | {"request_collapse_usable_count", "request_collapse_unusable_count", "hit_ratio", "origin_offload"}
    | {"origin_fetches", "origin_revalidations", "shield", "shield_fetches", "shield_revalidations"}
    | {"hit_resp_body_bytes", "miss_resp_body_bytes", "pass_resp_body_bytes", LAST_OBJECT_SIZE}
    | {name for _, name in OBJECT_SIZES}
    | {"compute_requests", "compute_bereqs", "compute_bereq_errors", "compute_service_bereq_error"}
    | {"compute_execution_time_ms", "compute_request_time_ms", "compute_request_time_billed_ms"}
    | _sizes("req", "edge_resp", "shield_resp", "bereq", "origin_fetch", "origin_fetch_resp")
    | _sizes("edge_hit_resp", "edge_miss_resp", "shield_hit_resp", "shield_miss_resp")
    | _sizes("shield_fetch", "shield_fetch_resp")
    | _sizes("compute_req", "compute_resp", "compute_bereq", "compute_beresp")
    | _statuses("status_", besides=("406", "499"))
    | _statuses("compute_resp_status_", besides=("103",))
)

_ORIGINS = {"responses", LAST_LATENCY} | {name for _, name in LATENCIES} | _sizes("resp") | _statuses("status_")

FIELDS: dict[str, frozenset[str]] = {
    "channel": frozenset(_CHANNEL),
    "domains": frozenset(_DOMAINS),
    "origins": frozenset(family + name for family in ("", "compute_", "waf_", "all_") for name in _ORIGINS),
    "origin_insights": frozenset({"responses"} | _sizes("resp") | _statuses("status_", without=("206", "429", "530"))),
}
"""Every measurement of a dataset."""
