"""The counting rules, slow and obvious: a reference to compare the core with.

take a line out of its wrappers (see `oracle_wrappers`) -> decode it -> a record -> the contributions of the record
(dataset, key, field, amount) -> their sums. The channel is in `oracle_channel`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

from tests.support import oracle_channel as channel
from tests.support import oracle_formats as formats
from tests.support import oracle_values as values
from tests.support import oracle_wrappers as wrappers
from tests.support.oracle_fields import FIELDS, LAST_LATENCY, LATENCIES
from tests.support.oracle_json import Members, Rejected, Value, parse_object

LINE_LIMIT = 262_144


@dataclass(frozen=True)
class Folded:
    """The result of folding a log."""

    entries: list[dict[str, Any]]
    accepted: int
    rejected: list[tuple[int, str]]
    """Line and reason."""
    lines: int
    without_time: int


@dataclass(frozen=True)
class Sizes:
    """The bytes of one message."""

    header: int
    body: int


@dataclass(frozen=True)
class Client:
    """The client part of a record."""

    status: int | None
    edge: bool
    cache: str | None
    proto: str | None
    tls: str | None
    req: Sizes
    resp: Sizes
    execution_ms: Fraction
    request_ms: Fraction
    edge_ms: Fraction | None = None
    ipv6: bool = False
    restarts: int = 0
    collapsed: bool | None = None


@dataclass(frozen=True)
class Fetch:
    """One request to an origin."""

    name: str | None
    ip: str | None
    status: int | None
    """The status of the response, None if no response came."""
    ttfb_ms: Fraction | None
    bereq: Sizes
    beresp: Sizes
    shield: bool


@dataclass(frozen=True)
class Record:
    """The content of one line."""

    service_id: str
    pop: str
    domain: str
    second: int
    has_time: bool
    weight: int
    compute: bool
    client: Client | None
    fetches: list[Fetch]


class Defaults(NamedTuple):
    """What holds for records that do not say, and how lines are written."""

    service_id: str
    pop: str
    now: int
    format: str
    weight: int


class Contribution(NamedTuple):
    """An amount that a record adds to one field of one key."""

    dataset: str
    key: tuple[str, ...]
    field: str
    amount: int


def fold(data: bytes, *, service_id: str, pop: str, now: int, format: str = "canonical", weight: int = 1) -> Folded:
    """Fold lines into entries.

    `service_id`, `pop` and `now` hold for records that do not say. No record is too old or too new, and the number of
    keys has no limit. Entries are sorted by service, dataset and second, and rejected lines by their number from 1.
    """
    defaults = Defaults(service_id, pop, now, format, weight)
    tallies = Tallies()
    accepted = without_time = 0
    rejected: list[tuple[int, str]] = []
    found = wrappers.read(data, LINE_LIMIT, format, lambda line, second: decode(line, defaults, second))
    for line_number, result in found.results:
        if isinstance(result, Record):
            accepted += 1
            without_time += not result.has_time
            tallies.add(result)
        else:
            rejected.append((line_number, str(result)))
    return Folded(tallies.entries(), accepted, rejected, found.lines, without_time)


# --- line -> record ------------------------------------------------------------------------------------------------


def decode(line: bytes, defaults: Defaults, wrapped_at: int | None) -> Record:
    """Return the record of a line out of its wrapper, which may say a second, too. Raises Rejected."""
    members = parse_object(line) if defaults.format == "canonical" else formats.members(line, defaults.format)
    weight = values.weight(members.get(b"weight"), defaults.weight)
    service = values.service(members.get(b"service_id"), defaults.service_id)
    fetches = read_fetches(members)
    status = values.present(members.get(b"status"))
    if status is None and not fetches:
        raise Rejected("no_part")
    client = None if status is None else read_client(members, values.client_status(status))
    times = (
        values.second(members.get(b"ts"), members.get(b"duration_ms")),
        values.end(members.get(formats.END)),
        values.end(members.get(formats.START), members.get(b"edge_time_ms")),
        wrapped_at,
    )
    known = [second for second in times if second is not None]
    return Record(
        service_id=service,
        pop=values.bounded(values.plain(members.get(b"pop")) or defaults.pop, 64),
        domain=values.domain(members.get(b"domain")),
        second=known[0] if known else defaults.now,
        has_time=bool(known),
        weight=weight,
        compute=values.boolean(members.get(b"compute"), default=False),
        client=client,
        fetches=fetches,
    )


def read_client(members: Members, status: int | None) -> Client:
    """Read the client part."""
    return Client(
        status=status,
        edge=values.boolean(members.get(b"edge"), default=True),
        cache=values.cache_result(members.get(b"cache")),
        proto=values.proto_field(members.get(b"proto")),
        tls=values.tls_field(members.get(b"tls")),
        req=read_sizes(members, "req"),
        resp=read_sizes(members, "resp"),
        execution_ms=values.milliseconds(members.get(b"compute_execution_time_ms")) or Fraction(0),
        request_ms=values.milliseconds(members.get(b"compute_request_time_ms")) or Fraction(0),
        edge_ms=edge_time(members),
        ipv6=values.is_ipv6(members.get(b"ipv6")),
        restarts=values.size(members.get(b"restarts")) or 0,
        collapsed=values.flag(members.get(b"collapsed")),
    )


def edge_time(members: Members) -> Fraction | None:
    """Read how long the edge took, in milliseconds."""
    known = (
        values.milliseconds(members.get(b"edge_time_ms")),
        values.milliseconds(members.get(b"edge_time_s"), unit=1000),
        values.milliseconds(members.get(b"duration_ms")),
    )
    return next((time for time in known if time is not None), None)


def read_sizes(members: Members, family: str) -> Sizes:
    """Read the sizes of header and body. The total, if known, bounds the body and supplies the missing one."""
    header = values.size(members.get(f"{family}_header_bytes".encode()))
    body = values.size(members.get(f"{family}_body_bytes".encode()))
    total = values.size(members.get(f"{family}_bytes".encode()))
    if total is None:
        return Sizes(header or 0, body or 0)
    if header is None:
        body = min(body or 0, total)
        return Sizes(total - body, body)
    if body is None:
        return Sizes(header, max(total - header, 0))
    return Sizes(header, min(body, total))


def read_fetches(members: Members) -> list[Fetch]:
    """Read the origin part: the objects of `origins` if there are any, else the `origin…` fields."""
    objects = members.get(b"origins")
    if isinstance(objects, list) and objects:
        return [read_fetch(each) for each in objects]
    return [read_fetch(each) for each in attempts(members)]


FLAT = {
    b"origin": b"name",
    b"origin_ip": b"ip",
    b"origin_addr": b"addr",
    b"origin_status": b"status",
    b"origin_ttfb_ms": b"ttfb_ms",
    b"origin_ttfb_s": b"ttfb_s",
    b"origin_is_shield": b"is_shield",
    b"bereq_header_bytes": b"bereq_header_bytes",
    b"bereq_body_bytes": b"bereq_body_bytes",
    b"bereq_bytes": b"bereq_bytes",
    b"beresp_header_bytes": b"beresp_header_bytes",
    b"beresp_body_bytes": b"beresp_body_bytes",
    b"beresp_bytes": b"beresp_bytes",
}
"""The `origin…` fields of a record, and what an object of `origins` calls them."""


def attempts(members: Members) -> list[Members]:
    """Turn the `origin…` fields into one object per attempt, like the elements of `origins`."""
    flat = {short: members[name] for name, short in FLAT.items() if name in members}
    where = address_in_use(flat)
    if where is None and not asks_an_origin(flat.get(b"status")):
        return []
    count = max(len(values.split(where)), len(values.split(flat.get(b"status"))))
    if count == 1:
        return [flat]
    spread = {short: spread_over(value, count) for short, value in flat.items()}
    spread[b"is_shield"] = [flat.get(b"is_shield")] * count
    # The line decides which address counts, not each attempt.
    spread[b"ip"], spread[b"addr"] = spread_over(where, count), [None] * count
    found: list[Members] = [
        {short: cell for short, row in spread.items() if (cell := row[at]) is not None} for at in range(count)
    ]
    # As of a name that could not be resolved, before another group of upstreams answered.
    found = [one for one in found if address_in_use(one) is not None or asks_an_origin(one.get(b"status"))]
    if all(len(values.split(flat.get(name))) <= 1 for name in (b"ttfb_ms", b"ttfb_s")):
        return found
    # nginx logs a time for every attempt with a response. It generated the status of the others.
    return [
        {short: value for short, value in attempt.items() if short != b"status" or timed}
        for attempt in found
        for timed in [read_fetch(attempt).ttfb_ms is not None]
    ]


def spread_over(value: Value | None, count: int) -> list[Value | None]:
    """Return the element of each attempt, or the value itself for each if it is not a list."""
    elements = values.split(value)
    if len(elements) == 1:
        return elements * count
    return (elements + [None] * count)[:count]


def address_in_use(fetch: Members) -> Value | None:
    """Return `ip`, or `addr` if that is absent, or None."""
    for name in (b"ip", b"addr"):
        # Not "is there an address": a port alone (":80") means that an origin was asked, too.
        if values.addresses(fetch.get(name)):
            return fetch[name]
    return None


def asks_an_origin(status: Value | None) -> bool:
    """Whether a status alone means that an origin was asked; 0 means that none was."""
    return len(values.split(status)) > 1 or values.origin_status(status) not in (None, 0)


def read_fetch(fetch: Members) -> Fetch:
    """Read one fetch, without lists."""
    ttfb_ms = values.milliseconds(fetch.get(b"ttfb_ms"))
    if ttfb_ms is None:
        ttfb_ms = values.milliseconds(fetch.get(b"ttfb_s"), unit=1000)
    # nginx logs 502 or 504 itself for an attempt without a response.
    made_up = values.size(fetch.get(b"beresp_bytes")) == 0 and ttfb_ms is None
    return Fetch(
        name=values.origin_name(fetch.get(b"name")),
        ip=values.address(address_in_use(fetch)),
        status=None if made_up else values.counted_status(values.origin_status(fetch.get(b"status"))),
        ttfb_ms=ttfb_ms,
        bereq=read_sizes(fetch, "bereq"),
        beresp=read_sizes(fetch, "beresp"),
        shield=values.boolean(fetch.get(b"is_shield"), default=False),
    )


# --- record -> contributions ---------------------------------------------------------------------------------------


def contributions(record: Record) -> Iterator[Contribution]:
    """Yield what a record adds, its weight included."""
    for dataset, key, field, amount in unweighted(record):
        yield Contribution(dataset, key, field, amount * record.weight)


def unweighted(record: Record) -> Iterator[Contribution]:
    """Yield what a record of weight 1 adds."""
    domain = (record.domain,)
    for field, amount in channel.of_record(record):
        yield Contribution("channel", (), field, amount)
    if record.client is not None:
        client = compute_client if record.compute else delivery_client
        for field, amount in client(record.client):
            yield Contribution("domains", domain, field, amount)
    for fetch in record.fetches:
        if fetch.shield:
            continue
        per_fetch = compute_fetch if record.compute else delivery_fetch
        for field, amount in per_fetch(fetch):
            yield Contribution("domains", domain, field, amount)
        if fetch.status is None:
            continue
        name, ip = fetch.name or fetch.ip or "_unknown", fetch.ip or "_unknown"
        for field, amount in response("origin_insights", fetch):
            yield Contribution("origin_insights", (name, ip), field, amount)
        for field, amount in (*response("origins", fetch), *latency(fetch)):
            yield Contribution("origins", (name,), ("compute_" if record.compute else "") + field, amount)
            yield Contribution("origins", (name,), "all_" + field, amount)


Amounts = Iterator[tuple[str, int]]


def delivery_client(client: Client) -> Amounts:
    """Count a client part of delivery."""
    yield "requests", 1
    yield from statuses("domains", "status_", client.status)
    yield from sizes("resp", client.resp)
    if client.edge:
        yield "edge_requests", 1
        yield from sizes("edge_resp", client.resp)
        if client.cache in ("hit", "miss"):
            yield f"edge_{client.cache}_requests", 1
    for field in (client.proto, client.tls):
        if field is not None:
            yield field, 1


def delivery_fetch(fetch: Fetch) -> Amounts:
    """Count a fetch of delivery."""
    yield "origin_fetches", 1
    yield from sizes("bereq", fetch.bereq)
    yield from sizes("origin_fetch_resp", fetch.beresp)
    yield from statuses("domains", "origin_status_", fetch.status)


def compute_client(client: Client) -> Amounts:
    """Count a request to a compute program."""
    yield "compute_request", 1
    yield from sizes("compute_req", client.req)
    yield from sizes("compute_resp", client.resp)
    yield from statuses("domains", "compute_resp_status_", client.status)
    yield "compute_execution_time_ms", int(client.execution_ms)
    yield "compute_request_time_ms", int(client.request_ms)
    yield "compute_request_time_billed_ms", ceil(client.request_ms / 50) * 50


def compute_fetch(fetch: Fetch) -> Amounts:
    """Count a fetch by a compute program."""
    yield "compute_bereqs", 1
    yield from sizes("compute_bereq", fetch.bereq)
    yield from sizes("compute_beresp", fetch.beresp)
    yield from statuses("domains", "compute_origin_status_", fetch.status)
    if fetch.status is None:
        yield "compute_bereq_errors", 1


def response(dataset: str, fetch: Fetch) -> Amounts:
    """Count a response from an origin."""
    yield "responses", 1
    yield from sizes("resp", fetch.beresp)
    yield from statuses(dataset, "status_", fetch.status)


def latency(fetch: Fetch) -> Amounts:
    """Count the time to the first byte in its bucket, if it is known."""
    if fetch.ttfb_ms is not None:
        fitting = [name for longest, name in LATENCIES if fetch.ttfb_ms <= longest]
        yield (fitting[0] if fitting else LAST_LATENCY), 1


def sizes(family: str, message: Sizes) -> Amounts:
    """Count the bytes of a message."""
    yield f"{family}_header_bytes", message.header
    yield f"{family}_body_bytes", message.body


def statuses(dataset: str, prefix: str, status: int | None) -> Amounts:
    """Count a status in its range and, if the dataset has a field for it, by its code."""
    if status is not None:
        yield f"{prefix}{status // 100}xx", 1
        if f"{prefix}{status}" in FIELDS[dataset]:
            yield f"{prefix}{status}", 1


# --- contributions -> entries --------------------------------------------------------------------------------------

Keys = dict[tuple[str, ...], Counter[str]]


class Tallies:
    """The sums of all contributions so far."""

    def __init__(self) -> None:
        """Start with no sums."""
        self._pops: dict[tuple[str, str, int], dict[str, Keys]] = defaultdict(lambda: defaultdict(dict))

    def add(self, record: Record) -> None:
        """Add the contributions of a record."""
        for dataset, key, field, amount in contributions(record):
            assert field.partition(".")[0] in FIELDS[dataset], (dataset, field)
            keys = self._pops[record.service_id, dataset, record.second][record.pop]
            keys.setdefault(key, Counter())[field] += amount

    def entries(self) -> list[dict[str, Any]]:
        """Return the sums as entries."""
        return [
            {
                "service_id": service_id,
                "dataset": dataset,
                "recorded": recorded,
                "aggregated": shown(dataset, merged(pops)),
                "datacenter": {pop: shown(dataset, keys) for pop, keys in pops.items()},
            }
            for (service_id, dataset, recorded), pops in sorted(self._pops.items())
        ]


def merged(pops: dict[str, Keys]) -> Keys:
    """Add up the keys of all POPs."""
    total: Keys = {}
    for keys in pops.values():
        for key, counters in keys.items():
            total.setdefault(key, Counter()).update(counters)
    return total


def shown(dataset: str, keys: Keys) -> dict[str, Any]:
    """Nest the keys by their parts, with the measurements of each innermost."""
    if dataset == "channel":
        return channel.shown(keys[()])
    tree: dict[str, Any] = {}
    for key, counters in keys.items():
        place = tree
        for part in key[:-1]:
            place = place.setdefault(part, {})
        place[key[-1]] = measurements(dataset, counters)
    return tree


def measurements(dataset: str, counters: Counter[str]) -> dict[str, int | float]:
    """Saturate the counters, add sums and ratios, and leave out zeros."""
    count = Counter({field: min(amount, values.MAX_COUNTER) for field, amount in counters.items()})
    derived: dict[str, int | float] = dict(count)
    if dataset == "domains":
        sent = count["resp_header_bytes"] + count["resp_body_bytes"]
        derived["bandwidth"] = min(sent + count["bereq_header_bytes"] + count["bereq_body_bytes"], values.MAX_COUNTER)
        derived |= ratios(count)
    return {field: amount for field, amount in derived.items() if amount}


def ratios(count: Counter[str]) -> dict[str, float]:
    """Compute the ratios that have a denominator."""
    found: dict[str, float] = {}
    asked = count["edge_hit_requests"] + count["edge_miss_requests"]
    if asked:
        found["edge_hit_ratio"] = count["edge_hit_requests"] / asked
    served = count["edge_resp_body_bytes"] + count["edge_resp_header_bytes"]
    fetched = count["origin_fetch_resp_body_bytes"] + count["origin_fetch_resp_header_bytes"]
    if served:
        found["origin_offload"] = min(max((served - fetched) / served, 0.0), 1.0)
    return found
