"""
Queries of a dataset, parsed from the end of a path.

    .../ts/{cursor}            every entry newer than the cursor; waits for one if there is none
    .../ts/{cursor}/limit/{n}  the oldest n of these
    .../ts/0                   the entry of the last sealed second
    .../ts/h                   the entries of the last 120 sealed seconds
    .../ts/h/limit/{n}         the entries of the last n sealed seconds
"""

from http import HTTPStatus
from typing import NamedTuple

from edgetally.api.errors import Refusal

MAX_DIGITS = 18
"""Longer numbers are not timestamps."""


class Query(NamedTuple):
    """A query. `cursor` is None for `ts/h`."""

    service_id: str
    dataset: str
    cursor: int | None
    limit: int | None
    gzip: bool


def parse(service_id: str, dataset: str, suffix: list[str], *, gzip: bool) -> Query:
    """Parse what follows `ts/` in a path; raise Refusal when it is not valid."""
    match suffix:
        case [start]:
            limit = None
        case [start, "limit", number]:
            limit = _integer(number, "max_entries")
            if limit < 1:
                raise Refusal(HTTPStatus.BAD_REQUEST, "max_entries must be at least 1 (got 0)")
        case _:
            problem = "no such endpoint (expected .../ts/{timestamp} or .../ts/h, optionally with /limit/{max_entries})"
            raise Refusal(HTTPStatus.NOT_FOUND, problem)
    return Query(service_id, dataset, None if start == "h" else _integer(start, "start_timestamp"), limit, gzip)


def _integer(text: str, name: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS:
        return int(text)
    raise Refusal(HTTPStatus.BAD_REQUEST, f"{name} must be an integer (got {text[:40]!r})")
