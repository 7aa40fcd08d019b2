# ruff: noqa: ASYNC240 - a test may wait for its disk
"""Files that were rotated and compressed before they were read, and those that cannot be read any more."""

import bz2
import gzip
import lzma
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgetally.sources.base import READ_BYTES
from edgetally.telemetry.events import FileReadFailed, RotatedFileLost, RotatedFileUnreadable
from tests.sources.files.following import LONG, QUIET_SECONDS, append, events, following, left_behind, written_at

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log that an edge has already written a line to."""
    path = tmp_path / "access.log"
    path.write_bytes(b"past\n")
    written_at(path, 100)
    return path


@pytest.mark.parametrize(
    ("ending", "compress"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstd.compress)],
)
async def test_what_was_compressed_while_the_server_was_down_is_read(
    log: Path, ending: str, compress: Callable[[bytes], bytes]
) -> None:
    checkpoints = await left_behind(log)
    rest, missed = log.with_name(f"access.log.2.{ending}"), log.with_name(f"access.log.1.{ending}")
    rest.write_bytes(compress(log.read_bytes() + b"rest\n"))
    written_at(rest, 1000)
    missed.write_bytes(compress(b"missed\n"))
    written_at(missed, 1001)
    log.unlink()
    log.write_bytes(b"new\n")

    async with following(log, checkpoints=checkpoints) as reading:
        assert sorted(await reading.lines(3)) == [b"missed", b"new", b"rest"]
        await reading.nothing(2 * QUIET_SECONDS)
        checkpoints = reading.checkpoints
    async with following(log, checkpoints=checkpoints) as reading:
        await reading.nothing()


async def test_more_than_is_read_at_once_is_read_on_after_a_restart(log: Path) -> None:
    checkpoints = await left_behind(log)
    lines = [b"%099d" % number for number in range(3 * READ_BYTES // 100)]
    log.with_name("access.log.1.gz").write_bytes(gzip.compress(log.read_bytes() + b"\n".join([*lines, b""])))
    log.unlink()
    log.write_bytes(b"")

    async with following(log, checkpoints=checkpoints) as reading:
        assert await reading.lines(len(lines)) == lines
        commits = reading.commits
    for one in commits[1:]:
        async with following(log, checkpoints=one.checkpoints) as reading:
            left = len(lines) - len(one.lines)
            assert await reading.lines(left) == lines[len(one.lines) :]


async def test_what_was_read_before_it_was_compressed_is_not_read_again(log: Path) -> None:
    async with following(log) as reading:
        for number in range(3):
            append(log, LONG)
            await reading.lines(8)
            log.rename(log.with_name(f"access.log.{number}"))
            log.write_bytes(b"%d" % number)
            await reading.nothing(QUIET_SECONDS + 5 if number == 1 else 5)
            data = log.with_name(f"access.log.{number}")
            # Without its time: not every tool keeps it.
            data.with_name(f"{data.name}.gz").write_bytes(gzip.compress(data.read_bytes()))
            data.unlink()
            await reading.nothing(5)
        checkpoints = reading.checkpoints
    async with following(log, checkpoints=checkpoints) as reading:
        await reading.nothing()


async def test_what_was_rotated_before_the_first_start_is_not_read_when_it_is_compressed(log: Path) -> None:
    old = log.with_name("access.log.1")
    old.write_bytes(b"before\n" + LONG)
    written_at(old, 50)
    async with following(log) as reading:
        log.with_name("access.log.2.gz").write_bytes(gzip.compress(old.read_bytes()))
        log.rename(old)
        log.write_bytes(b"new\n")
        assert await reading.lines(1) == [b"new"]
        checkpoints = reading.checkpoints
    async with following(log, checkpoints=checkpoints) as reading:
        await reading.nothing()


async def test_a_file_that_is_being_compressed_is_read_once(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints = await left_behind(log)
    old, packed = log.with_name("access.log.1"), log.with_name("access.log.1.gz")
    log.write_bytes(log.read_bytes() + b"rest\n")
    log.rename(old)
    log.write_bytes(b"new\n")
    data = gzip.compress(old.read_bytes())
    packed.write_bytes(data[:100])

    async with following(log, checkpoints=checkpoints) as reading:
        assert sorted(await reading.lines(2)) == [b"new", b"rest"]
        packed.write_bytes(data)
        old.unlink()
        await reading.nothing(2 * QUIET_SECONDS)
    assert not [one for one in events(caplog) if isinstance(one, RotatedFileLost | FileReadFailed)]


async def test_compressed_data_that_is_cut_off_is_read_once_it_is_complete(log: Path) -> None:
    checkpoints = await left_behind(log)
    packed = log.with_name("access.log.1.gz")
    data = gzip.compress(log.read_bytes() + os.urandom(1000).hex().encode() + b"\n")
    packed.write_bytes(data[:-100])
    log.unlink()
    log.write_bytes(b"new\n")

    async with following(log, checkpoints=checkpoints) as reading:
        assert b"new" in await reading.lines(1)
        assert "the gzip stream is cut off" in str(reading.follower.paths[log].problem)
        with packed.open("r+b") as file:
            file.write(data)
        await reading.clock.advance(60)
        assert len(await reading.lines(1)) == 1
        assert reading.follower.paths[log].problem is None


async def test_what_cannot_be_read_is_named_with_its_bytes(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints = await left_behind(log)
    log.rename(log.with_name("access.log.2"))
    missed = log.with_name("access.log.1.lz4")
    missed.write_bytes(b"\x04\x22\x4d\x18" + LONG)
    log.write_bytes(b"new\n")

    async with following(log, checkpoints=checkpoints) as reading:
        assert await reading.lines(1) == [b"new"]
        await reading.nothing()
    (lost,) = (one for one in events(caplog) if isinstance(one, RotatedFileUnreadable))
    assert (lost.path, lost.size) == (str(missed), len(LONG) + 4)
    assert "lz4" in lost.problem


async def test_generations_beside_the_file_that_a_link_leads_to(tmp_path: Path) -> None:
    """As the logs of containers in Kubernetes."""
    link, log = tmp_path / "containers" / "web.log", tmp_path / "pods" / "web_0c1d" / "0.log"
    link.parent.mkdir()
    log.parent.mkdir(parents=True)
    log.write_bytes(b"past\n")
    link.symlink_to(log)
    checkpoints = await left_behind(link)
    append(log, b"rest\n")
    written_at(log, 1000)
    old = log.with_name("0.log.20261128-110000.gz")
    old.write_bytes(gzip.compress(log.read_bytes()))
    written_at(old, 1000)
    log.unlink()
    missed = log.with_name("0.log.20261128-120000")
    missed.write_bytes(b"missed\n")
    written_at(missed, 1001)
    log.write_bytes(b"new\n")

    async with following(link, checkpoints=checkpoints) as reading:
        assert sorted(await reading.lines(3)) == [b"missed", b"new", b"rest"]
        await reading.nothing(2 * QUIET_SECONDS)
