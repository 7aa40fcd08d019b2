# ruff: noqa: ASYNC240 - a test may wait for its disk
"""A followed file is renamed, copied, truncated, replaced or moved, with and without a server to see it."""

import gzip
import itertools
import logging
import os
import shutil
import time
from pathlib import Path

import pytest

from edgetally.sources.files.directory import Directories, bases
from edgetally.sources.files.followed import FollowedPath
from edgetally.sources.files.rotated_files import RotatedFiles
from edgetally.telemetry.events import RotatedFileLost
from tests.sources.files.following import (
    LONG,
    QUIET_SECONDS,
    START,
    Reading,
    append,
    events,
    following,
    left_behind,
    names,
    written_at,
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log that an edge has already written a line to."""
    path = tmp_path / "access.log"
    path.write_bytes(b"past\n")
    written_at(path, 100)
    return path


# --- while the server runs ------------------------------------------------------------------------------------------


async def test_renamed(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with following(log) as reading:
        append(log, b"one\n")
        log.rename(log.with_suffix(".1"))
        log.write_bytes(b"two\n")
        assert sorted(await reading.lines(2)) == [b"one", b"two"]
        append(log, b"three\n")
        assert await reading.lines(1) == [b"three"]
    assert names(caplog) == ["following", "file_rotated"]


async def test_the_old_file_and_the_new_one_are_read_side_by_side(log: Path) -> None:
    """Servers finish long requests into the old file for minutes."""
    old = log.with_suffix(".1")
    async with following(log) as reading:
        log.rename(old)
        log.write_bytes(b"")
        for number in range(20):
            append(old, b"old %d\n" % number)
            append(log, b"new %d\n" % number)
            assert sorted(await reading.lines(2)) == [b"new %d" % number, b"old %d" % number]
            await reading.nothing(QUIET_SECONDS / 10)


async def test_the_old_file_is_closed_once_it_is_quiet(log: Path) -> None:
    old = log.with_suffix(".1")
    async with following(log) as reading:
        (followed,) = reading.follower.paths.values()
        append(log, b"one\n")
        log.rename(old)
        log.write_bytes(b"two\n")
        await reading.lines(2)
        await reading.nothing(QUIET_SECONDS - 1)
        assert len(followed.generations) == 2
        append(old, b"late\n")
        await reading.lines(1)
        await reading.nothing(QUIET_SECONDS - 1)
        assert len(followed.generations) == 2
        await reading.nothing(2)
        assert len(followed.generations) == 1
    assert sorted(reading.checkpoints) == [f"file:{log}//1", f"file:{log}//history"]


async def test_it_is_known_how_far_behind_old_files_are(log: Path) -> None:
    old = log.with_suffix(".1")
    async with following(log) as reading:
        (followed,) = reading.follower.paths.values()
        log.rename(old)
        log.write_bytes(b"two\n")
        await reading.lines(1)
        append(old, b"late\n")
        followed.poll()
        assert followed.behind == 5
        assert await reading.lines(1) == [b"late"]
        assert followed.behind == 0


async def test_renamed_within_a_line(log: Path) -> None:
    old = log.with_suffix(".1")
    async with following(log) as reading:
        append(log, b"one\ntw")
        log.rename(old)
        log.write_bytes(b"three\n")
        assert sorted(await reading.lines(2)) == [b"one", b"three"]
        append(old, b"o\n")
        assert await reading.lines(1) == [b"two"]
        append(old, b"cut")
        await reading.nothing(1)
        await reading.clock.advance(QUIET_SECONDS)
        assert await reading.lines(1) == [b"cut"]


async def test_renamed_again_and_again(log: Path) -> None:
    async with following(log) as reading:
        for number in range(5):
            append(log, b"before %d\n" % number)
            log.rename(log.with_name(f"access.log.{number}"))
            log.write_bytes(b"after %d\n" % number)
            assert sorted(await reading.lines(2)) == [b"after %d" % number, b"before %d" % number]


async def test_renamed_twice_between_two_looks(log: Path) -> None:
    async with following(log) as reading:
        append(log, b"one\n")
        log.rename(log.with_name("access.log.2"))
        log.write_bytes(b"two\n")
        log.rename(log.with_name("access.log.1"))
        log.write_bytes(b"three\n")
        assert sorted(await reading.lines(3)) == [b"one", b"three", b"two"]
        await reading.nothing(2 * QUIET_SECONDS)


@pytest.mark.parametrize(
    "name",
    [
        "access.log.1",
        "access.log-20261125",
        "access-20261125.log",
        "access_2026-11-25.log",
        "access-2026-11-25T04-41-06.907-size.log",
        "access.log.2026-11-25T04:41:06Z",
        "access.log.2026112910",
        "access.log-2026112910-1764410400",
        "access.2026-11-29.log",
        "access.1.log",
        "20261129-access.log",
        "2026-11-29_access.log",
        "2026-11-29T10:00:00Z-access.log",
        "20261129access.log",
    ],
)
async def test_generations_are_recognised_by_their_names(log: Path, name: str) -> None:
    async with following(log) as reading:
        log.rename(log.with_name("elsewhere"))
        log.write_bytes(b"one\n")
        log.rename(log.with_name(name))
        log.write_bytes(b"two\n")
        assert sorted(await reading.lines(2)) == [b"one", b"two"]


@pytest.mark.parametrize("name", ["2-access.log", "2026-access.log", "access.log", "20261129-error.log"])
def test_other_logs_are_no_generations(name: str) -> None:
    assert "access.log" not in bases(name)


@pytest.mark.parametrize("name", ["2026112910{}-access.log", "access.2026-11-29-{}.log", "access.log.2026112910{}"])
@pytest.mark.parametrize("is_down", [False, True])
async def test_renamed_several_times_to_odd_names(log: Path, name: str, *, is_down: bool) -> None:
    def rotate() -> None:
        append(log, b"rest\n")
        for number in range(3):
            written_at(log, int(time.time()) + 1 + number)
            log.rename(log.with_name(name.format(number)))
            log.write_bytes(b"%d\n" % number)

    async with following(log) as reading:
        append(log, LONG)
        await reading.lines(8)
        if not is_down:
            rotate()
            assert sorted(await reading.lines(4)) == [b"0", b"1", b"2", b"rest"]
        checkpoints = reading.checkpoints
    if is_down:
        rotate()
        async with following(log, checkpoints=checkpoints) as reading:
            assert sorted(await reading.lines(4)) == [b"0", b"1", b"2", b"rest"]
    async with following(log, checkpoints=reading.checkpoints) as reading:
        await reading.nothing(5)


async def test_its_directory_is_replaced(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "access.log"
    log.parent.mkdir()
    log.write_bytes(b"past\n")
    async with following(log) as reading:
        append(log, LONG)
        await reading.lines(8)
        append(log, b"one\n")
        log.parent.rename(tmp_path / "logs.1")
        log.parent.mkdir()
        log.write_bytes(b"two\n")
        assert sorted(await reading.lines(2)) == [b"one", b"two"]
        append(tmp_path / "logs.1" / "access.log", b"late\n")
        assert await reading.lines(1) == [b"late"]
        await reading.nothing(2 * QUIET_SECONDS)
    async with following(log, checkpoints=reading.checkpoints) as reading:
        await reading.nothing(5)


@pytest.mark.parametrize("ending", ["s", "u"])
async def test_what_multilog_and_its_like_make_of_current(tmp_path: Path, ending: str) -> None:
    log = tmp_path / "current"
    checkpoints = await left_behind(log)
    append(log, b"rest\n")
    for number in range(3):
        log.rename(tmp_path / f"@4000000065{number:06x}0000000c.{ending}")
        append(log, b"file %d\n" % number)

    async with following(log, checkpoints=checkpoints) as reading:
        assert sorted(await reading.lines(4)) == [b"file 0", b"file 1", b"file 2", b"rest"]


@pytest.mark.parametrize("is_hard", [True, False])
async def test_a_link_to_the_newest_of_dated_files(tmp_path: Path, *, is_hard: bool) -> None:
    """By `rotatelogs -L` and cronolog: the dated names look like what rotation makes of that of the link."""
    link = tmp_path / "access.log"

    def link_to(number: int, data: bytes) -> Path:
        log = tmp_path / f"access-{number}.log"
        log.write_bytes(data)
        (os.link if is_hard else os.symlink)(log, tmp_path / "next")
        (tmp_path / "next").rename(link)
        return log

    log = link_to(1, b"past\n")
    async with following(link) as reading:
        append(log, LONG)
        await reading.lines(8)
        append(log, b"one\n")
        log = link_to(2, b"two\n")
        assert sorted(await reading.lines(2)) == [b"one", b"two"]
        checkpoints = reading.checkpoints
    append(log, b"three\n")
    link_to(3, b"four\n")
    link_to(4, b"five\n")

    async with following(link, checkpoints=checkpoints) as reading:
        assert sorted(await reading.lines(3)) == [b"five", b"four", b"three"]
        await reading.nothing(2 * QUIET_SECONDS)
        checkpoints = reading.checkpoints
    async with following(link, checkpoints=checkpoints) as reading:
        await reading.nothing(5)


async def test_renamed_and_for_a_while_there_is_no_new_file(log: Path) -> None:
    old = log.with_suffix(".1")
    async with following(log) as reading:
        log.rename(old)
        await reading.nothing(2 * QUIET_SECONDS)
        append(old, b"one\n")
        assert await reading.lines(1) == [b"one"]
        log.write_bytes(b"two\n")
        assert await reading.lines(1) == [b"two"]


async def test_removed_and_made_anew(log: Path) -> None:
    async with following(log) as reading:
        append(log, b"one\n")
        await reading.lines(1)
        log.unlink()
        await reading.nothing(1)
        log.write_bytes(b"two\n")
        assert await reading.lines(1) == [b"two"]


async def test_a_link_moves_on_to_a_file_in_another_directory(tmp_path: Path) -> None:
    link, one, two = tmp_path / "access.log", tmp_path / "1" / "a.log", tmp_path / "2" / "b.log"
    one.parent.mkdir()
    two.parent.mkdir()
    one.write_bytes(b"past\n")
    link.symlink_to(one)
    async with following(link) as reading:
        append(one, b"one\n")
        two.write_bytes(b"two\n")
        (tmp_path / "next").symlink_to(two)
        (tmp_path / "next").rename(link)
        assert sorted(await reading.lines(2)) == [b"one", b"two"]


async def test_truncated(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with following(log) as reading:
        append(log, b"one\n")
        await reading.lines(1)
        os.truncate(log, 0)
        await reading.nothing(1)
        append(log, b"two\n")
        assert await reading.lines(1) == [b"two"]
    assert names(caplog)[1:] == ["file_truncated"]


async def test_truncated_within_a_line_and_written_to_at_once(log: Path) -> None:
    async with following(log) as reading:
        append(log, b"one\ntw")
        await reading.lines(1)
        log.write_bytes(b"three\n")
        assert await reading.lines(2) == [b"tw", b"three"]


@pytest.mark.parametrize("grown", [-100, 0, 100, 10_000])
async def test_truncated_and_grown_past_the_offset_between_two_looks(log: Path, grown: int) -> None:
    async with following(log) as reading:
        append(log, LONG)
        await reading.lines(8)
        size = log.stat().st_size
        log.write_bytes(b"new " + b"x" * (size + grown) + b"\n")
        assert [line[:4] for line in await reading.lines(1)] == [b"new "]
        await reading.nothing()


async def test_truncated_and_grown_with_the_same_beginning(log: Path) -> None:
    """The bytes before the offset tell."""
    async with following(log) as reading:
        append(log, LONG * 3)
        await reading.lines(24)
        log.write_bytes(b"past\n" + LONG * 2 + b"y" * len(LONG) + b"\nnew\n")
        assert (await reading.lines(19))[-1] == b"new"


async def test_a_server_goes_on_at_its_old_position_in_a_truncated_file(log: Path) -> None:
    async with following(log) as reading:
        with log.open("r+b", buffering=0) as server:
            server.seek(0, os.SEEK_END)
            server.write(LONG)
            await reading.lines(8)
            os.truncate(log, 0)
            server.write(b"one\n")
            assert await reading.lines(1) == [b"one"]
            await reading.nothing()


async def test_copied_and_truncated_and_what_only_the_copy_has_is_read(log: Path) -> None:
    async with following(log) as reading:
        append(log, b"one\ntw")
        await reading.lines(1)
        append(log, b"o\nthree\n")
        log.with_name("access.log.1").write_bytes(log.read_bytes())
        log.write_bytes(b"four\n")
        assert sorted(await reading.lines(3)) == [b"four", b"three", b"two"]
        await reading.nothing(2 * QUIET_SECONDS)
        checkpoints = reading.checkpoints

    async with following(log, checkpoints=checkpoints) as reading:
        await reading.nothing()


@pytest.mark.parametrize(("owner", "step"), [(Directories, "look"), (FollowedPath, "settle"), (Reading, "read")])
async def test_copied_and_truncated_before_anything_of_it_is_read(
    log: Path, owner: type, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening a new file and reading it, its directory is looked at, and its checkpoint becomes durable."""
    checkpoints = await left_behind(log)
    log.rename(log.with_name("access.log.2"))
    append(log, LONG)
    real = getattr(owner, step)

    def rotate_before(*args: object) -> object:
        if not (copy := log.with_name("access.log.1")).exists():
            copy.write_bytes(log.read_bytes())
            log.write_bytes(b"new\n")
        return real(*args)

    monkeypatch.setattr(owner, step, rotate_before)
    async with following(log, checkpoints=checkpoints) as reading:
        assert sorted(await reading.lines(9)) == [*LONG.splitlines(), b"new"]
        await reading.nothing(2 * QUIET_SECONDS)


@pytest.mark.parametrize(("owner", "step"), [(Directories, "look"), (FollowedPath, "settle"), (RotatedFiles, "missed")])
async def test_rotated_again_and_compressed_while_the_server_starts(
    log: Path, owner: type, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record that begins in one file and ends in the next is read from them in their order."""
    checkpoints = await left_behind(log)
    rotations = 0

    def rotate() -> None:
        nonlocal rotations
        rotations += 1
        append(log, b"P %d begun, \n" % rotations)
        written_at(log, 1000 + rotations)
        if (before := log.with_name(f"access.log.{rotations - 1}")).exists():
            packed = log.with_name(f"{before.name}.gz")
            packed.write_bytes(gzip.compress(before.read_bytes()))
            shutil.copystat(before, packed)
            before.unlink()
        log.rename(log.with_name(f"access.log.{rotations}"))
        log.write_bytes(b"F %d ended\n" % rotations)
        written_at(log, 1000 + rotations)

    rotate()
    rotate()
    real = getattr(owner, step)

    def rotate_before(*args: object) -> object:
        if rotations < 6:
            rotate()
            rotate()
        return real(*args)

    monkeypatch.setattr(owner, step, rotate_before)
    async with following(log, checkpoints=checkpoints) as reading:
        await reading.clock.advance(5)
        assert sorted(await reading.lines(6)) == [b"%d begun, %d ended" % (n, n) for n in range(1, 7)]
        await reading.nothing(2 * QUIET_SECONDS)


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("ending", ["", ".gz"])
async def test_rotation_moves_files_into_another_directory(log: Path, ending: str, *, is_known: bool) -> None:
    """By `olddir` of logrotate. A directory below that of the log is found without having seen it."""
    old = log.parent / "old" if not is_known else log.parent.with_name(f"{log.parent.name}-old")
    old.mkdir()
    seconds = itertools.count(int(time.time()) + 1)

    def rotate(ending: str = "") -> None:
        second = next(seconds)
        written_at(log, second)
        moved = log.rename(old / f"access.log-{second}")
        if ending:
            moved.with_name(f"{moved.name}.gz").write_bytes(gzip.compress(moved.read_bytes()))
            written_at(moved.with_name(f"{moved.name}.gz"), second)
            moved.unlink()

    async with following(log) as reading:
        append(log, LONG)
        if is_known:
            rotate()
            log.write_bytes(LONG[64:])
        await reading.lines(15 if is_known else 8)
        checkpoints = reading.checkpoints
    append(log, b"rest\n")
    rotate(ending)
    append(log, b"between\n")
    rotate(ending)
    append(log, b"new\n")

    async with following(log, checkpoints=checkpoints) as reading:
        assert sorted(await reading.lines(3)) == [b"between", b"new", b"rest"]
        await reading.nothing(2 * QUIET_SECONDS)
        checkpoints = reading.checkpoints
    async with following(log, checkpoints=checkpoints) as reading:
        await reading.nothing(5)


# --- while the server is down ---------------------------------------------------------------------------------------


async def test_replaced(log: Path) -> None:
    checkpoints = await left_behind(log)
    log.rename(log.with_suffix(".1"))
    log.write_bytes(b"a longer line than there was\n")

    async with following(log, checkpoints=checkpoints) as reading:
        assert await reading.lines(1) == [b"a longer line than there was"]


@pytest.mark.parametrize("name", ["access.log.1", "access.log-20261125", "access-20261125.log", "old"])
async def test_renamed_and_the_rest_of_the_old_file_is_read(log: Path, name: str) -> None:
    checkpoints = await left_behind(log)
    append(log, b"rest\n")
    log.rename(log.with_name(name))
    log.write_bytes(b"new\n")

    async with following(log, checkpoints=checkpoints) as reading:
        assert sorted(await reading.lines(2)) == [b"new", b"rest"]
        append(log, b"more\n")
        assert await reading.lines(1) == [b"more"]


async def test_a_link_moved_on_to_another_directory(tmp_path: Path) -> None:
    link, one, two = tmp_path / "access.log", tmp_path / "1" / "a.log", tmp_path / "2" / "b.log"
    one.parent.mkdir()
    two.parent.mkdir()
    one.write_bytes(b"past\n")
    link.symlink_to(one)
    checkpoints = await left_behind(link)
    append(one, b"rest\n")
    two.write_bytes(b"new\n")
    link.unlink()
    link.symlink_to(two)

    async with following(link, checkpoints=checkpoints) as reading:
        assert sorted(await reading.lines(2)) == [b"new", b"rest"]


async def test_rotated_again_and_again(log: Path) -> None:
    log.with_name("access.log.1").write_bytes(b"from before\n")
    written_at(log.with_name("access.log.1"), 50)
    checkpoints = await left_behind(log)
    log.with_name("access.log.1").rename(log.with_name("access.log.4"))
    append(log, b"rest\n")
    written_at(log, 1000)
    log.rename(log.with_name("access.log.3"))
    for number, name in enumerate(["access.log.2", "access-20261125.log", "access-2026-11-26T04-41-06.907-size.log"]):
        log.write_bytes(b"file %d\n" % number)
        written_at(log, 1001 + number)
        log.rename(log.with_name(name))
    # Other names, or compressed.
    for name in ["access.log.json", "error.log.1", "access.log.5.gz"]:
        log.with_name(name).write_bytes(b"not ours\n")
        written_at(log.with_name(name), 2000)
    log.write_bytes(b"now\n")

    async with following(log, checkpoints=checkpoints) as reading:
        assert sorted(await reading.lines(5)) == [b"file 0", b"file 1", b"file 2", b"now", b"rest"]
        await reading.nothing(2 * QUIET_SECONDS)
        checkpoints = reading.checkpoints
    async with following(log, checkpoints=checkpoints) as reading:
        await reading.nothing()


async def test_a_restart_among_files_that_were_rotated_away(log: Path) -> None:
    checkpoints = await left_behind(log)
    append(log, b"rest\n")
    written_at(log, 1000)
    log.rename(log.with_name("access.log.2"))
    log.write_bytes(b"one\ntwo\n")
    written_at(log, 1001)
    log.rename(log.with_name("access.log.1"))
    log.write_bytes(b"now\n")
    async with following(log, checkpoints=checkpoints) as reading:
        assert len(await reading.lines(4)) == 4
        checkpoints = reading.checkpoints

    for _ in range(2):
        async with following(log, checkpoints=checkpoints) as reading:
            await reading.nothing()
            append(log.with_name("access.log.1"), b"late\n")
            assert await reading.lines(1) == [b"late"]
            checkpoints = reading.checkpoints


async def test_an_old_file_that_was_read_to_its_end_is_not_read_again(log: Path) -> None:
    """Even if the new one was never written to, and so seems to be older."""
    async with following(log) as reading:
        append(log, LONG)
        log.rename(log.with_name("access.log.1"))
        log.write_bytes(b"")
        written_at(log, 10)
        await reading.lines(8)
        await reading.nothing(2 * QUIET_SECONDS)
        checkpoints = reading.checkpoints

    async with following(log, checkpoints=checkpoints) as reading:
        await reading.nothing()


async def test_rotated_and_there_is_no_new_file_yet(log: Path) -> None:
    checkpoints = await left_behind(log)
    append(log, b"rest\n")
    log.rename(log.with_name("access.log.1"))

    async with following(log, checkpoints=checkpoints) as reading:
        assert await reading.lines(1) == [b"rest"]
        log.write_bytes(b"new\n")
        assert await reading.lines(1) == [b"new"]


async def test_the_old_file_is_gone(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints = await left_behind(log)
    log.unlink()
    log.write_bytes(b"new\n")

    async with following(log, checkpoints=checkpoints) as reading:
        assert await reading.lines(1) == [b"new"]
    (lost,) = (event for event in events(caplog) if isinstance(event, RotatedFileLost))
    assert (lost.source, lost.offset) == (f"file:{log}", len(LONG) + 5)


@pytest.mark.parametrize("longer", [b"", LONG * 2])
async def test_another_file_has_the_inode(log: Path, longer: bytes) -> None:
    checkpoints = await left_behind(log)
    log.write_bytes(b"another\n" + longer)

    async with following(log, checkpoints=checkpoints) as reading:
        assert (await reading.lines(1))[0] == b"another"


async def test_the_file_has_another_inode_after_a_restart_of_the_machine(log: Path) -> None:
    checkpoints = await left_behind(log)
    data = log.read_bytes()
    log.unlink()
    log.with_name("taken").touch()
    log.write_bytes(data + b"new\n")

    async with following(log, checkpoints=checkpoints) as reading:
        assert await reading.lines(1) == [b"new"]


async def test_copied_and_truncated(log: Path) -> None:
    checkpoints = await left_behind(log)
    append(log, b"rest\n")
    log.with_name("access.log.1").write_bytes(log.read_bytes())
    log.write_bytes(b"new\n")

    async with following(log, checkpoints=checkpoints) as reading:
        assert sorted(await reading.lines(2)) == [b"new", b"rest"]
        await reading.nothing(2 * QUIET_SECONDS)
        checkpoints = reading.checkpoints
    async with following(log, checkpoints=checkpoints) as reading:
        await reading.nothing()


async def test_an_unfinished_line_that_counts_at_the_end_of_a_file_is_not_read_again(log: Path) -> None:
    async with following(log) as reading:
        append(log, LONG + b"half")
        await reading.lines(8)
        os.truncate(log, 0)
        assert await reading.lines(1) == [b"half"]
    append(log, b"new\n")

    async with following(log, checkpoints=reading.checkpoints) as reading:
        assert await reading.lines(1) == [b"new"]


async def test_truncated_while_down(log: Path) -> None:
    checkpoints = await left_behind(log, b"one\n")
    log.write_bytes(b"two\n")

    async with following(log, checkpoints=checkpoints) as reading:
        assert await reading.lines(1) == [b"two"]


async def test_the_disk_is_not_mounted_yet(log: Path) -> None:
    checkpoints = await left_behind(log)
    append(log, b"rest\n")
    log.parent.rename(log.parent.with_name("unmounted"))
    log.parent.mkdir()

    async with following(log, checkpoints=checkpoints) as reading:
        await reading.nothing()
        log.parent.rmdir()
        log.parent.with_name("unmounted").rename(log.parent)
        assert await reading.lines(1) == [b"rest"]
        await reading.nothing()


async def test_renamed_a_moment_before_the_first_start(log: Path) -> None:
    """What the server still writes to the old file is new."""
    old = log.with_name("access.log.1")
    log.rename(old)
    written_at(old, int(START) - 10)
    log.write_bytes(b"past\n")

    async with following(log) as reading:
        await reading.nothing(1)
        append(old, b"late\n")
        append(log, b"new\n")
        assert sorted(await reading.lines(2)) == [b"late", b"new"]


async def test_old_files_of_a_log_that_was_not_there_are_not_read(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.with_name("access.log.1").write_bytes(b"from before\n")
    written_at(log.with_name("access.log.1"), 100)
    async with following(log) as reading:
        await reading.nothing(1)

    async with following(log, checkpoints=reading.checkpoints) as reading:
        await reading.nothing(1)
        log.write_bytes(b"one\n")
        assert await reading.lines(1) == [b"one"]
        await reading.nothing()


async def test_a_log_that_was_not_there_is_written_and_rotated_while_the_server_is_down(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    async with following(log) as reading:
        await reading.nothing(1)
    log.write_bytes(b"one\n")
    log.rename(log.with_name("access.log.1"))
    log.write_bytes(b"two\n")

    async with following(log, checkpoints=reading.checkpoints) as reading:
        assert sorted(await reading.lines(2)) == [b"one", b"two"]
        await reading.nothing()
