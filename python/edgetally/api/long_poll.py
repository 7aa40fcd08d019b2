"""
Long polling: a query is answered from the shelf, or waits until there is an entry newer than its cursor.

`Timestamp` in an answer is the next cursor: chaining it skips no entry and repeats none. It is the newest sealed second
plus `AggregateDelay`, which is the server's clock.
"""

from __future__ import annotations

import asyncio
import math
import os
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from itertools import islice, takewhile
from typing import TYPE_CHECKING, NamedTuple

from edgetally.api.authorization import forbidden
from edgetally.api.encoding import GZIP_FROM
from edgetally.api.errors import CORS, response_to
from edgetally.api.query import Query
from edgetally.api.waiting import Group, Reader
from edgetally.http.messages import Response
from edgetally.telemetry import metrics
from edgetally.window.filter import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from edgetally.access.grants import Grant
    from edgetally.clock import Clock, Timer
    from edgetally.telemetry.prometheus import Family
    from edgetally.window.shelf import Shelf, ShelvedSecond

HISTORY = 120
"""Seconds that `ts/h` looks back."""

NO_DATA = b',"Error":"No data available, please retry"'

FIELDS = (*CORS, b"Cache-Control: max-age=1", b"Vary: Accept-Encoding, Fastly-Key, Authorization, Cookie")

NODES_APART = 15
"""Seconds by which nodes that read the same journal may be apart: they catch up after an outage."""

CACHED_ANSWERS = 1024
"""Answers that are cached until the next second is sealed."""

CACHED_BYTES = 256_000_000
"""Bytes of the cached answers. Those of waiting readers come first, and most of them are the same."""

WAKE_BATCH = 64
"""Readers that are answered before other tasks have their turn: a seal may wake thousands."""

WAKE_BATCH_BYTES = 1 << 20
"""The same in bytes of answers, if that is fewer readers."""

INLINE_BYTES = 512 * 1024
"""Bytes of counters up to which an answer is made on the event loop, in some milliseconds; beyond, in a thread."""


class Entries(Response):
    """An answer, and the cursor behind it."""

    __slots__ = ("timestamp",)

    def __init__(self, body: bytes, timestamp: int, *fields: bytes, cacheable: bool) -> None:
        super().__init__(HTTPStatus.OK, body, *FIELDS, *fields, cacheable=cacheable)
        self.timestamp = timestamp


NOTHING = Query("", "", cursor=1, limit=None, gzip=False)
"""A query without entries."""


class Selection(NamedTuple):
    """The entries that answer a query."""

    entries: list[ShelvedSecond]
    newest: int
    """The second up to which they are complete."""


