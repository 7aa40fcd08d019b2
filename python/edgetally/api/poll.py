"""
Entries over a long poll, the same way for every dataset.

    GET .../ts/{cursor}            every entry that is newer; waits for one when there is none
    GET .../ts/{cursor}/limit/{n}  the oldest n of them
    GET .../ts/0                   the entry of the last sealed second
    GET .../ts/h                   the sealed seconds of the last 120 that had traffic
    GET .../ts/h/limit/{n}         of the last n

`Timestamp` in the answer is the cursor to go on with: chaining it skips no entry and repeats none. It is the newest
sealed second plus `AggregateDelay`, in other words the server's clock.
"""

from __future__ import annotations

import asyncio
import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from edgetally.api.errors import CORS, Refusal
from edgetally.api.http import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgetally.clock import Clock
    from edgetally.shelf import Entry, Shelf

HISTORY = 120
"""Seconds that `ts/h` looks back."""

MAX_DIGITS = 18
"""Longer numbers are no timestamps."""

NO_DATA = b',"Error":"No data available, please retry"'

FIELDS = (*CORS, b"Cache-Control: max-age=1", b"Vary: Accept-Encoding, Fastly-Key, Authorization, Cookie")

CACHED_ANSWERS = 1024
"""How many answers are kept until the next second is sealed."""

GZIP_FROM = 1024
"""Bodies shorter than this are not worth compressing."""


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


class Poll:
    """Answers questions from the shelf, now or when there is something to say."""

    def __init__(self, *, shelf: Shelf, clock: Clock, aggregate_delay: int, poll_timeout: float) -> None:
        self._shelf = shelf
        self._clock = clock
        self._delay = aggregate_delay
        self._timeout = poll_timeout
        self._answers: dict[Question, Response] = {}
        self._parked: set[Callable[[], None]] = set()
        self._newest = 0
        self._stopping = False

    def answer(self, asked: Question) -> Response | asyncio.Future[Response]:
        """Return the answer, or a future of it when there is nothing to say yet."""
        if self._newest != self._shelf.newest:
            self._newest = self._shelf.newest
            self._answers.clear()
        if known := self._answers.get(asked):
            return known
        entries = self._entries(asked)
        if not entries and asked.cursor and not self._stopping:
            return self._wait(asked)
        return self._remember(asked, entries)

    def release(self) -> None:
        """Answer everybody who waits, and let nobody wait any more, because the server stops."""
        self._stopping = True
        for give_up in list(self._parked):
            give_up()

    def _entries(self, asked: Question) -> list[Entry]:
        newest = self._shelf.newest
        match asked.cursor:
            case None:
                after = newest - min(asked.limit or HISTORY, HISTORY)
            case 0:
                after = newest - 1
            case cursor:
                after = cursor - self._delay
        return self._shelf.entries(asked.service_id, asked.dataset, after=after)

    def _wait(self, asked: Question) -> asyncio.Future[Response]:
        """Park the reader until there is an entry after its cursor, or until its patience ends."""
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not answer.done():
                answer.set_result(self._woken(asked))

        def give_up() -> None:
            if not answer.done():
                answer.set_result(self._response(asked, []))

        timer = self._clock.call_at(self._clock.now() + self._timeout, give_up)
        leave = self._shelf.wait(asked.service_id, asked.dataset, after=(asked.cursor or 0) - self._delay, wake=wake)
        self._parked.add(give_up)

        def done(_answer: asyncio.Future[Response]) -> None:
            timer.cancel()
            leave()
            self._parked.discard(give_up)

        answer.add_done_callback(done)
        return answer

    def _woken(self, asked: Question) -> Response:
        known = self.answer(asked)
        return known if isinstance(known, Response) else self._response(asked, [])

    def _remember(self, asked: Question, entries: list[Entry]) -> Response:
        response = self._response(asked, entries)
        if len(self._answers) < CACHED_ANSWERS:
            self._answers[asked] = response
        return response

    def _response(self, asked: Question, entries: list[Entry]) -> Response:
        newest = self._shelf.newest
        if asked.cursor and asked.limit and len(entries) > asked.limit:
            entries = entries[: asked.limit]
            newest = entries[-1].second
        body = b'{"Data":[%b],"Timestamp":%d,"AggregateDelay":%d%b}' % (
            b",".join([self._shelf.body(entry, asked.dataset) for entry in entries]),
            newest + self._delay,
            self._delay,
            NO_DATA if not entries and asked.cursor is not None else b"",
        )
        # Somebody who has waited in vain may ask the same again, and then waits again.
        fresh = bool(entries) or not asked.cursor
        if asked.gzip and len(body) >= GZIP_FROM:
            packed = zlib.compress(body, 1, wbits=31)
            return Response(HTTPStatus.OK, packed, *FIELDS, b"Content-Encoding: gzip", fresh=fresh)
        return Response(HTTPStatus.OK, body, *FIELDS, fresh=fresh)
