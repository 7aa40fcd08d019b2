"""
Streams: long polls that ask again by themselves, as server-sent events.

    /v1/{domains,origins,channel}/{service_id}/stream  the entries, each event what a long poll would have been answered
    /top/{service_id} with Accept: text/event-stream   the ranking, at every seal

A stream that breaks resumes behind the id of the last event. `gap` says which seconds are not kept any more, `clock`
that there was nothing for 15 seconds.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING

from edgetally.api.broadcasts import Broadcast, EntryBroadcast, RankingBroadcast
from edgetally.api.errors import CORS, NOT_HTML
from edgetally.api.events import StreamEvent, event, start
from edgetally.api.long_poll import WAKE_BATCH, WAKE_BATCH_BYTES
from edgetally.api.query import integer
from edgetally.http.messages import Response
from edgetally.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgetally.access.grants import Grant
    from edgetally.api.long_poll import LongPoll
    from edgetally.api.query import Query
    from edgetally.api.top import Rankings, RankingView
    from edgetally.clock import Clock, Timer
    from edgetally.http.messages import Outlet, Request
    from edgetally.telemetry.prometheus import Family
    from edgetally.window.ranking import Question
    from edgetally.window.shelf import Shelf

CLOCK_SECONDS = 15.0
"""After so long without an event, a `clock` says that the stream is not broken, and keeps proxies awake."""

TICK_SECONDS = 1.0
"""By so much may it come later."""

RETRIES_MS = range(1000, 3001, 100)
"""When clients come back after a stream broke: thousands do not at once."""

FIELDS = (
    *(*CORS, b"Cache-Control: no-store", b"Vary: Accept, Accept-Encoding, Fastly-Key, Authorization", NOT_HTML),
    b"X-Accel-Buffering: no",  # or nginx holds events back
)


class StreamReader:
    """The client of one stream: a cursor, and where events are sent."""

    __slots__ = ("_grant", "_outlet", "_streams", "broadcast", "cursor", "deadline")

    def __init__(self, streams: Streams, broadcast: Broadcast, cursor: int | None, grant: Grant) -> None:
        self._streams = streams
        self._grant = grant
        self._outlet: Outlet | None = None
        self.broadcast = broadcast
        self.cursor = cursor
        self.deadline = 0.0
        """When the client is sent a `clock`, if nothing else comes."""

    # What the HTTP server calls.

    def start(self, outlet: Outlet) -> None:
        """Take the outlet: the header was sent."""
        self._outlet = outlet
        self._grant.hold(self)
        retry_ms = random.choice(RETRIES_MS)  # noqa: S311 - it has to differ, not to be a secret
        outlet.send_part(start(retry_ms, gzip=self.broadcast.gzip))
        self._streams.add(self)

    def proceed(self) -> None:
        """Go on, if there is more: the client has taken a large part."""
        self._streams.advance(self)

    def stop(self) -> None:
        """Send no more: the client has disconnected."""
        self._outlet = None
        self._grant.release(self)
        self._streams.remove(self)

    # What broadcasts and streams call.

    @property
    def is_ready(self) -> bool:
        """Whether the client has taken everything that it was sent."""
        return self._outlet is not None and self._outlet.is_empty

    def send(self, sent: StreamEvent) -> None:
        """Send an event, and continue from its cursor."""
        if self._outlet:
            if sent.cursor is not None:
                self.cursor = sent.cursor
            self.deadline = self._streams.deadline()
            self._outlet.send_part(sent.part)

    def end(self) -> None:
        """End the stream."""
        if self._outlet:
            self._outlet.end()

    # What the grant calls.

    def withdraw(self) -> None:
        """The grant no longer holds: end the stream."""
        self.end()


class Streams:
    """All streams."""

    def __init__(
        self, *, shelf: Shelf, long_poll: LongPoll, rankings: Rankings, clock: Clock, aggregate_delay: int
    ) -> None:
        self._shelf = shelf
        self._long_poll = long_poll
        self._rankings = rankings
        self._clock = clock
        self._delay = aggregate_delay
        self._broadcasts: dict[object, Broadcast] = {}
        self._readers: dict[StreamReader, None] = {}
        self._woken: deque[StreamReader] = deque()
        self._timer: Timer | None = None
        self._stopping = False
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="streams")
        """Compresses large events."""
        shelf.watch(self._wake)

    @property
    def open(self) -> int:
        """How many streams are open."""
        return len(self._readers)

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.STREAMS.sample(self.open)

    def entries(self, request: Request, query: Query, grant: Grant, *, gzip: bool) -> Response:
        """Stream entries, from the id of the last event, from `?from=`, or from the next seal on."""
        cursor = _cursor(request, self._shelf.newest + self._delay)
        return self._response(
            EntryBroadcast(self._shelf, self._threads, self._long_poll, query, gzip=gzip), cursor, grant
        )

    def ranking(self, request: Request, question: Question, view: RankingView, grant: Grant) -> Response:
        """Stream rankings, from the newest on, unless it was the last event."""
        cursor = _last_event_id(request) or 0
        made = RankingBroadcast(
            self._shelf,
            self._threads,
            self._rankings,
            question._replace(second=0),
            view,
            aggregate_delay=self._delay,
        )
        if made.key not in self._broadcasts:
            others = sum(isinstance(one, RankingBroadcast) for one in self._broadcasts.values())
            self._rankings.check_room(others)
        return self._response(made, cursor, grant)

    def release(self) -> None:
        """End all streams, and those that begin from now on: the server stops."""
        self._stopping = True
        if self._timer:
            self._timer.cancel()
        for reader in list(self._readers):
            reader.end()

    def close(self) -> None:
        """Wait for what is being compressed."""
        self._threads.shutdown()

    # What readers call.

    def add(self, reader: StreamReader) -> None:
        """Send what there is already, and from now on what comes."""
        if self._stopping:
            reader.end()
            return
        reader.broadcast = self._broadcasts.setdefault(reader.broadcast.key, reader.broadcast)
        reader.broadcast.readers[reader] = None
        self._readers[reader] = None
        reader.deadline = self.deadline()
        if self._timer is None:
            self._timer = self._clock.call_at(reader.deadline, self._tick)
        self.advance(reader)

    def advance(self, reader: StreamReader) -> int | None:
        """Send the next event, as `Broadcast.advance` does."""
        if reader.cursor and reader.cursor - self._delay + 1 < self._shelf.oldest:
            self._report_gap(reader, reader.cursor)
        try:
            return reader.broadcast.advance(reader)
        except Exception:
            reader.end()  # its client comes back
            raise

    def deadline(self) -> float:
        """Return when a reader that is sent something now needs a `clock`."""
        return self._clock.now() + CLOCK_SECONDS

    def remove(self, reader: StreamReader) -> None:
        """Forget a reader."""
        self._readers.pop(reader, None)
        reader.broadcast.remove(reader)
        if not reader.broadcast.readers:
            self._broadcasts.pop(reader.broadcast.key, None)

    def _response(self, broadcast: Broadcast, cursor: int | None, grant: Grant) -> Response:
        fields = (*FIELDS, b"Content-Encoding: gzip") if broadcast.gzip else FIELDS
        reader = StreamReader(self, broadcast, cursor, grant)
        return Response(HTTPStatus.OK, b"", *fields, content_type=b"text/event-stream", feed=reader)

    def _report_gap(self, reader: StreamReader, cursor: int) -> None:
        """Say which seconds behind the cursor are not kept any more; rankings have none."""
        if isinstance(reader.broadcast, RankingBroadcast):
            return
        last = self._shelf.oldest - 1
        gap = b'{"from":%d,"to":%d}' % (max(cursor - self._delay + 1, 0), last)
        reader.send(event(gap, None, name=b"gap", gzip=reader.broadcast.gzip))
        reader.cursor = last + self._delay

    def _wake(self) -> None:
        """Send what a seal brought, to some readers at a time."""
        was_idle = not self._woken
        for broadcast in self._broadcasts.values():
            self._woken.extend(broadcast.readers)  # type: ignore[arg-type]
        if was_idle and self._woken:
            asyncio.get_running_loop().call_soon(self._advance_woken)

    def _advance_woken(self) -> None:
        readers, size = WAKE_BATCH, WAKE_BATCH_BYTES
        try:
            while self._woken and readers > 0 and size > 0:
                reader = self._woken.popleft()
                # One that has not taken the last event is asked again at the next seal.
                if reader.is_ready:
                    readers -= 1
                    size -= self.advance(reader) or 0
        finally:
            if self._woken:
                asyncio.get_running_loop().call_soon(self._advance_woken)

    def _tick(self) -> None:
        """Send a `clock` to those who had no event for a while."""
        self._timer = None
        now = self._clock.now()
        clocks: dict[tuple[int, bool], StreamEvent] = {}
        try:
            for reader in [reader for reader in self._readers if reader.deadline <= now]:
                reader.deadline = self.deadline()
                # A `clock` moves the cursor to the newest second: an entry that was not sent yet would be skipped.
                if reader.is_ready and self.advance(reader) is None:
                    key = (reader.cursor or 0, reader.broadcast.gzip)
                    reader.send(clocks.get(key) or clocks.setdefault(key, self._clock_event(*key)))
        finally:
            if self._readers and not self._stopping:
                # All are looked at here, so that an event has to move none of them. So not more often than once a
                # second.
                first = min(reader.deadline for reader in self._readers)
                self._timer = self._clock.call_at(max(first, now + TICK_SECONDS), self._tick)

    def _clock_event(self, cursor: int, gzip: bool) -> StreamEvent:  # noqa: FBT001 - what it is cached by
        answer = self._long_poll.no_data(cursor)
        return event(answer.body, answer.timestamp, name=b"clock", gzip=gzip)


def _cursor(request: Request, now: int) -> int | None:
    """Return where a stream begins; None for `h`."""
    if (last := _last_event_id(request)) is not None:
        return last
    begin = request.query.get("from", "")
    if begin == "h":
        return None
    return integer("from", begin) if begin else now


def _last_event_id(request: Request) -> int | None:
    last = request.header(b"last-event-id")
    return integer("Last-Event-ID", last) if last else None
