"""Asking history off the event loop."""

from __future__ import annotations

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from edgetally.api.compat.responses import FIELDS
from edgetally.api.encoding import GZIP_FROM, takes_gzip
from edgetally.api.errors import NOT_READ, HistoryRefusal, Refusal, response_to
from edgetally.errors import Unavailable
from edgetally.history.question import MAX_VALUES, TooManyValues
from edgetally.http.messages import Response
from edgetally.telemetry.events import HistoryNotRead, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgetally.api.answers import Answer
    from edgetally.history.base import HistoryReader
    from edgetally.http.messages import Request

THREADS = 2
"""Readers: each holds one core, so that some are left for what is now."""

VARY = b"Vary: Accept-Encoding, Fastly-Key, Authorization"

SERVICES_EVERY = 60
"""Seconds after which the services of the history are found anew."""


class Asking:
    """The threads in which history is read."""

    def __init__(self, reader: HistoryReader | None, *, max_questions: int) -> None:
        """Ask `reader`, for at most so many requests at a time; None: there is no history."""
        self._reader = reader
        self._most = max_questions
        self._asked = 0
        self.refused = 0
        """Requests beyond the limit."""
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="history-readers")
        self._services: frozenset[str] = frozenset()
        self._find_at = 0.0

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"history.max_questions": self.refused}

    @property
    def services(self) -> frozenset[str]:
        """The services of the history, as they were a minute or so ago: nothing waits for them."""
        if asyncio.get_running_loop().time() >= self._find_at:
            self.find_services()
        return self._services

    def find_services(self) -> None:
        """Find them anew, in a thread."""
        loop = asyncio.get_running_loop()
        self._find_at = loop.time() + SERVICES_EVERY
        if self._reader:
            loop.run_in_executor(self._threads, self._reader.services).add_done_callback(self._take_services)

    def respond(self, request: Request, make: Callable[[HistoryReader], Answer]) -> asyncio.Future[Response]:
        """
        Return a future of the response with the answer that `make` makes in a thread.

        Raises HistoryRefusal if there can be none.
        """
        reader = self._reader
        if reader is None:
            problem = "there is no history: it needs a data directory, and a tier that is kept for a day or more"
            raise HistoryRefusal(HTTPStatus.NOT_FOUND, problem)
        if self._asked >= self._most:
            self.refused += 1
            problem = f"history.max_questions reached: {self._most} at a time; try again in a second"
            raise HistoryRefusal(HTTPStatus.SERVICE_UNAVAILABLE, problem, b"Retry-After: 1")

        gzip = takes_gzip(request)

        def work() -> Response:
            try:
                body = msgspec.json.encode(make(reader))
                if gzip and len(body) >= GZIP_FROM:
                    packed = zlib.compress(body, 1, wbits=31)
                    return Response(HTTPStatus.OK, packed, *FIELDS, VARY, b"Content-Encoding: gzip")
                return Response(HTTPStatus.OK, body, *FIELDS, VARY)
            except TooManyValues:
                problem = (
                    f"the answer would have more than {MAX_VALUES:,} values, narrow it down: a shorter time, "
                    "longer windows, fewer metrics, or a filter"
                )
                return response_to(HistoryRefusal(HTTPStatus.BAD_REQUEST, problem), 0)
            except Unavailable as error:
                say(HistoryNotRead(problem=str(error)))
                return response_to(HistoryRefusal(HTTPStatus.SERVICE_UNAVAILABLE, NOT_READ, b"Retry-After: 1"), 0)
            except Refusal as refusal:
                return response_to(refusal, 0)

        self._asked += 1
        response = asyncio.get_running_loop().run_in_executor(self._threads, work)
        response.add_done_callback(self._done)
        return response

    def close(self) -> None:
        """Wait for what is being read."""
        self._threads.shutdown(cancel_futures=True)

    def _take_services(self, found: asyncio.Future[list[str]]) -> None:
        # If they cannot be read now, they are asked for again in a minute.
        if not found.cancelled() and found.exception() is None and self._services != (now := frozenset(found.result())):
            self._services = now

    def _done(self, _: asyncio.Future[Response]) -> None:
        self._asked -= 1
