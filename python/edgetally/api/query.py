"""
What a client asks of a dataset, read from the end of a path.

    .../ts/{cursor}            every entry that is newer; waits for one when there is none
    .../ts/{cursor}/limit/{n}  the oldest n of them
    .../ts/0                   the entry of the last sealed second
    .../ts/h                   the sealed seconds of the last 120 that had traffic
    .../ts/h/limit/{n}         of the last n
"""

from http import HTTPStatus
from typing import NamedTuple

from edgetally.api.errors import Refusal

MAX_DIGITS = 18
"""Longer numbers are no timestamps."""


class Question(NamedTuple):
    """What a client asks. `cursor` is None for `ts/h`."""

    service_id: str
    dataset: str
    cursor: int | None
    limit: int | None
    gzip: bool


def question(service_id: str, dataset: str, rest: list[str], *, gzip: bool) -> Question:
    """Read the part of a path after `ts/`; raise Refusal when it is no question."""
    match rest:
        case [start]:
            limit = None
        case [start, "limit", number]:
            limit = _number(number, "max_entries")
            if limit < 1:
                raise Refusal(HTTPStatus.BAD_REQUEST, "max_entries is 0: ask for at least 1")
        case _:
            raise Refusal(
                HTTPStatus.NOT_FOUND, "there is .../ts/{timestamp}, .../ts/h, and both with /limit/{max_entries}"
            )
    return Question(service_id, dataset, None if start == "h" else _number(start, "start_timestamp"), limit, gzip)


def _number(text: str, name: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS:
        return int(text)
    raise Refusal(HTTPStatus.BAD_REQUEST, f"{name} is not a whole number: {text[:40]!r}")
