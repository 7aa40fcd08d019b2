"""
Once: a push that carries an `Idempotency-Key` counts once, however often it is sent.

What it was answered is a mark in the journal, durable together with its records. So after an unclear outcome (no
answer, a broken connection, a restart of the server) the sender sends it again, and is told what became of it the first
time.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from edgetally.api.errors import Refusal
from edgetally.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from edgetally.clock import Clock
    from edgetally.journal.base import Checkpoints
    from edgetally.telemetry.prometheus import Family

KEEP_SECONDS = 600
"""How long a key is remembered."""

KEY = re.compile(rb"[ -~]{1,255}")

PREFIX = "push:"
"""With this begin the names of our marks."""


class Said(NamedTuple):
    """What a push was answered."""

    status: int
    body: str


class Remembered(msgspec.Struct, frozen=True, array_like=True):
    """A push that counts."""

    until: int
    """The second from which its key may mean another push."""
    content: int
    """A checksum of what it brought."""
    said: Said


class Once:
    """Remembers pushes by their key."""

    def __init__(self, marks: Mapping[str, str], clock: Clock, *, most: int) -> None:
        self._marks = marks
        self._clock = clock
        self._most = most
        self._pending: dict[str, asyncio.Task[Said]] = {}
        known = ((name, _read(mark).until) for name, mark in marks.items() if name.startswith(PREFIX))
        # The first to expire comes first.
        self._known = dict(sorted(known, key=lambda one: one[1]))
        self.repeated = 0
        """Pushes that came again and did not count again."""
        self.forgotten = 0
        """Keys that were forgotten early, because there were too many."""

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"api.idempotency_keys": self.forgotten}

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.PUSHES_REPEATED.sample(self.repeated)

    async def push(
        self, key: str, content: int, commit: Callable[[Callable[[Said], Checkpoints]], Awaitable[Said]]
    ) -> Said:
        """
        Return what the push with this key was answered, counting it if it is the first.

        `content` is a checksum of what it brings. `commit` counts it together with the marks that it makes of the
        answer, and returns the answer.
        """
        name = PREFIX + key
        # The first is on its way into the journal: whatever becomes of it is known soon.
        while pending := self._pending.get(name):
            await asyncio.wait([pending])
        mark = self._marks.get(name)
        known = _read(mark) if mark else None
        if known and known.until > self._clock.now():
            if known.content != content:
                problem = "this Idempotency-Key came with other records before: give every push a key of its own"
                raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, problem)
            self.repeated += 1
            return known.said
        task = self._pending[name] = asyncio.ensure_future(self._commit(name, content, commit))
        task.add_done_callback(lambda _: self._pending.pop(name))
        # It goes on when the sender leaves, because then the sender will ask.
        return await asyncio.shield(task)

    async def _commit(
        self, name: str, content: int, commit: Callable[[Callable[[Said], Checkpoints]], Awaitable[Said]]
    ) -> Said:
        until = int(self._clock.now()) + KEEP_SECONDS
        expired = self._expired()

        def marks(said: Said) -> Checkpoints:
            return {
                **dict.fromkeys(expired),
                name: msgspec.json.encode(Remembered(until, content, said)).decode(),
            }

        said = await commit(marks)
        now = self._clock.now()
        for old in expired:
            self.forgotten += self._known.pop(old, 0) > now
        self._known.pop(name, None)
        self._known[name] = until
        return said

    def _expired(self) -> list[str]:
        """Return what need not be remembered any more: some of it, because one push must not pay for all."""
        now = self._clock.now()
        too_many = len(self._known) + len(self._pending) - self._most
        found: list[str] = []
        for name, until in self._known.items():
            if name in self._pending:
                # It means another push by now, whose mark must stay.
                continue
            if len(found) >= max(2, too_many) or (until > now and len(found) >= too_many):
                break
            found.append(name)
        return found


def _read(mark: str) -> Remembered:
    return msgspec.json.decode(mark, type=Remembered)


def checked(key: bytes) -> str:
    """Return `key` as text; raise Refusal when it cannot be one."""
    if not KEY.fullmatch(key):
        raise Refusal(HTTPStatus.BAD_REQUEST, "an Idempotency-Key has 1 to 255 printable ASCII characters")
    return key.decode("ascii")
