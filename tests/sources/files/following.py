"""Files that are followed on a turned clock, and what was read of them."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar, cast

import pytest

from edgetally.model import Defaults
from edgetally.sources.files.follower import POLL_SECONDS, CheckpointUpdate, Follow, Follower
from edgetally.sources.files.generation import Generation
from edgetally.telemetry.events import Event
from tests.support.clock import ManualClock

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 100
"""Polls after which what has not come never will."""

QUIET_SECONDS = 300.0

START = 1_763_769_600.0


class Turns:
    """Lets a random number of turns of the event loop pass wherever a thread or a disk takes a while."""

    def __init__(self, seed: int | None = None) -> None:
        self._rng = None if seed is None else random.Random(seed)  # noqa: S311 - repeatable, not secret

    async def pass_by(self) -> None:
        for _ in range(self._rng.randrange(7) if self._rng else 0):
            await asyncio.sleep(0)

    async def inline(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call without a thread, so that nothing happens that the clock does not know of."""
        await self.pass_by()
        result = call(*args, **kwargs)
        await self.pass_by()
        return result


class Journaled(NamedTuple):
    """What would have been durable at one moment."""

    checkpoints: dict[str, str]
    lines: list[bytes]


class Reading:
    """
    Reads what a follower finds as the worker does, and turns the clock while it waits.

    A line that begins with `P ` is a part of the next one, which begins with `F `, as container runtimes write it.
    """

    def __init__(self, checkpoints: Mapping[str, str], clock: ManualClock, turns: Turns) -> None:
        self.clock = clock
        self._turns = turns
        self.checkpoints = dict(checkpoints)
        """What the journal would have kept."""
        self.commits: list[Journaled] = []
        """Every state of the journal so far."""
        self.follower: Follower
        self._lines: list[bytes] = []
        self._counted: list[bytes] = []

    async def read(self, source: Generation | CheckpointUpdate) -> None:
        unfinished = parts = b""
        await self._turns.pass_by()
        async for block in source.blocks():
            if block.resume is not None:
                parts = block.resume
            *lines, unfinished = (unfinished + block.data).split(b"\n")
            if block.end and unfinished:
                lines.append(unfinished)
                unfinished = b""
            for line in lines:
                if line.startswith(b"P "):
                    parts += line[2:]
                else:
                    self._count(parts + line.removeprefix(b"F ") if line.startswith(b"F ") else line)
                    parts = b"" if line.startswith(b"F ") else parts
            if block.end and parts:
                self._count(parts)
                parts = b""
            changes = block.checkpoints(parts) if callable(block.checkpoints) else block.checkpoints
            for key, text in (changes or {}).items():
                if text is None:
                    self.checkpoints.pop(key, None)
                else:
                    self.checkpoints[key] = text
            self.commits.append(Journaled(dict(self.checkpoints), list(self._counted)))
            await self._turns.pass_by()

    def _count(self, line: bytes) -> None:
        self._lines.append(line)
        self._counted.append(line)

    async def lines(self, count: int) -> list[bytes]:
        """Return the next lines, at least `count`."""
        for _ in range(PATIENCE):
            if len(self._lines) >= count:
                break
            await self.clock.advance(POLL_SECONDS)
        assert len(self._lines) >= count, self._lines
        found, self._lines = self._lines, []
        return found

    async def nothing(self, seconds: float = 10.0) -> None:
        """Assert that no line is finished within `seconds`."""
        await self.clock.advance(seconds)
        assert self._lines == []


@asynccontextmanager
async def following(
    *patterns: Path,
    checkpoints: Mapping[str, str] | None = None,
    clock: ManualClock | None = None,
    max_files: int = 1000,
    quiet_seconds: float = QUIET_SECONDS,
    seed: int | None = None,
) -> AsyncIterator[Reading]:
    """Follow `patterns` until the end of the block; with a `seed`, threads and commits take random times."""
    clock = clock or ManualClock(START)
    turns = Turns(seed)
    reading = Reading(checkpoints or {}, clock, turns)
    reading.follower = Follower(
        [Follow(pattern, Defaults("svc", "lab")) for pattern in patterns],
        clock,
        quiet_seconds=quiet_seconds,
        max_files=max_files,
        read=reading.read,
        in_thread=turns.inline,
    )
    await reading.follower.open(dict(reading.checkpoints))
    task = asyncio.ensure_future(reading.follower.run())
    if seed is None:
        # The time does not go on during a look.
        clock.settled = lambda: task.done() or clock.next_call() <= clock.now() + POLL_SECONDS
    await clock.advance(POLL_SECONDS)
    try:
        yield reading
    finally:
        task.cancel()
        await asyncio.wait([task])
        await reading.follower.close()
        assert task.cancelled(), task


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def written_at(path: Path, second: int) -> None:
    """Set when `path` was last written: what a test writes in one moment takes a server a while."""
    os.utime(path, (second, second))


LONG = b"".join(b"%063d\n" % number for number in range(8))
"""Enough to know a file by it."""


async def left_behind(log: Path, data: bytes = LONG) -> dict[str, str]:
    """Follow `log` while this is written to it; return its checkpoints."""
    async with following(log) as reading:
        append(log, data)
        written_at(log, 500)
        await reading.lines(data.count(b"\n"))
        # A checkpoint is only written with records, and knows when the file was last written from before them.
        return reading.checkpoints


def events(caplog: pytest.LogCaptureFixture) -> list[Event]:
    """Return the events that were logged."""
    return [cast("Event", record.msg) for record in caplog.records]


def names(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return their names."""
    return [event.name() for event in events(caplog)]
