"""The question: which measurements are wanted, and how lines express them."""

from itertools import pairwise

from benchmarks.fold.traffic import CODES

STATUSES_SHOWN = [*(str(code) for code in CODES if code != 499), *(f"{range_}xx" for range_ in range(1, 6))]
"""What follows `status_` and `origin_status_` in the names of measurements; `status_499` is added."""

ENDS_MS = [1, 5, 10, 50, 100, 250, 500, 1_000, 5_000, 10_000, 60_000]
BUCKETS = [
    "latency_0_to_1ms",
    *(f"latency_{start}_to_{end}ms" for start, end in pairwise(ENDS_MS)),
    "latency_60000ms",
]
"""Measurements of the time to first byte: above the previous end, at most its own."""

SENT = [f"status_{shown}" for shown in ["499", *STATUSES_SHOWN]]
RECEIVED = [f"origin_status_{shown}" for shown in STATUSES_SHOWN]
WORDS = ["edge_hit_requests", "edge_miss_requests", "http2", "http3", "tls_v10", "tls_v11", "tls_v12", "tls_v13"]
SIZES = [
    *("resp_header_bytes", "resp_body_bytes", "bereq_header_bytes"),
    *("origin_fetch_resp_header_bytes", "origin_fetch_resp_body_bytes"),
]
BASE = ["requests", *WORDS, *SIZES, *SENT, "origin_fetches", *RECEIVED]
"""What lines are counted by for `domains`; its other measurements are sums or copies of these."""

DERIVED = {
    "edge_requests": ["requests"],
    "edge_resp_header_bytes": ["resp_header_bytes"],
    "edge_resp_body_bytes": ["resp_body_bytes"],
    "bandwidth": ["resp_header_bytes", "resp_body_bytes", "bereq_header_bytes"],
}

ANSWERED = ["responses", "answered_header_bytes", "answered_body_bytes", *BUCKETS]
"""What lines are counted by for `origins`, besides the statuses received."""

OF_ORIGINS = {
    "responses": "responses",
    "resp_header_bytes": "answered_header_bytes",
    "resp_body_bytes": "answered_body_bytes",
    **{f"status_{shown}": f"origin_status_{shown}" for shown in STATUSES_SHOWN},
    **{bucket: bucket for bucket in BUCKETS},
}
"""Measurements of `origins`, and their names among those that lines are counted by."""

NOT_IN_INSIGHTS = ["status_206", "status_429", "status_530", *BUCKETS]

HIT = r"^((hit|stale|updating|revalidated|refreshhit|originshieldhit|tcp_(.*_)?hit)$|hit[-_]|(conditional )?cache hit)"
MISS = r"^((miss|hitmiss|expired|tcp_client_refresh|tcp_(.*_)?miss)$|miss[-_]|cache miss)"
HTTP = r"^(?:http/|http|h)?([2-9])"
TLS_1 = r"^(?:tlsv|tls)? *1(?:\.([0-3]))?$"
"""Patterns for the words of lines, in lower case. The group is the version."""

PORT, DOT_OR_PORT = r":\d*$", r"\.?(:\d*)?$"
"""What is cut off the end of an address and of a host."""

INTEGERS = ["status", "resp_bytes", "resp_body_bytes"]
INTEGERS += ["origin_status", "bereq_bytes", "beresp_bytes", "beresp_body_bytes"]
COLUMNS = ["ts", "service_id", "pop", "domain", "cache", "proto", "tls", "origin", "origin_addr", "origin_ttfb_s"]
COLUMNS += INTEGERS
"""The fields that the question needs. Contenders that can be told so read no others."""

KEYS = {"domains": ["domain"], "origins": ["origin"], "origin_insights": ["origin", "ip"]}
"""What is counted in each dataset by second and service, once by POP and once over all POPs."""

Row = tuple[int, str, str, str, str]
Answer = dict[str, dict[Row, dict[str, int]]]
"""By dataset, then by second, service, POP, name and IP (each empty if there is none): measurements that are not 0."""


def table_file(dataset: str, *, by_pop: bool) -> str:
    """Return the file of a table: one object per second, service, key and, `by_pop`, POP."""
    return f"{dataset}{'' if by_pop else '_of_all'}.jsonl"
