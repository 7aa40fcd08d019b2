# ruff: noqa: ASYNC240 - a test may wait for its disk
"""A followed file, and what happens to log files in the world."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from edgetally.sources.base import READ, Block, Defaults
from edgetally.sources.file import GRACE_SECONDS, POLL_SECONDS, FollowedFile
from tests.clock import TurnedClock

PATIENCE = 100
"""Polls after which something that should have come will not."""


class Follower:
    """Reads a followed file block by block, as the worker does, and turns the clock while it waits."""

    def __init__(self, blocks: AsyncIterator[Block], clock: TurnedClock) -> None:
        self.clock = clock
        self.mark = ""
        """What the worker would have remembered: finished lines only."""
        self._blocks = blocks
        self._waiting: asyncio.Future[Block] | None = None
        self._unfinished = b""

    async def lines(self, count: int) -> list[bytes]:
        """Return the next finished lines, at least `count`."""
        found: list[bytes] = []
        while len(found) < count:
            found += self._finished(await self.block())
        return found

    async def nothing(self, seconds: float) -> None:
        """Assert that no line is finished within `seconds`."""
        for _ in range(round(seconds / POLL_SECONDS)):
            waiting = self._begin()
            await self.clock.advance(POLL_SECONDS)
            if waiting.done():
                assert self._finished(await self.block()) == []

    async def block(self) -> Block:
        """Return the next block."""
        for _ in range(PATIENCE):
            if self._begin().done():
                break
            await self.clock.advance(POLL_SECONDS)
        waiting = self._begin()
        assert waiting.done(), "nothing came"
        self._waiting = None
        return waiting.result()

    async def stop(self) -> None:
        """Go away, even in the middle of waiting."""
        if self._waiting:
            self._waiting.cancel()
            await asyncio.wait([self._waiting])

    def _begin(self) -> asyncio.Future[Block]:
        self._waiting = self._waiting or asyncio.ensure_future(anext(self._blocks))
        return self._waiting

    def _finished(self, block: Block) -> list[bytes]:
        *finished, self._unfinished = (self._unfinished + block.data).split(b"\n")
        if block.end and self._unfinished:
            finished.append(self._unfinished)
            self._unfinished = b""
        if block.mark:
            self.mark = block.mark(len(self._unfinished))
        return finished


@asynccontextmanager
async def following(path: Path, mark: str | None = None) -> AsyncIterator[Follower]:
    """Follow `path` until the end of the block."""
    clock = TurnedClock(1_763_769_600.0)
    source = FollowedFile(path, Defaults("svc", "lab"), clock)
    async with aclosing(cast("AsyncGenerator[Block, None]", source.blocks(mark))) as blocks:
        follower = Follower(blocks, clock)
        try:
            if mark is None:
                await follower.nothing(POLL_SECONDS)
            yield follower
        finally:
            await follower.stop()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log that an edge has already written a line to."""
    path = tmp_path / "access.log"
    path.write_bytes(b"past\n")
    return path


