"""The counting rules of the channel: what a record adds to its service, whatever its domain."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.support import oracle_values as values
from tests.support.oracle_fields import (
    ALWAYS,
    FIELDS,
    LAST_MISS_TIME,
    LAST_OBJECT_SIZE,
    MISS_TIMES,
    OBJECT_SIZES,
    TIMES,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from tests.support.oracle import Client, Fetch, Record, Sizes

    Amounts = Iterator[tuple[str, int]]

MICROSECONDS = 10**6

BUCKET = "miss_histogram."
"""Before the end of a bucket: the name of what is counted in it."""


def of_record(record: Record) -> Amounts:
    """Yield what a record of weight 1 adds. Times are in whole microseconds."""
    if record.client is not None:
        yield from (compute_client if record.compute else delivery_client)(record.client)
    if record.client is not None and not record.compute:
        yield from times(record.client, record.fetches)
    for fetch in record.fetches:
        if fetch.shield:
            yield from shield_fetch(fetch)
        elif record.compute:
            yield from compute_fetch(fetch)
        else:
            yield from origin_fetch(fetch)


def delivery_client(client: Client) -> Amounts:
    """Count a client part of delivery."""
    where = "edge" if client.edge else "shield"
    yield "requests", 1
    yield from sizes("resp", client.resp)
    yield from sizes(f"{where}_resp", client.resp)
    yield from sizes("req", client.req)
    yield "header_size", client.resp.header
    yield "body_size", client.resp.body
    if client.edge:
        yield "edge_requests", 1
    yield from statuses("status_", client.status)
    if client.status is not None:
        yield f"all_status_{client.status // 100}xx", 1
        fitting = [name for too_large, name in OBJECT_SIZES if client.resp.body < too_large]
        yield (fitting[0] if fitting else LAST_OBJECT_SIZE), 1
    if client.proto is not None:
        yield client.proto, 1
    if client.tls is not None:
        yield client.tls, 1
        yield "tls", 1
    yield from cache(client, where)
    yield "ipv6", int(client.ipv6)
    yield "restarts", client.restarts
    if client.collapsed is not None:
        yield f"request_collapse_{'usable' if client.collapsed else 'unusable'}_count", 1


def cache(client: Client, where: str) -> Amounts:
    """Count what the cache did."""
    if client.cache is None:
        return
    yield {"hit": "hits", "error": "errors"}.get(client.cache, client.cache), 1
    yield f"all_{client.cache}_requests", 1
    if client.cache in ("hit", "miss", "pass"):
        yield f"{client.cache}_resp_body_bytes", client.resp.body
    if client.cache in ("hit", "miss"):
        yield f"{where}_{client.cache}_requests", 1
        yield from sizes(f"{where}_{client.cache}_resp", client.resp)
        if client.edge:
            yield f"all_edge_{client.cache}_requests", 1


def times(client: Client, fetches: list[Fetch]) -> Amounts:
    """Count how long it took, if that is known."""
    took = None if client.edge_ms is None else microseconds(client.edge_ms)
    if client.cache == "miss":
        known = [microseconds(fetch.ttfb_ms) for fetch in fetches if fetch.ttfb_ms is not None]
        if known or took is not None:
            sum_of_all = sum(known) if known else took or 0
            yield "miss_time", sum_of_all
            fitting = [end for end in MISS_TIMES if sum_of_all <= end * 1000]
            yield f"{BUCKET}{fitting[0] if fitting else LAST_MISS_TIME}", 1
    elif took is not None and client.cache in ("hit", "pass"):
        yield {"hit": "hits_time", "pass": "pass_time"}[client.cache], took


def microseconds(milliseconds: Fraction) -> int:
    """Cut a time to whole microseconds."""
    return int(milliseconds * 1000)


def origin_fetch(fetch: Fetch) -> Amounts:
    """Count a fetch of delivery from an origin."""
    yield "origin_fetches", 1
    yield from sizes("bereq", fetch.bereq)
    yield from sizes("origin_fetch", fetch.bereq)
    yield from sizes("origin_fetch_resp", fetch.beresp)
    if fetch.status == 304:
        yield "origin_revalidations", 1


def shield_fetch(fetch: Fetch) -> Amounts:
    """Count a fetch of delivery from another POP."""
    yield "shield", 1
    yield "shield_fetches", 1
    yield from sizes("shield_fetch", fetch.bereq)
    yield from sizes("shield_fetch_resp", fetch.beresp)
    if fetch.status == 304:
        yield "shield_revalidations", 1


def compute_client(client: Client) -> Amounts:
    """Count a request to a compute program."""
    yield "compute_requests", 1
    yield from sizes("compute_req", client.req)
    yield from sizes("compute_resp", client.resp)
    yield from statuses("compute_resp_status_", client.status)
    if client.status is not None:
        yield f"all_status_{client.status // 100}xx", 1
    yield "compute_execution_time_ms", int(client.execution_ms)
    yield "compute_request_time_ms", int(client.request_ms)
    yield "compute_request_time_billed_ms", -(-client.request_ms // 50) * 50


def compute_fetch(fetch: Fetch) -> Amounts:
    """Count a fetch by a compute program."""
    yield "compute_bereqs", 1
    yield from sizes("compute_bereq", fetch.bereq)
    yield from sizes("compute_beresp", fetch.beresp)
    if fetch.status is None:
        yield "compute_bereq_errors", 1
        yield "compute_service_bereq_error", 1


def sizes(family: str, message: Sizes) -> Amounts:
    """Count the bytes of a message."""
    yield f"{family}_header_bytes", message.header
    yield f"{family}_body_bytes", message.body


def statuses(prefix: str, status: int | None) -> Amounts:
    """Count a status in its range and, if there is a field for it, by its code."""
    if status is not None:
        yield f"{prefix}{status // 100}xx", 1
        if f"{prefix}{status}" in FIELDS["channel"]:
            yield f"{prefix}{status}", 1


def shown(counters: Counter[str]) -> dict[str, int | float | dict[str, int]]:
    """Show sums: those that are always there, and others that are not 0."""
    count = Counter({field: min(amount, values.MAX_COUNTER) for field, amount in counters.items()})
    misses = {name.removeprefix(BUCKET): amount for name, amount in count.items() if name.startswith(BUCKET)}
    found: dict[str, int | float | dict[str, int]] = {
        name: count[name] / MICROSECONDS if name in TIMES else count[name]
        for name in FIELDS["channel"] - {"miss_histogram"}
        if count[name] or name in ALWAYS
    }
    found["miss_histogram"] = {name: amount for name, amount in misses.items() if amount}
    if count["hits"]:
        found["hit_ratio"] = count["hits"] / (count["hits"] + count["miss"])
    served = count["edge_resp_body_bytes"] + count["edge_resp_header_bytes"]
    fetched = count["origin_fetch_resp_body_bytes"] + count["origin_fetch_resp_header_bytes"]
    if served > fetched:
        found["origin_offload"] = (served - fetched) / served
    return found
