"""Asking history off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING

from edgetally.api.errors import Refusal, response_to
from edgetally.api.history.parameters import HistoryRefusal, invalid
from edgetally.history.question import MAX_VALUES, TooManyValues

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgetally.history.base import HistoryReader
    from edgetally.http.messages import Response

THREADS = 2
"""Readers: each holds one core, so that some are left for what is now."""


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

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"history.max_questions": self.refused}

    def respond(self, make: Callable[[HistoryReader], Response]) -> asyncio.Future[Response]:
        """Return a future of the response that `make` makes in a thread; raise HistoryRefusal if there can be none."""
        reader = self._reader
        if reader is None:
            problem = "there is no history: it needs a data directory, and a tier that is kept for a day or more"
            raise HistoryRefusal(HTTPStatus.NOT_FOUND, problem)
        if self._asked >= self._most:
            self.refused += 1
            problem = f"history.max_questions reached: {self._most} at a time; try again in a second"
            raise HistoryRefusal(HTTPStatus.SERVICE_UNAVAILABLE, problem, b"Retry-After: 1")

        def work() -> Response:
            try:
                return make(reader)
            except TooManyValues:
                problem = (
                    f"the answer would have more than {MAX_VALUES:,} values, narrow it down: a shorter time, "
                    "longer windows, fewer metrics, or a filter"
                )
                return response_to(invalid(problem), 0)
            except Refusal as refusal:
                return response_to(refusal, 0)

        self._asked += 1
        response = asyncio.get_running_loop().run_in_executor(self._threads, work)
        response.add_done_callback(self._done)
        return response

    def close(self) -> None:
        """Wait for what is being read."""
        self._threads.shutdown(cancel_futures=True)

    def _done(self, _: asyncio.Future[Response]) -> None:
        self._asked -= 1
