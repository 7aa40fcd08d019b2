"""
Entries over a long poll, the same way for every dataset.

A question is answered with what is on the shelf; one with a cursor that nothing is newer than waits for what comes.

`Timestamp` in the answer is the cursor to go on with: chaining it skips no entry and repeats none. It is the newest
sealed second plus `AggregateDelay`, in other words the server's clock.
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
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from edgetally.api.errors import CORS
from edgetally.http.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgetally.api.query import Question
    from edgetally.clock import Clock, Timer
    from edgetally.window.shelf import Shelf, ShelvedSecond

HISTORY = 120
"""Seconds that `ts/h` looks back."""

NO_DATA = b',"Error":"No data available, please retry"'

FIELDS = (*CORS, b"Cache-Control: max-age=1", b"Vary: Accept-Encoding, Fastly-Key, Authorization, Cookie")

CACHED_ANSWERS = 1024
"""How many answers are kept until the next second is sealed."""

CACHED_BYTES = 256_000_000
"""How large all of these may be. Those who waited come first, and most of them are given the same."""

GZIP_FROM = 1024
"""Bodies shorter than this are not worth compressing."""

AT_ONE_GO = 64
"""Readers that are answered before the answers are sent and others have their turn: a seal may wake thousands."""

BYTES_AT_ONE_GO = 1 << 20
"""The same in bytes of answers, if that is fewer readers."""

ON_THE_SPOT = 512 * 1024
"""An answer that takes more bytes of counters than this to make, some milliseconds, is made in a thread."""


class Reader:
    """Somebody who waits for an answer, at most until `until`."""

    __slots__ = ("answer", "asked", "leave", "made", "until")

    def __init__(self, asked: Question, until: float = math.inf) -> None:
        self.asked = asked
        self.until = until
        self.answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.made: Response | None = None
        """What was made for it in a thread."""
        self.leave: Callable[[], None]


class Selection(NamedTuple):
    """What answers a question."""

    entries: list[ShelvedSecond]
    newest: int
    """The second up to which they answer it."""


class Poll:
    """Answers questions from the shelf, now or when there is something to say."""

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
        self.cut = 0
        """Answers that had to leave out entries because they were too large."""
        self._answers: dict[Question, Response] = {}
        self._answers_size = 0
        # A dict serves as a set that keeps its order. All are equally patient, so the first one's patience ends first.
        self._parked: dict[Reader, None] = {}
        self._woken: deque[Reader] = deque()
        self._timer: Timer | None = None
        self._making: dict[Question, list[Reader]] = {}
        """Who waits for an answer that a thread makes."""
        # A core stays free for the event loop: with more threads, it would wait for its turn among them.
        self._makers = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), thread_name_prefix="answers")
        self._newest = 0
        self._stopping = False

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"api.max_answer_bytes": self.cut}

    def answer(self, asked: Question) -> Response | asyncio.Future[Response]:
        """Return the answer, or a future of it when there is nothing to say yet."""
        if known := self._known(asked):
            return known
        selected = self._select(asked)
        if not selected.entries and asked.cursor and not self._stopping:
            return self._wait(asked)
        if self._is_much(asked, selected):
            reader = Reader(asked)
            self._make_beside(reader, selected)
            return reader.answer
        return self._make_here(asked, selected)

    def release(self) -> None:
        """Answer everybody who waits, and let nobody wait any more, because the server stops."""
        self._stopping = True
        if self._timer:
            self._timer.cancel()
        for reader in list(self._parked):
            self._give_up(reader)

    def close(self) -> None:
        """Wait for what is being made."""
        self._makers.shutdown()

    def _known(self, asked: Question) -> Response | None:
        if self._newest != self._shelf.newest:
            self._newest = self._shelf.newest
            self._answers.clear()
            self._answers_size = 0
        return self._answers.get(asked)

    def _select(self, asked: Question) -> Selection:
        newest = self._shelf.newest
        match asked.cursor:
            case None:
                after = newest - min(asked.limit or HISTORY, HISTORY)
            case 0:
                after = newest - 1
            case cursor:
                after = cursor - self._delay
        entries = self._shelf.entries(asked.service_id, asked.dataset, after=after)
        if asked.cursor and asked.limit and len(entries) > asked.limit:
            entries = entries[: asked.limit]
            newest = entries[-1].second
        return Selection(entries, newest)

    def _wait(self, asked: Question) -> asyncio.Future[Response]:
        """Park the reader until there is an entry after its cursor, or until its patience ends."""
        reader = Reader(asked, self._clock.now() + self._timeout)
        reader.leave = self._shelf.wait(
            asked.service_id,
            asked.dataset,
            after=(asked.cursor or 0) - self._delay,
            wake=partial(self._wake, reader),
        )
        self._parked[reader] = None
        reader.answer.add_done_callback(partial(self._left, reader))
        self._watch()
        return reader.answer

    def _left(self, reader: Reader, _answer: object) -> None:
        reader.leave()
        self._parked.pop(reader, None)

    def _wake(self, reader: Reader) -> None:
        self._woken.append(reader)
        if len(self._woken) == 1:
            asyncio.get_running_loop().call_soon(self._answer_woken)

    def _answer_woken(self) -> None:
        """Answer the first of those who were woken, and the others after everybody else had a turn."""
        readers, room = AT_ONE_GO, BYTES_AT_ONE_GO
        while self._woken and readers > 0 and room > 0:
            reader = self._woken.popleft()
            if reader.answer.done():
                continue
            if answer := reader.made or self._known(reader.asked):
                pass
            elif self._is_much(reader.asked, selected := self._select(reader.asked)):
                self._make_beside(reader, selected)
                continue
            else:
                answer = self._make_here(reader.asked, selected)
            reader.answer.set_result(answer)
            readers -= 1
            room -= len(answer.body)
        if self._woken:
            asyncio.get_running_loop().call_soon(self._answer_woken)

    def _watch(self) -> None:
        """Have a timer for whoever has waited longest."""
        if self._timer is None and self._parked:
            self._timer = self._clock.call_at(next(iter(self._parked)).until, self._lose_patience)

    def _lose_patience(self) -> None:
        self._timer = None
        now = self._clock.now()
        for reader in list(takewhile(lambda reader: reader.until <= now, self._parked)):
            self._give_up(reader)
            del self._parked[reader]
        self._watch()

    def _give_up(self, reader: Reader) -> None:
        if not reader.answer.done():
            reader.answer.set_result(self._response(reader.asked, [], self._shelf.newest))

    def _is_much(self, asked: Question, selected: Selection) -> bool:
        """Whether making the answer would keep others waiting."""
        entries = selected.entries
        work = sum(entry.sealed.size for entry in entries if asked.gzip or asked.dataset not in entry.bodies)
        return work > ON_THE_SPOT

    def _make_here(self, asked: Question, selected: Selection) -> Response:
        made, is_cut = self._make(asked, selected, lambda entry: self._shelf.body(entry, asked.dataset))
        self.cut += is_cut
        return self._remember(asked, made)

    def _make_beside(self, reader: Reader, selected: Selection) -> None:
        """Make an answer in a thread, once for all who ask for it meanwhile."""
        asked = reader.asked
        if asked in self._making:
            self._making[asked].append(reader)
            return
        self._making[asked] = [reader]

        bodies: dict[ShelvedSecond, bytes] = {}

        def body(entry: ShelvedSecond) -> bytes:
            bodies[entry] = entry.bodies.get(asked.dataset) or entry.sealed.entry(asked.dataset)
            return bodies[entry]

        def made(making: asyncio.Future[tuple[Response, bool]]) -> None:
            readers = self._making.pop(asked)
            if error := making.exception():
                for one in readers:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                return
            answer, is_cut = making.result()
            self.cut += is_cut
            for entry, encoded in bodies.items():
                self._shelf.cache(entry, asked.dataset, encoded)
            if self._shelf.newest == newest:
                self._remember(asked, answer)
            else:
                answer.cacheable = False
            for one in readers:
                one.made = answer
                self._wake(one)

        newest = self._shelf.newest
        making = asyncio.get_running_loop().run_in_executor(self._makers, self._make, asked, selected, body)
        making.add_done_callback(made)

    def _remember(self, asked: Question, made: Response) -> Response:
        size = self._answers_size + len(made.body)
        if len(self._answers) < CACHED_ANSWERS and size <= CACHED_BYTES:
            self._answers[asked] = made
            self._answers_size = size
        else:
            made.cacheable = False
        return made

    def _make(
        self, asked: Question, selected: Selection, body: Callable[[ShelvedSecond], bytes]
    ) -> tuple[Response, bool]:
        """
        Make an answer of as many entries as fit into one, at least one, and say whether that is not all.

        It is made of the oldest, or of the newest if no cursor can go on.
        """
        entries, newest = selected
        bodies: list[bytes] = []
        size = 0
        for entry in entries if asked.cursor else reversed(entries):
            encoded = body(entry)
            size += len(encoded)
            if bodies and size > self._max_answer_bytes:
                break
            bodies.append(encoded)
        is_cut = len(bodies) < len(entries)
        if not asked.cursor:
            bodies.reverse()
        elif is_cut:
            newest = entries[len(bodies) - 1].second
        return self._response(asked, bodies, newest), is_cut

    def _response(self, asked: Question, bodies: list[bytes], newest: int) -> Response:
        nothing = NO_DATA if not bodies and asked.cursor is not None else b""
        end = b'],"Timestamp":%d,"AggregateDelay":%d%b}' % (newest + self._delay, self._delay, nothing)
        # Joined at once: what is large is copied once.
        pieces = [piece for body in bodies for piece in (b",", body)]
        body = b"".join([b'{"Data":[', *pieces[1:], end])
        # Somebody who has waited in vain may ask the same again, and then waits again.
        cacheable = bool(bodies) or not asked.cursor
        if asked.gzip and len(body) >= GZIP_FROM:
            packed = zlib.compress(body, 1, wbits=31)
            return Response(HTTPStatus.OK, packed, *FIELDS, b"Content-Encoding: gzip", cacheable=cacheable)
        return Response(HTTPStatus.OK, body, *FIELDS, cacheable=cacheable)
