"""Inputs: everything that can be folded, as names and blocks of bytes."""

import errno
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, Protocol, TypeAlias, cast, runtime_checkable

BLOCK = 1 << 18
"""Bytes that are read at once: they stay in the cache of the CPU core that folds them, in memory that is reused."""

SHOWN_CHARACTERS = 60
"""How much of a text that is not a path is shown in an error."""


@runtime_checkable
class Readable(Protocol):
    """A file opened in binary mode."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none at the end."""


Log: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | Iterable[bytes] | Iterable[str]
"""One log, or a glob; `fold` says how each type is read."""

Inputs: TypeAlias = Log | Sequence[object] | Iterable[os.PathLike[str]]
"""One log, or several. The objects are of type `Log`: a type checker finds no common type for a list of these."""


class Input(NamedTuple):
    """One log."""

    name: str
    """What messages call it."""
    source: str | Iterable[bytes]
    """The path of a file that can be read, or blocks."""


def inputs_of(inputs: Inputs) -> list[Input]:
    """
    Turn what `fold` was given into single logs.

    Files are checked, but not opened: there may be more of them than may be open at once, and a named pipe can be
    opened only once.

    Raises:
        OSError: A file cannot be read, or nothing matches a glob. `filename` says which.
        TypeError: This type cannot be folded.
    """
    if isinstance(inputs, str | os.PathLike):
        return _files(inputs)
    if isinstance(inputs, bytes | bytearray | memoryview):
        return [Input("<bytes>", _sliced(memoryview(inputs).cast("B")))]
    if isinstance(inputs, list | tuple):
        return [one for log in cast("Sequence[Log]", inputs) for one in inputs_of(log)]
    found = getattr(inputs, "name", None)
    name = found if isinstance(found, str) else "<stream>"
    if isinstance(inputs, Readable) and inputs.read(0) == b"":
        return [Input(name, _joined(blocks_of(inputs)))]
    if not isinstance(inputs, Iterable):
        raise TypeError(f"expected a path, bytes, a file or an iterable of these, got {type(inputs).__name__}")
    pieces = iter(inputs)
    first = next(pieces, b"")
    if isinstance(first, os.PathLike):
        paths = chain([first], cast("Iterator[os.PathLike[str]]", pieces))
        return [one for path in paths for one in _files(path)]
    return [Input(name, _joined(chain([first], pieces)))]


def blocks_of(file: Readable) -> Iterator[bytes]:
    """Read a file to its end, block by block."""
    while block := file.read(BLOCK):
        yield block


def _files(path: str | os.PathLike[str]) -> list[Input]:
    """Return the files that a path or a glob names. A path that exists is not a glob, whatever characters it has."""
    name = os.fspath(path)
    if not glob.has_magic(name) or os.path.exists(name):
        return [_file(name)]
    found = glob.glob(name, recursive=True)
    if files := sorted(one for one in found if not os.path.isdir(one)):
        return [_file(one) for one in files]
    raise FileNotFoundError(errno.ENOENT, "no file matches", name)


def _file(name: str) -> Input:
    """Check that a file can be read."""
    try:
        os.stat(name)
    except (OSError, ValueError) as error:
        if "{" in name or "\n" in name:
            problem = "not a path (pass the text of a log as bytes, and lines as an iterator)"
            raise FileNotFoundError(errno.ENOENT, problem, name[:SHOWN_CHARACTERS]) from error
        raise
    if os.path.isdir(name):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not os.access(name, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
    return Input(name, name)


def _sliced(log: memoryview) -> Iterator[bytes]:
    """Cut a log into blocks."""
    return (bytes(log[start : start + BLOCK]) for start in range(0, len(log), BLOCK))


def _joined(pieces: Iterable[object]) -> Iterator[bytes]:
    """Join short blocks and lines into blocks that are worth a call."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(_bytes(piece))
        size += len(waiting[-1])
        if size >= BLOCK:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    yield b"".join(waiting)


def _bytes(piece: object) -> bytes:
    """Return a block as it is, and a line of text with its newline, in the bytes from which it was decoded."""
    if isinstance(piece, str):
        return (piece.removesuffix("\n") + "\n").encode(errors="surrogateescape")
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    raise TypeError(f"expected blocks of bytes or lines of str, got {type(piece).__name__}")
