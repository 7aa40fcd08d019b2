"""
Queries of a dataset, parsed from the end of a path.

    .../ts/{cursor}            every entry newer than the cursor; waits for one if there is none
    .../ts/{cursor}/limit/{n}  the oldest n of these
    .../ts/0                   the entry of the last sealed second
    .../ts/h                   the entries of the last 120 sealed seconds
    .../ts/h/limit/{n}         the entries of the last n sealed seconds
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from edgetally.api.errors import Refusal
from edgetally.model import measurements
from edgetally.window.filter import ALL, Filter

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DIGITS = 18
"""Longer numbers are not timestamps."""


class Query(NamedTuple):
    """A query. `cursor` is None for `ts/h`."""

    service_id: str
    dataset: str
    cursor: int | None
    limit: int | None
    gzip: bool
    filter: Filter = ALL


def parse(service_id: str, dataset: str, suffix: list[str], *, gzip: bool) -> Query:
    """Parse what follows `ts/` in a path; raise Refusal when it is not valid."""
    match suffix:
        case [start]:
            limit = None
        case [start, "limit", number]:
            limit = positive("max_entries", number)
        case _:
            problem = "no such endpoint (expected .../ts/{timestamp} or .../ts/h, optionally with /limit/{max_entries})"
            raise Refusal(HTTPStatus.NOT_FOUND, problem)
    return Query(service_id, dataset, None if start == "h" else integer("start_timestamp", start), limit, gzip)


NAMES = {"domains": ("domain",), "origins": ("origin",), "origin_insights": ("origin",), "channel": ()}
"""The parameter that selects names, of every dataset that has some."""


def parse_filter(dataset: str, query: Mapping[str, str]) -> Filter:
    """Parse what of the entries a stream shows; raise Refusal when it is not valid."""
    names = NAMES[dataset]
    known = ("from", "kind", "datacenter", *names, "field")
    for name in query:
        if name not in known:
            problem = f"unknown parameter {name[:40]!r} (expected one of: {', '.join(known)})"
            raise Refusal(HTTPStatus.BAD_REQUEST, problem)
    by_pop = query.get("datacenter", "1")
    if by_pop not in ("0", "1"):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"datacenter must be 0 or 1 (got {by_pop[:40]!r})")
    fields = _listed(query.get("field", ""))
    if unknown := sorted(fields - _fields(dataset)):
        problem = f"{dataset} have no field {unknown[0][:40]!r} (see /openapi.json for the list)"
        raise Refusal(HTTPStatus.BAD_REQUEST, problem)
    shown = frozenset().union(*(_listed(query.get(name, "")) for name in names))
    return Filter(by_pop=by_pop == "1", names=shown, fields=fields)


def integer(name: str, text: str) -> int:
    """Read an integer of at least 0 that a client has sent as `name`; raise Refusal when it is none."""
    if text.isascii() and text.isdecimal():
        if len(text) <= MAX_DIGITS:
            return int(text)
        problem = f"{name} must have at most {MAX_DIGITS} digits (got {len(text)}: {text[:40]!r})"
        raise Refusal(HTTPStatus.BAD_REQUEST, problem)
    raise Refusal(HTTPStatus.BAD_REQUEST, f"{name} must be an integer of at least 0 (got {text[:40]!r})")


def positive(name: str, text: str, refusal: type[Refusal] = Refusal) -> int:
    """
    Read how much of something a client wants, at least 1; raise a refusal when it is no such number.

    Any number of more digits than a timestamp means the same: more than there is.
    """
    if text.isascii() and text.isdecimal() and (digits := text.lstrip("0")):
        return int(digits) if len(digits) <= MAX_DIGITS else 10**MAX_DIGITS
    raise refusal(HTTPStatus.BAD_REQUEST, f"{name} must be an integer of at least 1 (got {text[:40]!r})")


def given_positive(query: Mapping[str, str], name: str, refusal: type[Refusal]) -> int | None:
    """Read the same from a query, in which an empty parameter is absent; None if it is."""
    text = query.get(name)
    return positive(name, text, refusal) if text else None


@cache
def _fields(dataset: str) -> frozenset[str]:
    return frozenset(one.name for one in measurements(dataset))


def _listed(text: str) -> frozenset[str]:
    return frozenset(one for one in text.split(",") if one)
