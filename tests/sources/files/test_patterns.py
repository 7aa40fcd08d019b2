"""One log per virtual host, named by a pattern."""

import errno
import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sources.files.following import QUIET_SECONDS, START, append, events, following, written_at
from tests.support.clock import ManualClock


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


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("was_idle", [True, False])
async def test_a_file_that_appeared_and_was_rotated_while_the_server_was_down_is_read_with_all_before_it(
    tmp_path: Path, ending: str, *, was_idle: bool
) -> None:
    (tmp_path / "a.log").write_bytes(b"past\n")
    async with following(tmp_path / "*.log") as reading:
        await reading.nothing(1)
        if not was_idle:
            append(tmp_path / "a.log", b"a\n")
            await reading.lines(1)
    log, checkpoints = tmp_path / "b.log", reading.checkpoints
    for number in (2, 1):
        data = b"%d\n" % number
        old = log.with_name(f"b.log.{number}{ending}")
        old.write_bytes(gzip.compress(data) if ending else data)
        written_at(old, int(START) + 10 - number)
    # It was there before the pattern was followed, under a name that the pattern does not match.
    log.with_name("b.log.3").write_bytes(b"from before\n")
    written_at(log.with_name("b.log.3"), int(START) - 10)
    log.write_bytes(b"0\n")

    async with following(tmp_path / "*.log", checkpoints=checkpoints, clock=ManualClock(START + 60)) as reading:
        assert sorted(await reading.lines(3)) == [b"0", b"1", b"2"]
        await reading.nothing(QUIET_SECONDS * 2)
        checkpoints = reading.checkpoints
    async with following(tmp_path / "*.log", checkpoints=checkpoints, clock=ManualClock(START + 90)) as reading:
        await reading.nothing(5)


async def test_old_files_of_a_file_that_vanished_are_not_read_again_when_it_comes_back(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    async with following(tmp_path / "*.log") as reading:
        await reading.nothing(1)
        log.write_bytes(b"one\n")
        written_at(log, int(START) + 2)
        await reading.lines(1)
        log.rename(tmp_path / "a.log.1")
        await reading.nothing(QUIET_SECONDS + 5)
        assert reading.follower.paths == {}
    for _ in range(2):
        clock = ManualClock(START + 3 * QUIET_SECONDS)
        async with following(tmp_path / "*.log", checkpoints=reading.checkpoints, clock=clock) as reading:
            await reading.nothing(2)
            append(log, b"two\n")
            written_at(log, int(clock.now()))
            assert await reading.lines(1) == [b"two"]
            await reading.nothing(5)


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


@pytest.mark.parametrize("kind", ["missing", "a file", "forbidden"])
async def test_a_directory_that_cannot_be_looked_at_is_a_problem(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On Debian, only some users may look into the directory of nginx."""
    logs = tmp_path / "logs"
    if kind == "a file":
        logs.touch()
    elif kind == "forbidden":
        logs.mkdir()
        (logs / "a").mkdir()
        monkeypatch.setattr(os, "scandir", failing(os.scandir, logs))
    problem = {"missing": "No such file or directory", "a file": "Not a directory", "forbidden": "Permission denied"}
    source = f"file:{logs}/*/*.log"
    async with following(logs / "*" / "*.log") as reading:
        await reading.nothing(5)
        assert reading.follower.unavailable == {source: f"{logs}: {problem[kind]}"}
        assert [event.name() for event in events(caplog)] == ["file_unavailable"]
        monkeypatch.undo()
        if kind == "a file":
            logs.unlink()
        (logs / "a").mkdir(parents=True, exist_ok=True)
        (logs / "a" / "access.log").write_bytes(b"one\n")
        assert await reading.lines(1) == [b"one"]
        assert reading.follower.unavailable == {}


def failing(scandir: Callable[[Path], Iterator[os.DirEntry[str]]], forbidden: Path) -> object:
    """Return a `scandir` that may not read one directory."""

    def scan(path: Path) -> Iterator[os.DirEntry[str]]:
        if str(path) == str(forbidden):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    return scan
