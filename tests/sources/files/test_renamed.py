# ruff: noqa: ASYNC240 - a test may wait for its disk
"""Logs that are renamed to another name that is followed, too: every line counts once."""

import itertools
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from edgetally.sources.files.follower import PATTERN_SECONDS, POLL_SECONDS
from tests.sources.files.following import START, Reading, append
from tests.sources.files.following import following as following_for
from tests.support.clock import ManualClock

NAMES = ["access-old.log", "access.prev.log", "access-Mon.log", "access.bak.log", "other.log"]
QUIET_SECONDS = 4.0
LATER = START + 10 * QUIET_SECONDS


def following(
    *patterns: Path, checkpoints: Mapping[str, str] | None = None, clock: ManualClock | None = None
) -> AbstractAsyncContextManager[Reading]:
    """Follow for as long as a renamed file is written to, which is not long here."""
    return following_for(*patterns, checkpoints=checkpoints, clock=clock, quiet_seconds=QUIET_SECONDS)


def link(old: Path, new: Path) -> None:
    """Rename as `ln old new; rm old` does."""
    os.link(old, new)
    old.unlink()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.touch()
    return path


@pytest.mark.parametrize("move", [Path.rename, link])
@pytest.mark.parametrize("name", NAMES)
async def test_a_log_that_is_renamed_while_it_is_read(log: Path, name: str, move: Callable[[Path, Path], None]) -> None:
    old, pattern = log.with_name(name), log.with_name("*.log")
    async with following(pattern) as reading:
        append(log, b"1\n2\n")
        await reading.lines(2)
        move(log, old)
        append(old, b"3\n")
        append(log, b"4\n")
        assert sorted(await reading.lines(2)) == [b"3", b"4"]
        await reading.nothing(2 * QUIET_SECONDS)
        # It is a log of its own by now.
        append(old, b"5\n")
        append(log, b"6\n")
        assert sorted(await reading.lines(2)) == [b"5", b"6"]
        await reading.nothing(2 * QUIET_SECONDS)
        commits = reading.commits

    append(old, b"7\n")
    append(log, b"8\n")
    everything = [b"%d" % number for number in range(1, 9)]
    for commit in commits:
        async with following(pattern, checkpoints=commit.checkpoints, clock=ManualClock(LATER)) as reading:
            missing = sorted(set(everything) - set(commit.lines))
            assert sorted(await reading.lines(len(missing))) == missing
            await reading.nothing(2 * QUIET_SECONDS)


@pytest.mark.parametrize("is_written_again", [True, False])
@pytest.mark.parametrize("name", [*NAMES, "sub/access.log", "sub/other.log"])
async def test_a_log_that_is_renamed_while_the_server_is_down(log: Path, name: str, *, is_written_again: bool) -> None:
    pattern = log.parent / "**" / "*.log"
    async with following(pattern) as reading:
        append(log, b"1\n2\n")
        await reading.lines(2)
    old = log.parent / name
    old.parent.mkdir(exist_ok=True)
    log.rename(old)
    append(old, b"3\n")
    wanted = [b"3"]
    if is_written_again:
        append(log, b"4\n")
        wanted = [b"3", b"4"]

    for _ in range(3):
        async with following(pattern, checkpoints=reading.checkpoints, clock=ManualClock(LATER)) as reading:
            assert sorted(await reading.lines(len(wanted))) == wanted
            await reading.nothing(2 * QUIET_SECONDS)
            append(old, b"5\n")
            assert await reading.lines(1) == [b"5"]
            await reading.nothing(2 * QUIET_SECONDS)
        append(old, b"6\n")
        wanted = [b"6"]


async def test_every_rotation_replaces_the_old_file(log: Path) -> None:
    old, pattern = log.with_name("access-old.log"), log.with_name("*.log")
    checkpoints, clock = None, ManualClock(START)
    append(log, b"past\n")
    for number in range(3):
        async with following(pattern, checkpoints=checkpoints, clock=clock) as reading:
            for at, seconds in enumerate([1, QUIET_SECONDS / 2, 2 * QUIET_SECONDS]):
                append(log, b"%d.%d\n" % (number, at))
                assert await reading.lines(1) == [b"%d.%d" % (number, at)]
                log.rename(old)
                append(log, b"%d.%d new\n" % (number, at))
                assert await reading.lines(1) == [b"%d.%d new" % (number, at)]
                await reading.nothing(seconds)
            checkpoints = reading.checkpoints
        log.rename(old)
        append(log, b"%d down\n" % number)
        async with following(pattern, checkpoints=checkpoints, clock=clock) as reading:
            assert await reading.lines(1) == [b"%d down" % number]
            await reading.nothing(2 * QUIET_SECONDS if number else 1)
            checkpoints = reading.checkpoints


