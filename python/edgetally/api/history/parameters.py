"""The parameters of history's paths. One that is empty is absent, and unknown ones are ignored."""

from __future__ import annotations

import base64
import binascii
import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, get_args

import msgspec

from edgetally.api.errors import HistoryRefusal
from edgetally.api.history.times import Interval, default_interval, parse_moment, parse_time
from edgetally.api.query import given_positive
from edgetally.config.regions import StatsRegion
from edgetally.errors import hint
from edgetally.history.question import DATACENTER, NAME, REGION
from edgetally.history.tiers import TIERS
from edgetally.model import measurements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edgetally.history.tiers import Tier

MAX_METRICS = 10
LIMIT, MAX_LIMIT = 100, 200
MAX_SHOWN = 40

NAME_PARAMETERS = {"domains": "domain", "origins": "host"}
"""The parameter and the dimension that hold a name, by dataset."""

DEFAULT_METRICS = {"domains": "edge_requests", "origins": "responses"}

DIGEST_BYTES = 6

EXPECTED_TIME = "expected Unix seconds or a date such as 2026-11-28T08:00:00Z"


class Filters(NamedTuple):
    """What counts: nothing in one of them stands for all."""

    names: frozenset[str] = frozenset()
    pops: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()


class MetricsParameters(NamedTuple):
    """The parameters of `/metrics/{dataset}/services/{id}`."""

    tier: Tier
    interval: Interval
    metrics: tuple[str, ...]
    group_by: frozenset[str]
    filters: Filters
    limit: int
    after: tuple[str, ...] | None
    digest: str
    """Of what all pages have in common: everything but the interval, which may end now, and the limit."""

    @classmethod
    def of(cls, dataset: str, service_id: str, query: Mapping[str, str], now: int) -> MetricsParameters:
        """Read a query; raise HistoryRefusal when it is not valid."""
        tier = _tier(query, "downsample", "hour")
        interval = default_interval(_time(query, "start"), _time(query, "end"), tier, now)
        _check_order(interval, "start", "end")
        name = NAME_PARAMETERS[dataset]
        group_by = _group_by(query, name)
        metrics = _metrics(dataset, query.get("metric") or DEFAULT_METRICS[dataset])
        filters = _filters(query, name)
        digest = _digest(dataset, service_id, tier.name, *map(sorted, (metrics, group_by, *filters)))
        return cls(
            tier=tier,
            interval=interval,
            metrics=metrics,
            group_by=group_by,
            filters=filters,
            limit=min(given_positive(query, "limit", HistoryRefusal) or LIMIT, MAX_LIMIT),
            after=_after(query.get("cursor", ""), digest, len(group_by)),
            digest=digest,
        )

    def cursor(self, after: Sequence[str] | None) -> str:
        """Write where the next page of this question begins; empty if there is none."""
        if after is None:
            return ""
        return base64.urlsafe_b64encode(msgspec.json.encode([self.digest, *after])).decode("ascii").rstrip("=")


class StatsParameters(NamedTuple):
    """The parameters of `/stats`."""

    tier: Tier
    interval: Interval
    filters: Filters
    region: str
    """As it was asked for; `all` if it was not."""
    services: frozenset[str]
    """Only these; none: all."""

    @classmethod
    def of(cls, query: Mapping[str, str], now: int) -> StatsParameters:
        """Read a query; raise HistoryRefusal when it is not valid."""
        tier = _tier(query, "by", "day")
        interval = default_interval(_moment(query, "from", now), _moment(query, "to", now), tier, now)
        _check_order(interval, "from", "to")
        region = query.get("region") or "all"
        filters = _filters({**query, "region": "" if region == "all" else region}, "")
        return cls(tier, interval, filters, region, frozenset(listed(query.get("services", ""))))


def field_of(name: str) -> str:
    """Return a measurement of the channel; raise HistoryRefusal when there is no such one."""
    _check_metrics([name], CHANNEL_FIELDS)
    return name


def month_of_query(query: Mapping[str, str], now: tuple[int, int]) -> tuple[int, int]:
    """Return the year and the month of a query; `now` if it does not say."""
    asked = (given_positive(query, name, HistoryRefusal) for name in ("year", "month"))
    year, month = (one or usual for one, usual in zip(asked, now, strict=True))
    if not (1970 <= year <= 9998 and month <= 12):  # noqa: PLR2004 - years of dates, and months
        raise invalid(f"expected a year from 1970 to 9998 and a month from 1 to 12, got {year} and {month}")
    return year, month


