# ruff: noqa: ASYNC240 - a test may wait for its disk
"""A followed file is copied and truncated, again and again, before anything looks (`copytruncate`)."""

import gzip
import logging
import os
from pathlib import Path

import pytest

from edgetally.sources.files.checkpoint import HEAD_BYTES
from edgetally.telemetry.events import FileTruncated
from tests.sources.files.following import LONG, append, events, following, written_at

HEADER = b"".join(b"#Fields: every file begins like this, %d\n" % number for number in range(8))
"""More than what is enough to know a file by it."""

WAYS = ["plain", "compressed", "dated"]

FIRST_LINES = [b"", b"#Version: 1.0\n", HEADER, 5 * HEADER]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log that an edge has already written a line to."""
    path = tmp_path / "access.log"
    path.write_bytes(b"past\n")
    written_at(path, 100)
    return path


class CopyTruncate:
    """Copies a log and truncates it, and writes what comes next."""

    def __init__(self, log: Path, way: str, first_lines: bytes = b"") -> None:
        self._log = log
        self._way = way
        self._first_lines = first_lines
        self._rotations = 0

    def write(self, *lines: bytes) -> None:
        if not self._log.stat().st_size:
            append(self._log, self._first_lines)
        append(self._log, b"".join(line + b"\n" for line in lines))
        written_at(self._log, 1000 + 2 * self._rotations)

    def rotate(self, *lines: bytes) -> None:
        self._rotations += 1
        ending = ".gz" if self._way == "compressed" else ""
        for number in range(self._rotations, 0, -1):
            old = self._log.with_name(f"access.log.{number}{ending}")
            if old.exists():
                old.rename(self._log.with_name(f"access.log.{number + 1}{ending}"))
        dated = f"access.log-20261129{self._rotations:02}"
        copy = self._log.with_name(dated if self._way == "dated" else f"access.log.1{ending}")
        data = self._log.read_bytes()
        copy.write_bytes(gzip.compress(data) if ending else data)
        written_at(copy, 999 + 2 * self._rotations)
        os.truncate(self._log, 0)
        if lines:
            self.write(*lines)


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("first_lines", FIRST_LINES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_down", [False, True])
async def test_every_copy_is_read(log: Path, times: int, first_lines: bytes, way: str, *, is_down: bool) -> None:
    if way == "compressed" and len(first_lines) > HEAD_BYTES:
        pytest.skip("of a compressed file, no more is compared")
    edge = CopyTruncate(log, way, first_lines)

    def rotate() -> None:
        for number in range(times):
            edge.write(b"%d ends" % number)
            edge.rotate(b"%d begins" % (number + 1))

    async with following(log) as reading:
        edge.rotate(b"0 begins", b"0 goes on")
        await reading.lines(2 + first_lines.count(b"\n"))
        if not is_down:
            rotate()
            await reading.clock.advance(5)
        found = await reading.lines(0)
    if is_down:
        rotate()
        async with following(log, checkpoints=reading.checkpoints) as reading:
            await reading.clock.advance(5)
            found = await reading.lines(0)
    lines = sorted(line for line in found if not line.startswith(b"#"))
    assert lines == sorted(
        b"%d %b" % (n + is_first, b"begins" if is_first else b"ends")
        for n in range(times)
        for is_first in (False, True)
    )

    async with following(log, checkpoints=reading.checkpoints) as reading:
        await reading.nothing(5)


async def test_copied_and_truncated_and_then_renamed_before_anything_looks(log: Path) -> None:
    rotation = CopyTruncate(log, "dated")
    async with following(log) as reading:
        rotation.write(b"0")
        await reading.lines(1)
        for number in range(1, 4):
            rotation.rotate(b"%d" % number)
        log.rename(log.with_name("access.log-2026112904"))
        log.touch()
        assert sorted(await reading.lines(3)) == [b"1", b"2", b"3"]
        append(log, b"4\n")
        assert await reading.lines(1) == [b"4"]


async def test_truncated_again_while_it_is_empty(log: Path) -> None:
    """What was written in between is in a copy, and the log looks as before."""
    edge = CopyTruncate(log, "plain")
    async with following(log) as reading:
        edge.rotate()
        await reading.nothing(1)
        edge.write(b"one")
        edge.rotate()
        assert await reading.lines(1) == [b"one"]
        await reading.nothing(5)


@pytest.mark.parametrize("call", [1, 2, 3])
async def test_truncated_and_written_to_again_while_it_is_read(
    log: Path, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = CopyTruncate(log, "plain")
    async with following(log) as reading:
        edge.write(b"one", LONG)
        await reading.lines(9)
        edge.write(b"two")
        real, calls = os.pread, 0

        def rotate_before(descriptor: int, size: int, offset: int) -> bytes:
            nonlocal calls
            calls += 1
            if calls == call:
                edge.rotate(b"three", 2 * LONG)
            return real(descriptor, size, offset)

        monkeypatch.setattr(os, "pread", rotate_before)
        await reading.clock.advance(5)
        assert calls > call
        assert sorted(set(await reading.lines(3)) - {*LONG.splitlines(), b""}) == [b"three", b"two"]


async def test_a_copy_that_was_just_begun_is_not_a_file_of_its_own(log: Path) -> None:
    copy = log.with_name("access.log.2")
    async with following(log) as reading:
        edge = CopyTruncate(log, "plain")
        edge.write(b"one")
        await reading.lines(1)
        edge.rotate(b"two")
        copy.touch()
        assert await reading.lines(1) == [b"two"]
        copy.write_bytes(log.read_bytes())
        os.truncate(log, 0)
        append(log, b"three\n")
        assert await reading.lines(1) == [b"three"]
        await reading.nothing(5)


@pytest.mark.parametrize("has_copy", [True, False])
async def test_it_is_said_where_the_rest_of_what_was_truncated_is(
    log: Path, caplog: pytest.LogCaptureFixture, *, has_copy: bool
) -> None:
    caplog.set_level(logging.INFO)
    async with following(log) as reading:
        append(log, b"one\n")
        await reading.lines(1)
        if has_copy:
            CopyTruncate(log, "plain").rotate()
        else:
            os.truncate(log, 0)
        await reading.nothing(1)
    (said,) = (one for one in events(caplog) if isinstance(one, FileTruncated))
    assert (said.offset, said.copy) == (9, str(log.with_name("access.log.1")) if has_copy else "none")