async def test_old_files_move_on_from_name_to_name(log: Path) -> None:
    pattern = log.with_name("*.log")
    names = [log, *(log.with_name(f"access-{word}.log") for word in ("old", "older", "oldest"))]
    checkpoints, clock = None, ManualClock(START)
    for start, seconds in enumerate((1, QUIET_SECONDS / 3, 1, 2 * QUIET_SECONDS, 2 * QUIET_SECONDS)):
        async with following(pattern, checkpoints=checkpoints, clock=clock) as reading:
            for number in range(4):
                for old, new in reversed(list(itertools.pairwise(names))):
                    if old.exists():
                        old.rename(new)
                append(log, b"%d %d\n" % (start, number))
                assert await reading.lines(1) == [b"%d %d" % (start, number)]
                await reading.nothing(seconds)
            checkpoints = reading.checkpoints


async def test_a_log_that_is_only_renamed(log: Path) -> None:
    """Nothing has the old name any more, so nothing is kept of it once the new one has taken over."""
    old, pattern = log.with_name("other.log"), log.with_name("*.log")
    async with following(pattern) as reading:
        append(log, b"1\n")
        await reading.lines(1)
        log.rename(old)
        await reading.nothing(2 * QUIET_SECONDS)
        assert list(reading.follower.paths) == [old]
        assert {key.partition("//")[0] for key in reading.checkpoints if key.startswith("file:")} == {f"file:{old}"}
        old.rename(log)
        append(log, b"2\n")
        assert await reading.lines(1) == [b"2"]
        await reading.nothing(2 * QUIET_SECONDS)
        commits = reading.commits
    for commit in commits:
        async with following(pattern, checkpoints=commit.checkpoints, clock=ManualClock(LATER)) as reading:
            missing = sorted({b"1", b"2"} - set(commit.lines))
            assert sorted(await reading.lines(len(missing))) == missing
            await reading.nothing(2 * QUIET_SECONDS)


async def test_a_line_without_an_end_counts_once(log: Path) -> None:
    old, pattern = log.with_name("access-old.log"), log.with_name("*.log")
    async with following(pattern) as reading:
        append(log, b"1\n2")
        await reading.lines(1)
        log.rename(old)
        append(log, b"3\n")
        await reading.lines(1)
        await reading.clock.advance(QUIET_SECONDS + 5)
        assert await reading.lines(1) == [b"2"]
        checkpoints = dict(reading.checkpoints)
        append(old, b"\n4\n")
        assert await reading.lines(1) == [b"4"]
    async with following(pattern, checkpoints=checkpoints, clock=ManualClock(LATER)) as reading:
        assert await reading.lines(1) == [b"4"]
        await reading.nothing(2 * QUIET_SECONDS)


async def test_plain_paths_are_no_exception(log: Path) -> None:
    old = log.with_name("access-old.log")
    async with following(log, old) as reading:
        append(log, b"1\n")
        await reading.lines(1)
        log.rename(old)
        append(log, b"2\n")
        assert await reading.lines(1) == [b"2"]
        await reading.nothing(2 * QUIET_SECONDS)
        commits = reading.commits
    append(old, b"3\n")
    for commit in commits:
        async with following(log, old, checkpoints=commit.checkpoints, clock=ManualClock(LATER)) as reading:
            missing = sorted({b"1", b"2", b"3"} - set(commit.lines))
            assert sorted(await reading.lines(len(missing))) == missing
            await reading.nothing(2 * QUIET_SECONDS)


async def test_other_paths_than_before_are_followed(log: Path) -> None:
    old = log.with_name("access-old.log")
    async with following(log) as reading:
        append(log, b"1\n")
        await reading.lines(1)
    log.rename(old)
    append(old, b"2\n")
    async with following(old, checkpoints=reading.checkpoints) as reading:
        assert await reading.lines(1) == [b"2"]
        await reading.nothing()


