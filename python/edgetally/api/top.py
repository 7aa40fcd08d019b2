"""
Rankings: what the views show of one second.

    GET /top/{service_id}

A ranking is made when it is first asked for, and kept until the next seal: all who look at the same share its bytes.
Ours and not Fastly's, so a parameter that is not known is refused.
"""

from __future__ import annotations

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import msgspec

from edgetally.api.encoding import GZIP_FROM
from edgetally.api.errors import CORS, NOT_HTML, NOT_READ, Refusal, response_to
from edgetally.api.long_poll import INLINE_BYTES
from edgetally.api.query import integer, positive
from edgetally.background import background_threads
from edgetally.errors import Unavailable
from edgetally.http.messages import Response
from edgetally.telemetry.events import HistoryNotRead, say
from edgetally.window.ranking import KeptSeries, Question, Ranker, orders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgetally.window.shelf import Shelf

PARAMETERS = ("of", "by", "rows", "pop", "match", "focus", "at", "downsample")
UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
FINEST = 0
OF = ("domains", "origins")
ROWS = 40
MAX_ROWS = 200

KEPT_SECONDS = 10
"""Seconds after the last question for which series are kept."""

FIELDS = (*CORS, b"Cache-Control: no-store", b"Vary: Accept, Accept-Encoding, Fastly-Key, Authorization", NOT_HTML)

RETRY_AFTER = b"Retry-After: 1"


class RankingView(msgspec.Struct, frozen=True):
    """How a ranking is sent."""

    gzip: bool
    with_rejected: bool
    """For a token that may read every service, as `/rejected`: rejected lines have none."""


class PastRanking(Protocol):
    """Makes rankings of minutes, hours and days."""

    def __call__(self, asked: Question, *, newest: int) -> bytes:
        """Return a ranking; see `RankingReader.ranking`."""


