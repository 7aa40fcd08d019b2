"""
Gzip and zstd as streams, in pieces of bounded size.

A kilobyte can decompress to a gigabyte, so nothing here ever holds more than one piece.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from edgetally.errors import InputError

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


class Gzip:
    """Gzip, of one member or of several in a row as `cat a.gz b.gz` makes them."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decompresses to."""
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            try:
                piece = self._member.decompress(data, PIECE)
            except zlib.error as error:
                raise InputError(f"not gzip: {error}") from error
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
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decompresses to."""
        while data or not self._frame.needs_input:
            if self._frame.eof:
                data = self._frame.unused_data + data
                if not data:
                    return
                self._frame = zstd.ZstdDecompressor()
            try:
                piece = self._frame.decompress(data, PIECE)
            except zstd.ZstdError as error:
                raise InputError(f"not zstd: {error}") from error
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
