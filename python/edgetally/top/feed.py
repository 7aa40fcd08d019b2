"""Pictures from a thread: one question at a time, and again when the connection is lost."""

from __future__ import annotations

import http.client
import os
import queue
import random
import threading
from typing import TYPE_CHECKING, NamedTuple

from edgetally.top.server import Gone, Refused, ServerError

if TYPE_CHECKING:
    from edgetally.api.ranking_answer import RankingAnswer
    from edgetally.top.look import TopLook
    from edgetally.top.server import RemoteServer, Stream


class FeedEvent(NamedTuple):
    """What the thread found."""

    look: TopLook
    ranking: RankingAnswer | None = None
    problem: str = ""
    retry_in: float = 0
    """Seconds until it tries again; 0: it does not."""


class Feed:
    """Asks a server what is looked at, and puts events into a queue."""

    def __init__(self, server: RemoteServer) -> None:
        self._server = server
        self._stream: Stream | None = None
        self._stopped = threading.Event()
        self.events: queue.SimpleQueue[FeedEvent] = queue.SimpleQueue()
        self.readable, self._written = os.pipe()
        """Readable when there is an event, so that one wait serves keys and events."""
        os.set_blocking(self.readable, False)

    def ask(self, look: TopLook) -> None:
        """Ask something else; events of the last question may still come."""
        self.stop()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, args=(look, self._stopped), daemon=True).start()

    def stop(self) -> None:
        """Give up the question."""
        self._stopped.set()
        if self._stream:
            self._stream.close()

    def taken(self) -> list[FeedEvent]:
        """Take the events that are there."""
        try:
            os.read(self.readable, 4096)
        except BlockingIOError:
            pass  # nothing new
        found = []
        while not self.events.empty():
            found.append(self.events.get())
        return found

    def _put(self, event: FeedEvent) -> None:
        self.events.put(event)
        os.write(self._written, b"!")

    def _run(self, look: TopLook, stopped: threading.Event) -> None:
        tries = 0
        while not stopped.is_set():
            problem = "the connection was closed"
            try:
                if look.at:
                    self._put(FeedEvent(look, self._server.ranking(look.path).ranking))
                    return
                self._stream = self._server.stream(look.path)
                for answer in self._stream:
                    if stopped.is_set():
                        return
                    tries = 0
                    self._put(FeedEvent(look, answer.ranking))
            except (Refused, Gone) as error:
                self._put(FeedEvent(look, problem=str(error)))
                return
            except (ServerError, OSError, http.client.HTTPException, ValueError) as error:
                problem = str(error)
            tries += 1
            wait = min(30.0, 2.0 ** (tries - 1)) * random.uniform(0.5, 1)  # noqa: S311 - so that many do not come at once
            if not stopped.is_set():
                self._put(FeedEvent(look, problem=problem, retry_in=wait))
            stopped.wait(wait)
