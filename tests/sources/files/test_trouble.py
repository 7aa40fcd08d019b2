# ruff: noqa: ASYNC240 - a test may wait for its disk
"""Trouble with one followed file stays its own."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgetally.sources.files.generation import FIRST_RETRY_SECONDS
from tests.sources.files.following import append, following, names


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_bytes(b"past\n")
    return path


def failing(monkeypatch: pytest.MonkeyPatch, call: str, inode: int, error: int) -> None:
    """Let `os.{call}` fail for one file."""
    real = getattr(os, call)

    def fail(what: object, *args: object) -> object:
        status = os.fstat(what) if isinstance(what, int) else Path(str(what)).stat()
        if status.st_ino == inode:
            raise OSError(error, os.strerror(error))
        return real(what, *args)

    monkeypatch.setattr(os, call, fail)


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
async def test_a_file_cannot_be_read_and_the_others_go_on(
    log: Path, error: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    other = log.with_name("other.log")
    other.write_bytes(b"")
    async with following(log, other) as reading:
        with monkeypatch.context() as patched:
            failing(patched, "pread", log.stat().st_ino, error)
            append(log, b"one\n")
            append(other, b"other\n")
            assert await reading.lines(1) == [b"other"]
            await reading.nothing(200)
            assert reading.follower.paths[log].problem == os.strerror(error)
            assert reading.follower.paths[other].problem is None
        await reading.clock.advance(60)
        assert await reading.lines(1) == [b"one"]
        assert reading.follower.paths[log].problem is None
    said = [name for name in names(caplog) if name.startswith("file_")]
    assert said == ["file_read_failed", "file_read_recovered"]


@pytest.mark.parametrize(("call", "error"), [("pread", errno.EIO), ("open", errno.EACCES)])
async def test_a_file_that_could_not_be_read_at_the_start_is_read_where_it_was_left(
    log: Path, call: str, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(log) as reading:
        append(log, b"one\n")
        await reading.lines(1)
    append(log, b"two\n")

    with monkeypatch.context() as patched:
        failing(patched, call, log.stat().st_ino, error)
        async with following(log, checkpoints=reading.checkpoints) as reading:
            await reading.nothing()
            assert reading.follower.paths[log].problem == os.strerror(error)
            patched.undo()
            await reading.clock.advance(60)
            assert await reading.lines(1) == [b"two"]
            assert reading.follower.paths[log].problem is None


async def test_a_stale_handle_is_opened_anew(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pread
    async with following(log) as reading:
        (generation,) = reading.follower.paths[log].generations
        stale = generation.file.descriptor
        # A descriptor that stays in use, so that the new one has another number.
        kept = os.dup(stale)

        def pread(descriptor: int, *args: int) -> bytes:
            if descriptor == stale:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            return real(descriptor, *args)

        monkeypatch.setattr(os, "pread", pread)
        append(log, b"one\n")
        await reading.clock.advance(FIRST_RETRY_SECONDS + 1)
        assert await reading.lines(1) == [b"one"]
        os.close(kept)


@pytest.mark.parametrize("kind", ["a directory", "a pipe", "below a file", "a socket"])
async def test_what_is_not_a_file_is_waited_for_like_a_file(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "edge" / "access.log"
    if kind == "below a file":
        path.parent.touch()
    elif kind == "a pipe":
        path.parent.mkdir()
        os.mkfifo(path)
    elif kind == "a socket":
        path.parent.mkdir()
        os.mknod(path, 0o140644)
    else:
        path.mkdir(parents=True)

    async with following(path) as reading:
        await reading.nothing()
        assert reading.follower.paths[path].problem

    assert names(caplog) == ["file_unavailable"]


@pytest.mark.parametrize(
    ("make", "remove", "problem"),
    [
        (Path.mkdir, Path.rmdir, "Is a directory"),
        (os.mkfifo, Path.unlink, "not a regular file (--stdin reads pipes)"),
    ],
)
async def test_a_path_becomes_something_else_while_it_is_followed(
    log: Path, make: Callable[[Path], None], remove: Callable[[Path], None], problem: str
) -> None:
    async with following(log) as reading:
        append(log, b"one\n")
        log.rename(log.with_name("access.log.1"))
        make(log)
        assert await reading.lines(1) == [b"one"]
        await reading.nothing(1)
        assert reading.follower.paths[log].problem == problem
        remove(log)
        log.write_bytes(b"two\n")
        assert await reading.lines(1) == [b"two"]
        assert reading.follower.paths[log].problem is None


@pytest.mark.parametrize("pattern", ["\udcff.log", "*.log"])
async def test_a_name_that_is_no_utf8_is_followed_like_any_other(pattern: str, tmp_path: Path) -> None:
    log = tmp_path / "\udcff.log"
    log.write_bytes(b"")
    async with following(tmp_path / pattern) as reading:
        append(log, b"one\n")
        assert await reading.lines(1) == [b"one"]
        checkpoints = reading.checkpoints
    assert [text for pair in checkpoints.items() for text in pair if not text.isprintable()] == []
    append(log, b"two\n")
    log.rename(tmp_path / "\udcff.log.1")
    log.write_bytes(b"three\n")
    async with following(tmp_path / pattern, checkpoints=checkpoints) as reading:
        assert await reading.lines(2) == [b"two", b"three"]


async def test_a_file_that_cannot_be_read_when_it_is_first_followed_stops_nothing(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = log.with_name("other.log")
    other.write_bytes(b"")
    with monkeypatch.context() as patched:
        failing(patched, "pread", log.stat().st_ino, errno.EIO)
        async with following(log, other) as reading:
            append(other, b"other\n")
            assert await reading.lines(1) == [b"other"]
            assert reading.follower.paths[log].problem == os.strerror(errno.EIO)
            patched.undo()
            await reading.clock.advance(60)
            append(log, b"one\n")
            assert await reading.lines(1) == [b"one"]
