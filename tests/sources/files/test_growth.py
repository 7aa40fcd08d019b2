# ruff: noqa: ASYNC240 - a test may wait for its disk
"""A followed file grows, and where it is read from."""

import logging
from pathlib import Path

import pytest

from edgetally.sources.base import READ_BYTES
from edgetally.sources.files.followed import absolute
from edgetally.sources.files.follower import POLL_SECONDS
from edgetally.sources.files.line_reader import LineReader
from edgetally.sources.files.open_file import Extent
from tests.sources.files.following import append, events, following


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log that an edge has already written a line to."""
    path = tmp_path / "access.log"
    path.write_bytes(b"past\n")
    return path


async def test_the_file_grows(log: Path) -> None:
    async with following(log) as reading:
        append(log, b"one\ntwo\n")
        assert await reading.lines(2) == [b"one", b"two"]
        append(log, b"three\n")
        assert await reading.lines(1) == [b"three"]
        await reading.nothing()


def test_its_name_is_where_it_is_and_not_how_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link.log").symlink_to("access.log")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edge").mkdir()
    (tmp_path / "elsewhere").symlink_to("/")
    written = {
        "access.log": "access.log",
        "./access.log": "access.log",
        "edge/../access.log": "access.log",
        "link.log": "link.log",
        "elsewhere/../access.log": "elsewhere/../access.log",
    }

    assert [absolute(Path(path)) for path in written] == [tmp_path / path for path in written.values()]


async def test_it_is_known_how_much_is_still_to_be_read(log: Path) -> None:
    async with following(log) as reading:
        (followed,) = reading.follower.paths.values()
        assert followed.behind == 0, "its past is not ours to read"
        append(log, b"x" * 99)
        followed.poll()
        assert followed.behind == 99
        await reading.nothing(1)
        assert followed.behind == 0, "an unfinished line has been read"


async def test_what_was_written_before_the_first_start_is_not_ours_to_count(log: Path) -> None:
    async with following(log) as reading:
        await reading.nothing()


@pytest.mark.parametrize("end", [b"half", b'{"status":200,"t'])
async def test_a_line_that_began_before_the_first_start_is_passed_over(log: Path, end: bytes) -> None:
    append(log, end)
    async with following(log) as reading:
        append(log, b" of a line")
        await reading.nothing(1)
        checkpoints = reading.checkpoints
    async with following(log, checkpoints=checkpoints) as reading:
        append(log, b" that ends here\none\n")
        assert await reading.lines(1) == [b"one"]


async def test_the_last_line_is_unfinished(log: Path) -> None:
    async with following(log) as reading:
        append(log, b"one\ntw")
        assert await reading.lines(1) == [b"one"]
        await reading.nothing()
        append(log, b"o\n")
        assert await reading.lines(1) == [b"two"]


async def test_it_is_read_on_after_a_restart(log: Path) -> None:
    async with following(log) as reading:
        append(log, b"one\ntw")
        await reading.lines(1)
    append(log, b"o\nthree\n")

    async with following(log, checkpoints=reading.checkpoints) as reading:
        assert await reading.lines(2) == [b"two", b"three"]
        await reading.nothing()


async def test_what_is_written_while_the_server_is_down_counts_even_if_nothing_was_written_before(log: Path) -> None:
    async with following(log) as reading:
        pass
    append(log, b"one\n")

    async with following(log, checkpoints=reading.checkpoints) as reading:
        assert await reading.lines(1) == [b"one"]


async def test_a_checkpoint_of_the_version_before_is_understood(log: Path) -> None:
    inode = log.stat().st_ino
    digest = "923cdce51c3db66ed14ffc5c97b860be"  # of b"past\n"
    append(log, b"one\n")

    checkpoints = {f"file:{log}": f'{{"inode":{inode},"offset":5,"head":5,"digest":"{digest}"}}'}
    async with following(log, checkpoints=checkpoints) as reading:
        assert await reading.lines(1) == [b"one"]


async def test_a_log_says_from_where_it_is_followed(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with following(log) as reading:
        append(log, b"one\ntw")
        await reading.lines(1)
    async with following(log, checkpoints=reading.checkpoints) as reading:
        await reading.nothing(1)
    log.unlink()
    async with following(log) as reading:
        await reading.nothing(1)
        append(log, b"o\n")
        await reading.lines(1)

    said = [(event.name(), getattr(event, "offset", None)) for event in events(caplog)]
    assert said == [("following", 5), ("following", 9), ("file_unavailable", None), ("following", 0)]


async def test_there_is_no_such_file_yet(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with following(path) as reading:
        await reading.nothing()
        path.write_bytes(b"one\n")
        assert await reading.lines(1) == [b"one"]


async def test_there_was_no_such_file_before_the_restart(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with following(path) as reading:
        await reading.nothing(1)
    path.write_bytes(b"one\n")

    async with following(path, checkpoints=reading.checkpoints) as reading:
        assert await reading.lines(1) == [b"one"]


async def test_more_is_written_at_once_than_is_read_at_once(log: Path) -> None:
    lines = [b"%099d" % number for number in range(3 * READ_BYTES // 100)]
    async with following(log) as reading:
        begin = reading.clock.now()
        append(log, b"\n".join([*lines, b""]))
        assert await reading.lines(len(lines)) == lines
        # It waits for the next look only when there is nothing more.
        assert reading.clock.now() == pytest.approx(begin + POLL_SECONDS)


async def test_a_log_that_has_grown_whenever_it_is_looked_at_is_read_once_a_look(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll = LineReader.poll

    def grow(reader: LineReader, _: Extent | None = None) -> bool:
        append(log, b"more\n")
        return poll(reader)

    async with following(log) as reading:
        monkeypatch.setattr(LineReader, "poll", grow)
        await reading.clock.advance(POLL_SECONDS)
        before = len(reading.commits)
        await reading.clock.advance(10.5 * POLL_SECONDS)
        assert len(reading.commits) - before == 10
        assert log.read_bytes().count(b"more") - len(await reading.lines(20)) < 3


async def test_a_line_is_longer_than_what_is_read_at_once(log: Path) -> None:
    line = b"x" * (2 * READ_BYTES + 5)
    async with following(log) as reading:
        append(log, line + b"\none\n")
        assert await reading.lines(2) == [line, b"one"]


async def test_within_a_line_that_is_longer_than_what_is_read_at_once(log: Path) -> None:
    async with following(log) as reading:
        append(log, b"x" * (2 * READ_BYTES + 5))
        await reading.nothing(1)
    append(log, b"x\none\n")

    async with following(log, checkpoints=reading.checkpoints) as reading:
        assert await reading.lines(1) == [b"one"]


@pytest.mark.parametrize("hole", [1, 4096, 5_000_000])
async def test_a_hole_of_zeros_costs_no_record(log: Path, hole: int) -> None:
    """The file was truncated, and a server without O_APPEND went on at its old position."""
    async with following(log) as reading:
        append(log, b"one\n" + b"\0" * hole + b"two\n" + b"\0" * hole + b"\0three\nfo\0ur\n")
        assert await reading.lines(4) == [b"one", b"two", b"three", b"fo\0ur"]