class Rankings:
    """Answers questions from the shelf, each once a second."""

    def __init__(
        self,
        *,
        shelf: Shelf,
        aggregate_delay: int,
        rejected: Callable[[], int],
        max_rankings: int = 64,
        past: PastRanking | None = None,
    ) -> None:
        """
        Make one that shows `rejected()` as the lines that were rejected since the start.

        `past` is None if there is no history.
        """
        self._past = past
        self._shelf = shelf
        self._delay = aggregate_delay
        self._rejected = rejected
        self._most = max_rankings
        self.refused = 0
        """Questions beyond the limit."""
        self._newest = 0
        self._made: dict[Question, bytes] = {}
        self._responses: dict[tuple[Question, RankingView], Response] = {}
        self._making: dict[Question, list[asyncio.Future[bytes]]] = {}
        """The readers of the rankings that the thread is making."""
        # One, because a ranking can wait: entries cannot.
        self._thread = background_threads(1, "rankings")
        self._kept = KeptSeries()
        """Of the rankings that this thread makes."""
        self._kept_at = 0
        """The newest second when it was last asked to; 0 if nothing is kept."""
        shelf.watch(self._forget_series)
        # What is now does not wait for what was.
        self._past_thread = ThreadPoolExecutor(1, thread_name_prefix="past-rankings")

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"api.max_rankings": self.refused}

    def answer(self, question: Question, view: RankingView) -> Response | asyncio.Future[Response]:
        """Return the answer, or a future of it while a thread makes it."""
        made = self.ranking(question)
        if isinstance(made, bytes):
            return self._response(question, view, made)
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        made.add_done_callback(partial(self._finish, answer, question, view))
        return answer

    def ranking(self, question: Question) -> bytes | asyncio.Future[bytes]:
        """Return a ranking, or a future of it; raise Refusal when there are too many questions."""
        if self._newest != self._shelf.newest:
            self._newest = self._shelf.newest
            self._made.clear()
            self._responses.clear()
        if made := self._made.get(question):
            return made
        if question not in self._making:
            self.check_room(len(self._made) + len(self._making))
            if question.unit != 1 and self._past:
                thread, make = self._past_thread, partial(self._past, question, newest=self._newest)
            else:
                ranker = Ranker(self._shelf, question, self._delay)
                if ranker.size <= INLINE_BYTES:
                    return self._made.setdefault(question, ranker.make())
                thread, make = self._thread, partial(ranker.make, self._kept)
                self._kept_at = self._newest
            self._making[question] = []
            made_in_thread = asyncio.get_running_loop().run_in_executor(thread, make)
            made_in_thread.add_done_callback(partial(self._deliver, question, self._newest))
        reader: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._making[question].append(reader)
        return reader

    def check_room(self, others: int) -> None:
        """Raise Refusal if there can be no other ranking beside so many different ones."""
        if others >= self._most:
            self.refused += 1
            problem = f"api.max_rankings reached: {self._most} different rankings a second; try again in a second"
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, problem, RETRY_AFTER)

    def shown(self, made: bytes, view: RankingView) -> bytes:
        """Return a ranking as a token may see it."""
        return b'%b,"rejected":%d}' % (made.removesuffix(b"}"), self._rejected()) if view.with_rejected else made

    def close(self) -> None:
        """Wait for the ranking that is being made."""
        self._thread.shutdown(cancel_futures=True)
        self._past_thread.shutdown(cancel_futures=True)

    def question(self, service_id: str, query: Mapping[str, str]) -> Question:
        """Read the parameters of a query; raise Refusal when one is not valid."""
        for name in query:
            if name not in PARAMETERS:
                raise _invalid(f"unknown parameter {name[:40]!r} (expected one of: {', '.join(PARAMETERS)})")
        of = query.get("of", "domains")
        if of not in OF:
            raise _invalid(f"unknown value {of[:40]!r} of `of` (expected one of: {', '.join(OF)})")
        by = query.get("by", "trouble")
        if by not in (known := orders(of)):
            raise _invalid(f"{of} cannot be ordered by {by[:40]!r} (expected one of: {', '.join(known)})")
        rows = positive("rows", query.get("rows", str(ROWS)))
        if rows > MAX_ROWS:
            raise _invalid(f"rows must be from 1 to {MAX_ROWS} (got {query['rows'][:40]})")
        newest, oldest = self._shelf.newest, self._shelf.oldest
        second = integer("at", query["at"]) if "at" in query else newest
        unit = UNITS.get(query.get("downsample", "second"))
        if unit is None:
            raise _invalid(f"downsample must be one of: {', '.join(UNITS)} (got {query['downsample'][:40]!r})")
        if unit == 1 and second < oldest and second != newest:
            unit = FINEST
        if second > max(newest, 0) or (unit != 1 and not self._past):
            raise self._unknown(second)
        pop, focus = query.get("pop") or None, query.get("focus") or None
        return Question(service_id, of, by, rows, pop, query.get("match", ""), focus, second, unit)

    def _forget_series(self) -> None:
        """Free the series if the last question was long ago."""
        if self._kept_at and self._shelf.newest > self._kept_at + KEPT_SECONDS:
            self._kept, self._kept_at = KeptSeries(), 0

    def _unknown(self, second: int) -> Refusal:
        oldest, newest = self._shelf.oldest, self._shelf.newest
        problem = f"no such second: {second} (the oldest that is kept is {oldest}, the newest is {newest})"
        return Refusal(HTTPStatus.NOT_FOUND, problem)

    def _deliver(self, question: Question, newest: int, made: asyncio.Future[bytes]) -> None:
        """Hand over what the thread has made."""
        readers = [reader for reader in self._making.pop(question) if not reader.done()]
        if made.cancelled():
            for reader in readers:
                reader.cancel()
        elif error := made.exception():
            for reader in readers:
                reader.set_exception(error)
        else:
            if newest == self._newest == self._shelf.newest:
                self._made[question] = made.result()
            for reader in readers:
                reader.set_result(made.result())

    def _finish(
        self, answer: asyncio.Future[Response], question: Question, view: RankingView, made: asyncio.Future[bytes]
    ) -> None:
        if answer.done():
            if not made.cancelled():
                made.exception()  # marks it as retrieved
        elif made.cancelled():
            answer.cancel()
        elif isinstance(error := made.exception(), Unavailable):
            say(HistoryNotRead(problem=str(error)))
            refusal = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, NOT_READ, RETRY_AFTER)
            answer.set_result(response_to(refusal, self._newest + self._delay))
        elif error:
            answer.set_exception(error)
        else:
            answer.set_result(self._response(question, view, made.result()))

    def _response(self, question: Question, view: RankingView, made: bytes) -> Response:
        if response := self._responses.get((question, view)):
            return response
        if not made:
            return response_to(self._unknown(question.second), self._newest + self._delay)
        made = self.shown(made, view)
        is_current = question in self._made
        if view.gzip and len(made) >= GZIP_FROM:
            packed = zlib.compress(made, 1, wbits=31)
            response = Response(HTTPStatus.OK, packed, *FIELDS, b"Content-Encoding: gzip", cacheable=is_current)
        else:
            response = Response(HTTPStatus.OK, made, *FIELDS, cacheable=is_current)
        if is_current:
            self._responses[question, view] = response
        return response


def _invalid(problem: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, problem)
