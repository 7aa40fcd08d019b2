"""
Standard streams, made so that none of them ends a command with a traceback.

* A closed stream is opened for the wrong direction, so that using it is an error. If its number were left free, the
  next file or socket would get it, and be read or written in its place.
* Standard output that cannot be written raises OutputError, once. A closed pipe raises BrokenPipeError.
* Messages that cannot be written to standard error are dropped.
* Characters that the encoding of a terminal lacks are escaped.
* A stream that another process has set to non-blocking is waited for.
"""

from __future__ import annotations

import io
import os
import select
import sys

from edgetally.errors import ConfigError, OutputError
from edgetally.escaping import escape
from edgetally.sources.descriptor import is_readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO, TextIO

    from _typeshed import ReadableBuffer, WriteableBuffer

OUTPUT_BYTES = 1 << 16
"""Bytes that are written to standard output at once."""


class StandardInput(io.FileIO):
    """Standard input."""

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read as many bytes as there are; wait until there are some."""
        while (size := _or_none(super().readinto(buffer))) is None:
            select.select([self], [], [])
        return size


class StandardOutput(io.FileIO):
    """Standard output."""

    _has_failed = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of `data`. Once that has failed, and the command is about to end, everything is dropped."""
        if self._has_failed:
            return memoryview(data).nbytes
        try:
            return _written(super().write, self, data)
        except BrokenPipeError:
            self._has_failed = True
            raise
        except OSError as error:
            self._has_failed = True
            raise OutputError(error) from error


class StandardError(io.FileIO):
    """Standard error."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of `data` if that is possible, and drop it if not."""
        try:
            return _written(super().write, self, data)
        except OSError:
            return memoryview(data).nbytes


def _written(write: Callable[[ReadableBuffer], int], stream: io.FileIO, data: ReadableBuffer) -> int:
    """Write some of `data`; wait until that is possible."""
    while (size := _or_none(write(data))) is None:
        select.select([], [stream], [])
    return size


def _or_none(size: int) -> int | None:
    """Return what a stream that does not block returned: None if it would have blocked, whatever its type says."""
    return size


def open_all() -> None:
    """Replace the standard streams of this process."""
    # In this order, because a closed stream gets the lowest number that is free.
    given = _descriptor(sys.stdin, os.O_WRONLY)
    out = _descriptor(sys.stdout, os.O_RDONLY)
    errors = _descriptor(sys.stderr, os.O_RDONLY)
    raw = StandardInput(given, closefd=False)
    raw.name = "<stdin>"
    sys.stdin = io.TextIOWrapper(io.BufferedReader(raw))
    sys.stdout = _text(StandardOutput(out, "w", closefd=False), sys.stdout)
    sys.stderr = _text(StandardError(errors, "w", closefd=False), sys.stderr, line_buffering=True)


def say(message: str) -> None:
    """Print a message of the command itself on standard error."""
    sys.stderr.write(f"edgetally: {escape(message)}\n")


def _descriptor(stream: TextIO | None, wrong_direction: int) -> int:
    """Return the number of a stream. One that is closed is opened for the wrong direction."""
    return os.open(os.devnull, wrong_direction) if stream is None else stream.fileno()


def _text(raw: io.FileIO, before: TextIO | None, *, line_buffering: bool = False) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw, OUTPUT_BYTES),
        encoding=before.encoding if before else "utf-8",
        errors="backslashreplace",
        line_buffering=line_buffering or raw.isatty(),
    )


def standard_input() -> BinaryIO:
    """Return standard input; raise ConfigError when it cannot be read."""
    try:
        if not is_readable(sys.stdin.fileno()):
            raise ConfigError("-", "standard input is closed")
    except io.UnsupportedOperation:
        pass  # not a file, but an object of Python in its place
    return sys.stdin.buffer
