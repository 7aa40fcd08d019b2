# ruff: noqa: ASYNC240 - a test may wait for its disk
"""A followed file, and what happens to log files in practice."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from edgetally.model import Defaults
from edgetally.sources.base import READ_BYTES, Block
from edgetally.sources.file import GRACE_SECONDS, POLL_SECONDS, FollowedFile
from tests.support.clock import ManualClock

MAX_POLLS = 100
"""Polls after which a test gives up."""


class Follower:
    """Reads a followed file block by block, as the worker does, and advances the clock while it waits."""

    def __init__(self, blocks: AsyncIterator[Block], clock: ManualClock) -> None:
        self.clock = clock
        self.checkpoint = ""
        """What the worker would have stored: after the last finished line."""
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
        for _ in range(MAX_POLLS):
            if self._begin().done():
                break
            await self.clock.advance(POLL_SECONDS)
        waiting = self._begin()
        assert waiting.done(), "no block was yielded"
        self._waiting = None
        return waiting.result()

    async def stop(self) -> None:
        """Stop, even while waiting."""
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
        if block.checkpoint:
            self.checkpoint = block.checkpoint(len(self._unfinished))
        return finished


@asynccontextmanager
async def following(path: Path, checkpoint: str | None = None) -> AsyncIterator[Follower]:
    """Follow `path` until the end of the block."""
    clock = ManualClock(1_763_769_600.0)
    source = FollowedFile(path, Defaults("svc", "lab"), clock)
    async with aclosing(cast("AsyncGenerator[Block, None]", source.blocks(checkpoint))) as blocks:
        follower = Follower(blocks, clock)
        try:
            if checkpoint is None:
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


async def test_appended_lines_are_read(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\ntwo\n")
        assert await follower.lines(2) == [b"one", b"two"]
        append(log, b"three\n")
        assert await follower.lines(1) == [b"three"]
        await follower.nothing(10)


def test_the_name_of_a_source_is_the_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link.log").symlink_to("access.log")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edge").mkdir()
    (tmp_path / "elsewhere").symlink_to("/")
    names = {
        "access.log": "access.log",
        "./access.log": "access.log",
        "edge/../access.log": "access.log",
        "link.log": "link.log",
        "elsewhere/../access.log": "elsewhere/../access.log",
    }
    found = [FollowedFile(Path(path), Defaults("svc", "lab"), ManualClock()).name for path in names]

    assert found == [f"file:{tmp_path}/{name}" for name in names.values()]


async def test_the_lag_is_the_bytes_not_read_yet(log: Path) -> None:
    source = FollowedFile(log, Defaults("svc", "lab"), ManualClock())
    async with aclosing(cast("AsyncGenerator[Block, None]", source.blocks(None))) as blocks:
        await anext(blocks)
        assert source.behind == 0, "what was written before does not count"
        append(log, b"x" * (READ_BYTES + 5))
        assert source.behind == READ_BYTES + 5
        await anext(blocks)
        assert source.behind == 5
        await anext(blocks)
        assert source.behind == 0
        append(log, b"more")
    assert source.behind == 0, "a source that has ended has no lag"


async def test_lines_written_before_the_first_start_do_not_count(log: Path) -> None:
    async with following(log) as follower:
        await follower.nothing(10)


async def test_an_unfinished_line_waits_for_its_end(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\ntw")
        assert await follower.lines(1) == [b"one"]
        await follower.nothing(10)
        append(log, b"o\n")
        assert await follower.lines(1) == [b"two"]


async def test_a_restart_continues_at_the_checkpoint(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\ntw")
        await follower.lines(1)
        checkpoint = follower.checkpoint
    append(log, b"o\nthree\n")

    async with following(log, checkpoint) as follower:
        assert await follower.lines(2) == [b"two", b"three"]
        await follower.nothing(10)


async def test_a_restart_before_anything_is_written(log: Path) -> None:
    async with following(log) as follower:
        checkpoint = follower.checkpoint
    append(log, b"one\n")

    async with following(log, checkpoint) as follower:
        assert await follower.lines(1) == [b"one"]


async def test_the_start_of_following_is_logged(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with following(log) as follower:
        append(log, b"one\ntw")
        await follower.lines(1)
        checkpoint = follower.checkpoint
    async with following(log, checkpoint) as follower:
        await follower.nothing(1)
    log.unlink()
    async with following(log) as follower:
        await follower.nothing(1)
        append(log, b"o\n")
        await follower.lines(1)

    assert caplog.messages == [
        f"file:{log}: following from byte 5 (end)",
        f"file:{log}: following from byte 9 (checkpoint)",
        f"file:{log}: No such file or directory; waiting for the file",
        f"file:{log}: following from byte 0 (beginning)",
    ]


async def test_a_missing_file_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "access.log"
    async with following(path) as follower:
        await follower.nothing(10)
        path.write_bytes(b"one\n")
        assert await follower.lines(1) == [b"one"]
    assert caplog.messages == [f"file:{path}: No such file or directory; waiting for the file"]


async def test_a_file_that_appears_while_the_process_is_down_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with following(path) as follower:
        await follower.nothing(1)
        checkpoint = follower.checkpoint
    path.write_bytes(b"one\n")

    async with following(path, checkpoint) as follower:
        assert await follower.lines(1) == [b"one"]


async def test_an_unreadable_file_is_waited_for(
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
    assert caplog.messages == [f"file:{log}: Permission denied; waiting for the file"]


@pytest.mark.parametrize("kind", ["a directory", "a pipe", "below a file"])
async def test_anything_but_a_file_is_waited_for_like_a_missing_file(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "edge" / "access.log"
    if kind == "below a file":
        path.parent.touch()
    elif kind == "a pipe":
        path.parent.mkdir()
        os.mkfifo(path)
    else:
        path.mkdir(parents=True)

    async with following(path) as follower:
        await follower.nothing(10)

    problems = {
        "a directory": "Is a directory",
        "a pipe": "not a regular file (use --stdin for pipes)",
        "below a file": "Not a directory",
    }
    assert caplog.messages == [f"file:{path}: {problems[kind]}; waiting for the file"]


async def test_rotated_by_rename(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with following(log) as follower:
        append(log, b"one\n")
        log.rename(log.with_suffix(".1"))
        log.write_bytes(b"two\n")
        assert await follower.lines(2) == [b"one", b"two"]
        append(log, b"three\n")
        assert await follower.lines(1) == [b"three"]
    assert caplog.messages == [
        f"file:{log}: following from byte 5 (end)",
        f"file:{log}: rotated, reading the new file",
    ]


async def test_rotated_in_the_middle_of_a_line(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\ntw")
        log.rename(log.with_suffix(".1"))
        log.write_bytes(b"three\n")
        assert await follower.lines(3) == [b"one", b"tw", b"three"]


async def test_rotated_while_the_old_file_is_still_written(log: Path) -> None:
    old = log.with_suffix(".1")
    almost = GRACE_SECONDS - 2 * POLL_SECONDS
    async with following(log) as follower:
        log.rename(old)
        log.write_bytes(b"new\n")
        # Every line restarts the wait: the workers of a server reopen their logs one after the other.
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


async def test_renamed_long_before_a_new_file_is_opened(log: Path) -> None:
    old = log.with_suffix(".1")
    async with following(log) as follower:
        log.rename(old)
        await follower.nothing(10 * GRACE_SECONDS)
        append(old, b"one\n")
        assert await follower.lines(1) == [b"one"]
        log.write_bytes(b"two\n")
        assert await follower.lines(1) == [b"two"]


async def test_removed_and_created_again(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\n")
        log.unlink()
        await follower.lines(1)
        log.write_bytes(b"two\n")
        assert await follower.lines(1) == [b"two"]


async def test_a_link_that_is_changed_to_another_file(tmp_path: Path) -> None:
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
    assert caplog.messages[1:] == [f"file:{log}: truncated, reading from the beginning"]


async def test_truncated_in_the_middle_of_a_line_and_written_at_once(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\ntw")
        await follower.lines(1)
        log.write_bytes(b"three\n")
        assert await follower.lines(2) == [b"tw", b"three"]


async def test_replaced_while_the_process_is_down(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\n")
        await follower.lines(1)
        checkpoint = follower.checkpoint
    log.rename(log.with_suffix(".1"))
    log.write_bytes(b"a longer line than there was\n")

    async with following(log, checkpoint) as follower:
        assert await follower.lines(1) == [b"a longer line than there was"]


LONG = b"".join(b"%063d\n" % number for number in range(8))
"""Enough to identify a file."""


async def followed(log: Path, data: bytes = LONG) -> str:
    """Follow `log` while data is written to it, and return the checkpoint."""
    async with following(log) as follower:
        append(log, data)
        await follower.lines(data.count(b"\n"))
        return follower.checkpoint


def written_at(path: Path, second: int) -> None:
    """Set the time of the last write to `path`: files of a server do not have the same."""
    os.utime(path, (second, second))


async def test_rotated_while_the_process_is_down(log: Path) -> None:
    checkpoint = await followed(log)
    append(log, b"rest\n")
    log.rename(log.with_name("old"))
    log.write_bytes(b"new\n")

    async with following(log, checkpoint) as follower:
        assert await follower.lines(2) == [b"rest", b"new"]
        append(log, b"more\n")
        assert await follower.lines(1) == [b"more"]


async def test_rotated_several_times_while_the_process_is_down(log: Path) -> None:
    checkpoint = await followed(log)
    append(log, b"rest\n")
    written_at(log, 1000)
    log.rename(log.with_name("access.log.3"))
    for number, name in enumerate(["access.log.2", "access.log-20261125", "access.log.1"]):
        log.write_bytes(b"file %d\n" % number)
        written_at(log, 1001 + number)
        log.rename(log.with_name(name))
    # Older files, those with other names, and compressed ones are not read.
    for name, second in [("access.log.4", 999), ("access.log.json", 2000), ("error.log.1", 2000)]:
        log.with_name(name).write_bytes(b"of another log\n")
        written_at(log.with_name(name), second)
    log.with_name("access.log.5.gz").write_bytes(b"\x1f\x8b")
    log.write_bytes(b"now\n")

    async with following(log, checkpoint) as follower:
        assert await follower.lines(5) == [b"rest", b"file 0", b"file 1", b"file 2", b"now"]
        await follower.nothing(10)


async def test_a_restart_in_the_middle_of_rotated_files(log: Path) -> None:
    checkpoint = await followed(log)
    append(log, b"rest\n")
    written_at(log, 1000)
    log.rename(log.with_name("access.log.2"))
    log.write_bytes(b"one\ntwo\n")
    written_at(log, 1001)
    log.rename(log.with_name("access.log.1"))
    log.write_bytes(b"now\n")
    async with following(log, checkpoint) as follower:
        assert await follower.lines(2) == [b"rest", b"one", b"two"]
        checkpoint = follower.checkpoint

    async with following(log, checkpoint) as follower:
        assert await follower.lines(1) == [b"now"]


async def test_rotated_while_the_process_is_down_and_without_a_new_file(log: Path) -> None:
    checkpoint = await followed(log)
    append(log, b"rest\n")
    log.rename(log.with_name("access.log.1"))

    async with following(log, checkpoint) as follower:
        assert await follower.lines(1) == [b"rest"]
        log.write_bytes(b"new\n")
        assert await follower.lines(1) == [b"new"]


async def test_a_rotated_file_that_cannot_be_found_is_logged(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoint = await followed(log)
    log.unlink()
    log.write_bytes(b"new\n")

    async with following(log, checkpoint) as follower:
        assert await follower.lines(1) == [b"new"]
    (message,) = caplog.messages
    assert message == f"file:{log}: cannot find the rotated file; data after byte {len(LONG) + 5} was not read"


@pytest.mark.parametrize("longer", [b"", LONG * 2])
async def test_another_file_with_the_same_inode_is_read_from_its_start(log: Path, longer: bytes) -> None:
    checkpoint = await followed(log)
    log.write_bytes(b"another\n" + longer)

    async with following(log, checkpoint) as follower:
        assert (await follower.lines(1))[0] == b"another"


async def test_the_same_file_with_another_inode_is_read_from_the_checkpoint(log: Path) -> None:
    checkpoint = await followed(log)
    data = log.read_bytes()
    log.unlink()
    log.with_name("taken").touch()
    log.write_bytes(data + b"new\n")

    async with following(log, checkpoint) as follower:
        assert await follower.lines(1) == [b"new"]


async def test_copied_and_truncated_while_the_process_is_down(log: Path) -> None:
    checkpoint = await followed(log)
    append(log, b"rest\n")
    log.with_name("access.log.1").write_bytes(log.read_bytes())
    log.write_bytes(b"new\n")

    async with following(log, checkpoint) as follower:
        assert await follower.lines(2) == [b"rest", b"new"]


async def test_rotated_twice_between_two_polls(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\n")
        written_at(log, 1000)
        log.rename(log.with_name("access.log.2"))
        log.write_bytes(b"two\n")
        written_at(log, 1001)
        log.rename(log.with_name("access.log.1"))
        log.write_bytes(b"three\n")
        assert await follower.lines(3) == [b"one", b"two", b"three"]


async def test_rotated_again_while_a_rotated_file_is_read(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\n")
        for number, text in enumerate([b"two\n", b"three\n", b"four\n"]):
            written_at(log, 1000 + number)
            log.rename(log.with_name(f"access.log.{number}"))
            log.write_bytes(text)
            await follower.nothing(GRACE_SECONDS / 2) if number else await follower.lines(1)
        assert await follower.lines(3) == [b"two", b"three", b"four"]


@pytest.mark.parametrize("how", ["renamed", "truncated"])
async def test_an_unfinished_line_at_the_end_of_a_rotated_file_counts_once(log: Path, how: str) -> None:
    async with following(log) as follower:
        append(log, LONG + b"half")
        await follower.lines(8)
        if how == "renamed":
            log.rename(log.with_name("access.log.1"))
            log.touch()
        else:
            os.truncate(log, 0)
        assert await follower.lines(1) == [b"half"]
        checkpoint = follower.checkpoint
    append(log, b"new\n")

    async with following(log, checkpoint) as follower:
        assert await follower.lines(1) == [b"new"]


async def test_truncated_while_the_process_is_down(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\n")
        await follower.lines(1)
        checkpoint = follower.checkpoint
    log.write_bytes(b"two\n")

    async with following(log, checkpoint) as follower:
        assert await follower.lines(1) == [b"two"]


async def test_removed_while_the_process_is_down(log: Path) -> None:
    async with following(log) as follower:
        append(log, b"one\n")
        await follower.lines(1)
        checkpoint = follower.checkpoint
    log.unlink()

    async with following(log, checkpoint) as follower:
        await follower.nothing(1)
        log.write_bytes(b"two\n")
        assert await follower.lines(1) == [b"two"]


async def test_a_long_file_is_read_in_blocks_without_a_pause(log: Path) -> None:
    async with following(log) as follower:
        start = follower.clock.now()
        data = b"".join(b"%099d\n" % number for number in range(3 * READ_BYTES // 100))
        append(log, data)
        await follower.clock.advance(POLL_SECONDS)
        blocks = [await follower.block() for _ in range(3)]

        assert b"".join(block.data for block in blocks) == data
        assert [block.more for block in blocks] == [True, True, False]
        # It pauses only at the end.
        assert follower.clock.now() == pytest.approx(start + POLL_SECONDS)


async def test_a_restart_while_a_long_file_is_read(log: Path) -> None:
    lines = [b"%099d" % number for number in range(3 * READ_BYTES // 100)]
    async with following(log) as follower:
        append(log, b"\n".join([*lines, b""]))
        read = await follower.lines(1)
        checkpoint = follower.checkpoint

    async with following(log, checkpoint) as follower:
        assert read + await follower.lines(len(lines) - len(read)) == lines
