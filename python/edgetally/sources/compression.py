"""
Decoders of gzip and zstd streams, in pieces of bounded size.

A kilobyte can decompress to a gigabyte, so a decoder never holds more than one piece.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from edgetally.errors import InputError, Mislabelled

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 1 << 20
"""Largest piece that a decoder yields."""

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class Decoder(Protocol):
    """Decompresses a stream."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decompresses to, piece by piece; raise InputError when it is damaged."""

    def finish(self) -> None:
        """Raise InputError when the stream is cut off."""


class Identity:
    """A stream that is not compressed."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield `data`."""
        yield data

    def finish(self) -> None:
        """Such a stream may end anywhere."""


class Head:
    """The first bytes of a stream, which tell what is wrong with it."""

    def __init__(self, name: str, magic: bytes) -> None:
        self._name = name
        self._magic = magic
        self._seen = b""
        self._is_next = False

    def add(self, data: bytes) -> None:
        """Add the next bytes, as far as they belong to the head."""
        self._seen += data[: len(self._magic) - len(self._seen)]

    def restart(self) -> None:
        """Expect another stream, after one that has ended."""
        self._seen = b""
        self._is_next = True

    def problem(self) -> InputError:
        """Return why the stream cannot be read."""
        if self._seen == self._magic:
            return InputError(f"the {self._name} stream is damaged")
        if self._is_next:
            return InputError(f"the data after the {self._name} stream is not {self._name}")
        return Mislabelled(f"not {self._name}")


class Gzip:
    """Gzip of one member, or of several, as `cat a.gz b.gz` writes them."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._head = Head("gzip", GZIP_MAGIC)
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decompresses to."""
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
                self._head.restart()
            self._head.add(data)
            try:
                piece = self._member.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise self._head.problem() from error
            self._started = True
            if piece:
                yield piece
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        """Raise InputError when the stream is cut off."""
        if self._started and not self._member.eof:
            raise InputError("the gzip stream is cut off")


class Zstd:
    """Zstandard, of one frame or of several."""

    def __init__(self) -> None:
        self._frame = zstd.ZstdDecompressor()
        self._head = Head("zstd", ZSTD_MAGIC)
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decompresses to."""
        while data or not self._frame.needs_input:
            if self._frame.eof:
                data = self._frame.unused_data + data
                if not data:
                    return
                self._frame = zstd.ZstdDecompressor()
                self._head.restart()
            self._head.add(data)
            try:
                piece = self._frame.decompress(data, PIECE_BYTES)
            except zstd.ZstdError as error:
                raise self._head.problem() from error
            data = b""
            self._started = True
            if piece:
                yield piece

    def finish(self) -> None:
        """Raise InputError when the stream is cut off."""
        if self._started and not self._frame.eof:
            raise InputError("the zstd stream is cut off")


ENCODINGS: dict[str, Callable[[], Decoder]] = {
    "": Identity,
    "identity": Identity,
    "gzip": Gzip,
    "x-gzip": Gzip,
    "zstd": Zstd,
}
"""Decoders by HTTP `Content-Encoding`."""


def by_encoding(name: str) -> Decoder | None:
    """Return a decoder for an HTTP `Content-Encoding`; None if it is unknown."""
    decoder = ENCODINGS.get(name)
    return decoder() if decoder else None


def by_magic(head: bytes) -> Decoder:
    """Return a decoder for a file that starts with `head`."""
    if head.startswith(GZIP_MAGIC):
        return Gzip()
    if head.startswith(ZSTD_MAGIC):
        return Zstd()
    return Identity()
