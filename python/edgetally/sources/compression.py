"""
Gzip and zstd as streams, in pieces of bounded size.

A kilobyte can decompress to a gigabyte, so nothing here ever holds more than one piece.
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

PIECE = 1 << 20
"""Bytes of one piece, at most."""

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class Decoder(Protocol):
    """Turns the bytes that were sent into the bytes that were meant."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` adds, piece by piece; raise InputError when it is damaged."""

    def finish(self) -> None:
        """Raise InputError when the stream ended too early."""


class Identity:
    """Bytes as they are."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield `data`."""
        yield data

    def finish(self) -> None:
        """Bytes can end anywhere."""


class Head:
    """How a stream begins, by which is told what is wrong with it."""

    def __init__(self, name: str, magic: bytes) -> None:
        self._name = name
        self._magic = magic
        self._seen = b""
        self._follows = False

    def see(self, data: bytes) -> None:
        """Take note of what comes next."""
        self._seen += data[: len(self._magic) - len(self._seen)]

    def again(self) -> None:
        """Begin anew, behind a stream that has ended."""
        self._seen = b""
        self._follows = True

    def problem(self) -> InputError:
        """Say, for its sender, why it cannot be read."""
        if self._seen == self._magic:
            return InputError(f"the {self._name} stream is damaged")
        if self._follows:
            return InputError(f"what follows the {self._name} stream is not {self._name}")
        return Mislabelled(f"not {self._name}")


class Gzip:
    """Gzip, of one member or of several in a row as `cat a.gz b.gz` makes them."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._head = Head("gzip", GZIP_MAGIC)
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decompresses to."""
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
                self._head.again()
            self._head.see(data)
            try:
                piece = self._member.decompress(data, PIECE)
            except zlib.error as error:
                raise self._head.problem() from error
            self._started = True
            if piece:
                yield piece
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        """Refuse a stream that was cut off."""
        if self._started and not self._member.eof:
            raise InputError("the gzip stream was cut off")


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
                self._head.again()
            self._head.see(data)
            try:
                piece = self._frame.decompress(data, PIECE)
            except zstd.ZstdError as error:
                raise self._head.problem() from error
            data = b""
            self._started = True
            if piece:
                yield piece

    def finish(self) -> None:
        """Refuse a stream that was cut off."""
        if self._started and not self._frame.eof:
            raise InputError("the zstd stream was cut off")


ENCODINGS: dict[str, Callable[[], Decoder]] = {
    "": Identity,
    "identity": Identity,
    "gzip": Gzip,
    "x-gzip": Gzip,
    "zstd": Zstd,
}
"""Decoders by HTTP `Content-Encoding`."""


def by_encoding(name: str) -> Decoder | None:
    """Return a decoder for an HTTP `Content-Encoding`; None when there is none for it."""
    decoder = ENCODINGS.get(name)
    return decoder() if decoder else None


def by_magic(head: bytes) -> Decoder:
    """Return a decoder for a file that begins with `head`."""
    if head.startswith(GZIP_MAGIC):
        return Gzip()
    if head.startswith(ZSTD_MAGIC):
        return Zstd()
    return Identity()