async def test_the_file_grows(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\ntwo\n")
        assert await follower.lines(2) == [b"one", b"two"]
        append(log, b"three\n")
        assert await follower.lines(1) == [b"three"]
        await follower.nothing(10)


async def test_what_was_written_before_the_first_start_is_not_ours_to_count(log: Path) -> None:
    async with following(log) as follower:
        await follower.nothing(10)


async def test_the_last_line_is_unfinished(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\ntw")
        assert await follower.lines(1) == [b"one"]
        await follower.nothing(10)
        append(log, b"o\n")
        assert await follower.lines(1) == [b"two"]


async def test_we_go_away_and_come_back(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\ntw")
        await follower.lines(1)
        mark = follower.mark
    append(log, b"o\nthree\n")

    async with following(log, mark) as follower:
        assert await follower.lines(2) == [b"two", b"three"]
        await follower.nothing(10)


async def test_we_go_away_before_anything_was_written(log: Path) -> None:
    async with following(log) as follower:
        mark = follower.mark
    append(log, b"one\n")

    async with following(log, mark) as follower:
        assert await follower.lines(1) == [b"one"]


async def test_there_is_no_such_file_yet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "access.log"
    async with following(path) as follower:
        await follower.nothing(10)
        path.write_bytes(b"one\n")
        assert await follower.lines(1) == [b"one"]
    assert caplog.messages == [f"file:{path}: No such file or directory; waiting for it"]


async def test_the_file_may_not_be_read_yet(
    log: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        async with following(log) as follower:
            await follower.nothing(10)
            patched.undo()
            await follower.nothing(1)
            append(log, b"one\n")
            assert await follower.lines(1) == [b"one"]
    assert caplog.messages == [f"file:{log}: Permission denied; waiting for it"]


async def test_rotated_by_rename(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with following(log) as follower:
        append(log, b"one\n")
        log.rename(log.with_suffix(".1"))
        log.write_bytes(b"two\n")
        assert await follower.lines(2) == [b"one", b"two"]
        append(log, b"three\n")
        assert await follower.lines(1) == [b"three"]
    assert caplog.messages == [f"file:{log}: rotated, reading the new file"]


async def test_rotated_in_the_middle_of_a_line(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\ntw")
        log.rename(log.with_suffix(".1"))
        log.write_bytes(b"three\n")
        assert await follower.lines(3) == [b"one", b"tw", b"three"]


async def test_rotated_while_the_old_file_is_still_written_to(log: Path) -> None:
    old = log.with_suffix(".1")
    almost = GRACE_SECONDS - 2 * POLL_SECONDS
    async with following(log) as follower:
        log.rename(old)
        log.write_bytes(b"new\n")
        # Every line makes it wait anew: workers reopen their logs one after the other.
        for number in range(3):
            await follower.nothing(almost)
            append(old, b"old %d\n" % number)
            assert await follower.lines(1) == [b"old %d" % number]
        await follower.nothing(almost)
        assert await follower.lines(1) == [b"new"]


async def test_rotated_twice(log: Path) -> None:
    async with following(log) as follower:
        for number in range(2):
            append(log, b"before %d\n" % number)
            log.rename(log.with_suffix(f".{number}"))
            log.write_bytes(b"after %d\n" % number)
            assert await follower.lines(2) == [b"before %d" % number, b"after %d" % number]


async def test_renamed_and_for_a_while_nobody_opens_a_new_one(log: Path) -> None:
    old = log.with_suffix(".1")
    async with following(log) as follower:
        log.rename(old)
        await follower.nothing(10 * GRACE_SECONDS)
        append(old, b"one\n")
        assert await follower.lines(1) == [b"one"]
        log.write_bytes(b"two\n")
        assert await follower.lines(1) == [b"two"]


async def test_removed_and_made_anew(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\n")
        log.unlink()
        await follower.lines(1)
        log.write_bytes(b"two\n")
        assert await follower.lines(1) == [b"two"]


async def test_a_link_points_to_another_file_now(tmp_path: Path) -> None:
    link, one, two = tmp_path / "access.log", tmp_path / "1.log", tmp_path / "2.log"
    one.write_bytes(b"past\n")
    link.symlink_to(one)
    async with following(link) as follower:
        append(one, b"one\n")
        two.write_bytes(b"two\n")
        (tmp_path / "next").symlink_to(two)
        (tmp_path / "next").rename(link)
        assert await follower.lines(2) == [b"one", b"two"]


async def test_truncated(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with following(log) as follower:
        append(log, b"one\n")
        await follower.lines(1)
        os.truncate(log, 0)
        await follower.nothing(1)
        append(log, b"two\n")
        assert await follower.lines(1) == [b"two"]
    assert caplog.messages == [f"file:{log}: truncated, reading it from its beginning"]


async def test_truncated_in_the_middle_of_a_line_and_written_to_at_once(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\ntw")
        await follower.lines(1)
        log.write_bytes(b"three\n")
        assert await follower.lines(2) == [b"tw", b"three"]


async def test_replaced_while_we_were_away(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\n")
        await follower.lines(1)
        mark = follower.mark
    log.rename(log.with_suffix(".1"))
    log.write_bytes(b"a longer line than there was\n")

    async with following(log, mark) as follower:
        assert await follower.lines(1) == [b"a longer line than there was"]


async def test_truncated_while_we_were_away(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\n")
        await follower.lines(1)
        mark = follower.mark
    log.write_bytes(b"two\n")

    async with following(log, mark) as follower:
        assert await follower.lines(1) == [b"two"]


async def test_gone_while_we_were_away(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\n")
        await follower.lines(1)
        mark = follower.mark
    log.unlink()

    async with following(log, mark) as follower:
        await follower.nothing(1)
        log.write_bytes(b"two\n")
        assert await follower.lines(1) == [b"two"]


async def test_more_is_written_at_once_than_is_read_at_once(log: Path) -> None:
    async with following(log) as follower:
        begin = follower.clock.now()
        data = b"".join(b"%099d\n" % number for number in range(3 * READ // 100))
        append(log, data)
        await follower.clock.advance(POLL_SECONDS)
        blocks = [await follower.block() for _ in range(3)]

        assert b"".join(block.data for block in blocks) == data
        assert [block.more for block in blocks] == [True, True, False]
        # It pauses only when there is nothing more.
        assert follower.clock.now() == pytest.approx(begin + POLL_SECONDS)


async def test_we_go_away_in_the_middle_of_a_long_catch_up(log: Path) -> None:
    lines = [b"%099d" % number for number in range(3 * READ // 100)]
    async with following(log) as follower:
        append(log, b"\n".join([*lines, b""]))
        read = await follower.lines(1)
        mark = follower.mark

    async with following(log, mark) as follower:
        assert read + await follower.lines(len(lines) - len(read)) == lines