async def test_a_log_that_was_dated_before_it_was_followed(log: Path) -> None:
    """`access-1.log` is a log of its own until there is an `access.log`; then it is not read from the beginning."""
    log.unlink()
    one, pattern = log.with_name("access-1.log"), log.with_name("*.log")
    one.touch()
    async with following(pattern) as reading:
        append(one, b"1\n")
        await reading.lines(1)
        append(log, b"2\n")
        assert await reading.lines(1) == [b"2"]
        await reading.nothing()
        checkpoints = reading.checkpoints
    append(one, b"3\n")
    async with following(pattern, checkpoints=checkpoints) as reading:
        assert await reading.lines(1) == [b"3"]
        await reading.nothing(2 * QUIET_SECONDS)


@pytest.mark.parametrize("is_alike", [True, False])
async def test_a_copy_is_another_log(log: Path, *, is_alike: bool) -> None:
    async with following(log.with_name("*.log")) as reading:
        append(log, b"1\n")
        await reading.lines(1)
        copy = log.with_name("copy.log")
        shutil.copy(log, copy)
        if not is_alike:
            append(copy, b"2\n")
        assert await reading.lines(2 - is_alike) == [b"1", b"2"][: 2 - is_alike]


@pytest.mark.parametrize("head", [b"", b"#Version: 1.0\n", b"%01030d\n" % 0])
async def test_another_file_with_the_inode_of_one_that_was_read(log: Path, head: bytes) -> None:
    """Overwritten where it is, a file has the same inode for sure."""
    old, pattern = log.with_name("access-old.log"), log.with_name("*.log")
    async with following(pattern) as reading:
        append(log, head + b"one\n")
        await reading.lines(1 + bool(head))
        log.rename(old)
        append(log, b"two\n")
        await reading.lines(1)
        checkpoints = reading.checkpoints
    old.rename(log.with_name("elsewhere"))
    async with following(pattern, checkpoints=checkpoints) as reading:
        await reading.nothing(2 * QUIET_SECONDS)
        log.with_name("elsewhere").write_bytes(head + b"another\nthree\n")
        log.with_name("elsewhere").rename(old)
        lines = await reading.lines(2 + bool(head))
        assert lines[-2:] == [b"another", b"three"]


@pytest.mark.parametrize("polls", range(round(PATTERN_SECONDS / POLL_SECONDS)))
async def test_a_log_that_is_only_renamed_while_another_is_looked_for(log: Path, polls: int) -> None:
    """Where reading ended under the old name is kept until the log is read under the new one: it counts once."""
    missing, old, pattern = log.with_name("missing.log"), log.with_name("other.log"), log.with_name("*.log")
    missing.touch()
    old.touch()
    async with following(pattern) as reading:
        append(missing, b"0\n")
        await reading.lines(1)
    missing.unlink()
    async with following(pattern, checkpoints=reading.checkpoints) as reading:
        await reading.nothing(polls * POLL_SECONDS)
        append(log, b"1\n")
        await reading.lines(1)
        log.rename(old)
        await reading.nothing(3 * QUIET_SECONDS)
        assert log not in reading.follower.paths


async def test_an_empty_log_is_renamed_and_comes_back(log: Path) -> None:
    old = log.with_name("other.log")
    async with following(log.with_name("*.log")) as reading:
        pass
    log.rename(old)
    append(old, b"1\n")
    async with following(log.with_name("*.log"), checkpoints=reading.checkpoints) as reading:
        assert await reading.lines(1) == [b"1"]
        old.rename(log)
        await reading.nothing(3 * QUIET_SECONDS)
        append(log, b"2\n")
        assert await reading.lines(1) == [b"2"]


async def test_an_empty_log_is_renamed_and_comes_back_while_the_server_is_down(log: Path) -> None:
    old = log.with_name("other.log")
    async with following(log, old) as reading:
        pass
    log.rename(old)
    append(old, b"1\n")
    async with following(log, old, checkpoints=reading.checkpoints) as reading:
        assert await reading.lines(1) == [b"1"]
    old.rename(log)
    append(log, b"2\n")
    async with following(log, old, checkpoints=reading.checkpoints) as reading:
        assert await reading.lines(1) == [b"2"]
        await reading.nothing(3 * QUIET_SECONDS)