class LongPoll:
    """Answers queries from the shelf, now or when there is an entry."""

    def __init__(
        self,
        *,
        shelf: Shelf,
        clock: Clock,
        aggregate_delay: int,
        poll_timeout: float,
        max_answer_bytes: int = 128_000_000,
    ) -> None:
        self._shelf = shelf
        self._clock = clock
        self._delay = aggregate_delay
        self._timeout = poll_timeout
        self._max_answer_bytes = max_answer_bytes
        self.truncated = 0
        """Answers without some of their entries, because they would have been too large."""
        self._answers: dict[Query, Entries] = {}
        self._answers_size = 0
        self._parked: dict[Query, Group] = {}
        """Readers that wait on the shelf."""
        # A dict serves as a set that keeps its order. All wait equally long, so the first one's deadline is the next.
        self._waiting: dict[Reader, None] = {}
        """The same readers. Those that are woken have no deadline any more: there is an entry for them."""
        self._woken: deque[Group] = deque()
        self._timer: Timer | None = None
        self._in_threads: dict[Query, Group] = {}
        """Readers of the answers that threads are making."""
        # One core less than there are, so that the event loop does not compete for its own.
        self._threads = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), thread_name_prefix="answers")
        self._newest = 0
        self._stopping = False

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"api.max_answer_bytes": self.truncated}

    @property
    def waiting(self) -> int:
        """How many readers wait."""
        return len(self._waiting)

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.WAITING_READERS.sample(self.waiting)

    def answer(self, query: Query, grant: Grant | None = None) -> Entries | Reader:
        """Return the answer, or a reader when there is no entry yet, who is refused if the grant is withdrawn."""
        if group := self._parked.get(query):
            return self._wait(group, grant)
        if answer := self.ready(query, grant):
            return answer
        return self.no_data(query.cursor or 0) if self._stopping else self._wait(self._park(query), grant)

    def no_data(self, cursor: int) -> Entries:
        """Return the answer to a cursor that has no newer entry."""
        newest, after = self._shelf.newest, cursor - self._delay
        # The cursor may be of a node that is a little ahead, behind the same balancer: it stays, so that no entry of
        # that time is read again.
        return self._response(NOTHING, [], after if newest < after <= newest + NODES_APART else newest)

    def ready(self, query: Query, grant: Grant | None = None) -> Entries | Reader | None:
        """Return the answer, or a reader of it while a thread makes it; None when there is no entry yet."""
        if cached := self._cached(query):
            return cached
        selected = self._select(query)
        if not selected.entries and query.cursor:
            return None
        if self._is_large(query, selected):
            return Reader(self, self._make_in_thread(query, selected), grant, math.inf)
        return self._make_inline(query, selected)

    def release(self) -> None:
        """Answer all waiting readers, and let none wait from now on: the server stops."""
        self._stopping = True
        if self._timer:
            self._timer.cancel()
        for reader in list(self._waiting):
            reader.answer(self.no_data(reader.group.query.cursor or 0))

    def close(self) -> None:
        """Wait for the answers that threads are making."""
        self._threads.shutdown()

    def _cached(self, query: Query) -> Entries | None:
        if self._newest != self._shelf.newest:
            self._newest = self._shelf.newest
            self._answers.clear()
            self._answers_size = 0
        return self._answers.get(query)

    def _select(self, query: Query) -> Selection:
        newest = self._shelf.newest
        match query.cursor:
            case None:
                after = newest - min(query.limit or HISTORY, HISTORY)
            case 0:
                after = newest - 1
            case cursor:
                after = cursor - self._delay
        entries = self._shelf.entries(query.service_id, query.dataset, after=after)
        if query.cursor and query.limit and len(entries) > query.limit:
            entries = entries[: query.limit]
            newest = entries[-1].second
        return Selection(entries, newest)

    def _park(self, query: Query) -> Group:
        """Return a group that waits until there is an entry after the cursor."""
        group = self._parked[query] = Group(query)
        group.leave = self._shelf.wait(
            query.service_id,
            query.dataset,
            after=(query.cursor or 0) - self._delay,
            wake=partial(self._unpark, group),
        )
        return group

    def _wait(self, group: Group, grant: Grant | None) -> Reader:
        """Let a reader wait for its group's answer, or until the timeout."""
        reader = Reader(self, group, grant, self._clock.now() + self._timeout)
        self._waiting[reader] = None
        self._set_timer()
        return reader

    # What readers call.

    def refusal(self) -> Response:
        """Return the answer to a reader whose grant is withdrawn."""
        return response_to(forbidden(), self._clock.now())

    def remove(self, reader: Reader) -> None:
        """Forget a reader: it is answered, or its client has left."""
        self._waiting.pop(reader, None)
        group = reader.group
        del group.readers[reader]
        if group.leave and not group.readers:
            group.leave()
            del self._parked[group.query]

    # Answers to readers that an entry has woken.

    def _unpark(self, group: Group) -> None:
        """Answer the readers of a group soon: there is an entry for them."""
        del self._parked[group.query]
        if group.leave:
            group.leave()
            group.leave = None
        for reader in group.readers:
            del self._waiting[reader]
        self._wake(group)

    def _wake(self, group: Group) -> None:
        self._woken.append(group)
        if len(self._woken) == 1:
            asyncio.get_running_loop().call_soon(self._answer_woken)

    def _answer_woken(self) -> None:
        """Answer some of the readers that were woken, and the others after other tasks had their turn."""
        try:
            self._answer_some()
        finally:
            if self._woken:
                asyncio.get_running_loop().call_soon(self._answer_woken)

    def _answer_some(self) -> None:
        readers, size = WAKE_BATCH, WAKE_BATCH_BYTES
        while self._woken and readers > 0 and size > 0:
            group = self._woken[0]
            if answer := group.answer or self._make_for(group):
                most = min(readers, 1 + size // max(1, len(answer.body)))
                for reader in list(islice(group.readers, most)):
                    readers -= 1
                    size -= len(answer.body)
                    reader.answer(answer)
            if not group.readers:
                self._woken.popleft()

    def _make_for(self, group: Group) -> Response | None:
        """Make the answer of a group; None if a thread makes it, for whose group they wait then, or if that failed."""
        query = group.query
        try:
            if not (answer := self._cached(query)):
                selected = self._select(query)
                if self._is_large(query, selected):
                    group.move(self._make_in_thread(query, selected))
                    return None
                answer = self._make_inline(query, selected)
        except Exception as error:  # noqa: BLE001 - the readers of other groups have their answers all the same
            for reader in list(group.readers):
                reader.fail(error)
            return None
        group.answer = answer
        return answer

    def _set_timer(self) -> None:
        """Have a timer for the reader that has waited longest."""
        if self._timer is None and self._waiting:
            self._timer = self._clock.call_at(next(iter(self._waiting)).deadline, self._time_out)

    def _time_out(self) -> None:
        self._timer = None
        now = self._clock.now()
        for reader in list(takewhile(lambda reader: reader.deadline <= now, self._waiting)):
            reader.answer(self.no_data(reader.group.query.cursor or 0))
        self._set_timer()

    def _is_large(self, query: Query, selected: Selection) -> bool:
        """Whether making the answer would block the event loop for too long."""
        entries = selected.entries
        is_made = not query.gzip and query.filter == ALL
        work = sum(entry.sealed.size for entry in entries if not (is_made and query.dataset in entry.bodies))
        return work > INLINE_BYTES

    def _make_inline(self, query: Query, selected: Selection) -> Entries:
        made, is_truncated = self._make(query, selected, partial(self._body, query))
        self.truncated += is_truncated
        return self._cache(query, made)

    def _body(self, query: Query, entry: ShelvedSecond) -> bytes:
        if query.filter != ALL:
            return query.filter.entry(entry, query.dataset)
        return self._shelf.body(entry, query.dataset)

    def _make_in_thread(self, query: Query, selected: Selection) -> Group:
        """Make an answer in a thread, once for all readers that send the query meanwhile; return their group."""
        if query in self._in_threads:
            return self._in_threads[query]
        group = self._in_threads[query] = Group(query)
        bodies: dict[ShelvedSecond, bytes] = {}

        def body(entry: ShelvedSecond) -> bytes:
            bodies[entry] = query.filter.entry(entry, query.dataset)
            return bodies[entry]

        def finish(making: asyncio.Future[tuple[Entries, bool]]) -> None:
            del self._in_threads[query]
            if error := making.exception():
                for reader in list(group.readers):
                    reader.fail(error)
                return
            answer, is_truncated = making.result()
            self.truncated += is_truncated
            for entry, encoded in bodies.items() if query.filter == ALL else ():
                self._shelf.cache(entry, query.dataset, encoded)
            if self._shelf.newest == newest:
                self._cache(query, answer)
            else:
                answer.cacheable = False
            group.answer = answer
            self._wake(group)

        newest = self._shelf.newest
        making = asyncio.get_running_loop().run_in_executor(self._threads, self._make, query, selected, body)
        making.add_done_callback(finish)
        return group

    def _cache(self, query: Query, made: Entries) -> Entries:
        size = self._answers_size + len(made.body)
        if len(self._answers) < CACHED_ANSWERS and size <= CACHED_BYTES:
            self._answers[query] = made
            self._answers_size = size
        else:
            made.cacheable = False
        return made

    def _make(self, query: Query, selected: Selection, body: Callable[[ShelvedSecond], bytes]) -> tuple[Entries, bool]:
        """
        Make an answer of as many entries as fit, at least one; return whether it was truncated.

        With a cursor, the oldest entries go first, because the next query returns the others. Without, the newest do.
        """
        entries, newest = selected
        bodies: list[bytes] = []
        size = 0
        for entry in entries if query.cursor else reversed(entries):
            encoded = body(entry)
            size += len(encoded)
            if bodies and size > self._max_answer_bytes:
                break
            bodies.append(encoded)
        is_truncated = len(bodies) < len(entries)
        if not query.cursor:
            bodies.reverse()
        elif is_truncated:
            newest = entries[len(bodies) - 1].second
        return self._response(query, bodies, newest), is_truncated

    def _response(self, query: Query, bodies: list[bytes], newest: int) -> Entries:
        nothing = NO_DATA if not bodies and query.cursor is not None else b""
        timestamp = newest + self._delay
        end = b'],"Timestamp":%d,"AggregateDelay":%d%b}' % (timestamp, self._delay, nothing)
        # Joined in one step, so that large entries are copied once.
        pieces = [piece for body in bodies for piece in (b",", body)]
        body = b"".join([b'{"Data":[', *pieces[1:], end])
        # A reader that timed out may send the same request again, and has to wait again.
        cacheable = bool(bodies) or not query.cursor
        if query.gzip and len(body) >= GZIP_FROM:
            packed = zlib.compress(body, 1, wbits=31)
            return Entries(packed, timestamp, b"Content-Encoding: gzip", cacheable=cacheable)
        return Entries(body, timestamp, cacheable=cacheable)