def listed(text: str) -> list[str]:
    """Return what is between commas."""
    return [one for one in text.split(",") if one]


def invalid(problem: str) -> HistoryRefusal:
    """Return the refusal of a question that is not valid."""
    return HistoryRefusal(HTTPStatus.BAD_REQUEST, problem)


COMPUTED = {"bandwidth": "counter", "hit_ratio": "ratio"}
"""What blocks have beside the channel's measurements."""

CHANNEL_FIELDS = tuple(sorted([*COMPUTED, *(one.name for one in measurements("channel") if one.kind != "histogram")]))
"""The numbers of a block."""


def _tier(query: Mapping[str, str], parameter: str, default: str) -> Tier:
    name = query.get(parameter) or default
    if name not in TIERS:
        raise invalid(f"{parameter}: expected one of: {', '.join(TIERS)}, got {name[:MAX_SHOWN]!r}")
    return TIERS[name]


def _time(query: Mapping[str, str], parameter: str) -> int | None:
    text = query.get(parameter)
    if not text:
        return None
    time = parse_time(text)
    if time is None:
        raise invalid(f"{parameter}: {EXPECTED_TIME}, got {text[:MAX_SHOWN]!r}")
    return time


def _moment(query: Mapping[str, str], parameter: str, now: int) -> int | None:
    text = query.get(parameter)
    if not text:
        return None
    time = parse_moment(text, now)
    if time is None:
        raise invalid(f"{parameter}: {EXPECTED_TIME}, or `2 weeks ago`, got {text[:MAX_SHOWN]!r}")
    return time


def _check_order(interval: Interval, start: str, end: str) -> None:
    if interval.start > interval.end:
        raise invalid(f"{start} must not be after {end} (got {interval.start} and {interval.end})")


def _metrics(dataset: str, text: str) -> tuple[str, ...]:
    metrics = tuple(dict.fromkeys(one.strip() for one in listed(text)))
    if not 1 <= len(metrics) <= MAX_METRICS:
        raise invalid(f"metric: expected 1 to {MAX_METRICS} of them, got {len(metrics)}")
    _check_metrics(metrics, [one.name for one in measurements(dataset)])
    return metrics


def _check_metrics(metrics: Iterable[str], known: Sequence[str]) -> None:
    for metric in metrics:
        if metric not in known:
            problem = f"no such metric: {metric[:MAX_SHOWN]!r} (see /openapi.json for the list)"
            raise invalid(problem + hint(metric[:MAX_SHOWN], known))


def _group_by(query: Mapping[str, str], name: str) -> frozenset[str]:
    given = listed(query.get("group_by", ""))
    if given == ["none"]:
        return frozenset()
    known = {name: NAME, DATACENTER: DATACENTER, REGION: REGION}
    for one in given:
        if one not in known:
            raise invalid(f"group_by: expected some of: {', '.join(known)}, or none, got {one[:MAX_SHOWN]!r}")
    return frozenset(known[one] for one in given)


def _filters(query: Mapping[str, str], name: str) -> Filters:
    names, pops, regions = (frozenset(listed(query.get(one, ""))) for one in (name, DATACENTER, REGION))
    known = get_args(StatsRegion)
    if unknown := sorted(regions.difference(known)):
        raise invalid(f"region: expected some of: {', '.join(known)}, got {unknown[0][:MAX_SHOWN]!r}")
    return Filters(names, pops, regions)


def _digest(*parts: str | list[str]) -> str:
    """Return a few characters that tell questions apart, at every node and after a restart."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=DIGEST_BYTES).hexdigest()


def _after(cursor: str, digest: str, dimensions: int) -> tuple[str, ...] | None:
    if not cursor:
        return None
    try:
        found = msgspec.json.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        found = None
    is_list = isinstance(found, list) and all(isinstance(one, str) for one in found)
    if not is_list or len(found) != 1 + dimensions or found[0] != digest:
        raise invalid(f"cursor: expected the next_cursor of a page of the same question, got {cursor[:MAX_SHOWN]!r}")
    return tuple(found[1:])
