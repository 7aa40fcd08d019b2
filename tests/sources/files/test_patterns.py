"""One log per virtual host, named by a pattern."""

import os
from pathlib import Path

import pytest

from tests.sources.files.following import QUIET_SECONDS, append, following


async def test_all_files_that_match_are_followed_and_new_ones_from_their_beginning(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.log").write_bytes(b"past\n")
    async with following(tmp_path / "*.log") as reading:
        append(tmp_path / "a.log", b"a\n")
        append(tmp_path / "b.log", b"b\n")
        assert sorted(await reading.lines(2)) == [b"a", b"b"]
        (tmp_path / "c.log").write_bytes(b"c\n")
        assert await reading.lines(1) == [b"c"]


async def test_a_file_that_appeared_while_the_server_was_down_is_read_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"past\n")
    async with following(tmp_path / "*.log") as reading:
        await reading.nothing(1)
    append(tmp_path / "a.log", b"a\n")
    (tmp_path / "b.log").write_bytes(b"b\n")

    async with following(tmp_path / "*.log", checkpoints=reading.checkpoints) as reading:
        assert sorted(await reading.lines(2)) == [b"a", b"b"]
        await reading.nothing()


@pytest.mark.parametrize("name", ["access.log.1", "access.log-20261125", "access-20261125.log", "access.log.2.gz"])
async def test_generations_that_match_are_not_files_of_their_own(tmp_path: Path, name: str) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(b"past\n")
    async with following(tmp_path / "access*") as reading:
        append(log, b"one\n")
        await reading.lines(1)
        log.rename(tmp_path / name)
        # For a while the old name is the only one that matches.
        await reading.nothing(5)
        log.write_bytes(b"two\n")
        assert await reading.lines(1) == [b"two"]
        await reading.nothing(5)
        assert list(reading.follower.paths) == [log]
        checkpoints = reading.checkpoints
    log.unlink()

    async with following(tmp_path / "access*", checkpoints=checkpoints) as reading:
        await reading.nothing(5)
        log.write_bytes(b"three\n")
        assert await reading.lines(1) == [b"three"]


async def test_dated_names_without_a_plain_one_are_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "access-20261125.log").write_bytes(b"past\n")
    async with following(tmp_path / "access-*.log") as reading:
        append(tmp_path / "access-20261125.log", b"one\n")
        assert await reading.lines(1) == [b"one"]
        (tmp_path / "access-20261126.log").write_bytes(b"two\n")
        assert await reading.lines(1) == [b"two"]


async def test_a_file_that_vanished_is_forgotten_and_may_come_back(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"past\n")
    async with following(tmp_path / "*.log") as reading:
        append(log, b"one\n")
        await reading.lines(1)
        log.unlink()
        await reading.nothing(QUIET_SECONDS + 5)
        assert reading.follower.paths == {}
        assert [key for key in reading.checkpoints if key.startswith("file:")] == []
        log.write_bytes(b"two\n")
        assert await reading.lines(1) == [b"two"]


async def test_a_pattern_spans_directories(tmp_path: Path) -> None:
    async with following(tmp_path / "**" / "*.log") as reading:
        (tmp_path / "shop" / "logs").mkdir(parents=True)
        (tmp_path / "shop" / "logs" / "a.log").write_bytes(b"one\n")
        assert await reading.lines(1) == [b"one"]


async def test_a_file_with_the_name_of_a_pattern_is_a_file(tmp_path: Path) -> None:
    log = tmp_path / "access[1].log"
    log.write_bytes(b"past\n")
    async with following(log) as reading:
        append(log, b"one\n")
        assert await reading.lines(1) == [b"one"]


async def test_two_names_of_one_file_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"past\n")
    os.link(tmp_path / "a.log", tmp_path / "b.log")
    (tmp_path / "c.log").symlink_to("a.log")
    async with following(tmp_path / "*.log") as reading:
        append(tmp_path / "a.log", b"one\n")
        assert await reading.lines(1) == [b"one"]
        await reading.nothing(5)


async def test_more_files_than_are_allowed(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.log").write_bytes(b"past\n")
    async with following(tmp_path / "*.log", max_files=2) as reading:
        for name in "abcd":
            append(tmp_path / f"{name}.log", b"%s\n" % name.encode())
        assert sorted(await reading.lines(2)) == [b"a", b"b"]
        await reading.nothing(5)
        assert reading.follower.left_out == {tmp_path / "c.log", tmp_path / "d.log"}
