"""
Decoders of compressed streams, in pieces of bounded size, and the names of what cannot be decoded.

A kilobyte can decompress to a gigabyte, so a decoder never holds more than one piece. The modules that decode are
imported with the first stream that needs them.
"""

import codecs
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, NamedTuple, Protocol

from edgetally.errors import InputError, Mislabelled

PIECE_BYTES = 1 << 20
"""Largest piece that a decoder yields."""


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


class Decompressor(Protocol):
    """Decompresses one stream, as the objects of the standard library do."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was read."""

    @property
    def needs_input(self) -> bool:
        """Whether there is no more output without more input."""

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Decompress `data`, after what was left of the data before; return at most so many bytes."""


class Compressed(ABC):
    """Decoder of a compressed stream, or of several one after the other, as `cat a.gz b.gz` writes them."""

    name: ClassVar[str]
    magics: ClassVar[tuple[bytes, ...]]
    """How a stream may start. All are of one length."""
    errors: type[Exception] = OSError
    """What a decompressor raises when a stream is damaged, once one is open."""

    def __init__(self) -> None:
        self._stream = self.open()
        self._head = b""
        self._is_first = True
        self._has_started = False

    @abstractmethod
    def open(self) -> Decompressor:
        """Return what decompresses one stream."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decompresses to."""
        while data or not self._stream.needs_input:
            if self._stream.eof:
                # Zeros fill up the last block of a tape, or of a disk.
                data = (self._stream.unused_data + data).lstrip(b"\0")
                if not data:
                    return
                self._stream = self.open()
                self._head = b""
                self._is_first = False
            self._head += data[: len(self.magics[0]) - len(self._head)]
            if not any(magic.startswith(self._head) for magic in self.magics):
                raise self._problem()
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except self.errors as error:
                raise self._problem() from error
            data = b""
            self._has_started = True
            if piece:
                yield piece

    def finish(self) -> None:
        """Raise InputError when the stream is cut off."""
        if self._has_started and not self._stream.eof:
            raise InputError(f"the {self.name} stream is cut off")

    def _problem(self) -> InputError:
        """Return why the stream cannot be read."""
        if self._head in self.magics:
            return InputError(f"the {self.name} stream is damaged")
        if self._is_first:
            return Mislabelled(f"not {self.name}")
        return InputError(f"the data after the {self.name} stream is not {self.name}")


class ZlibDecompressor:
    """An object of zlib with the interface of the others."""

    def __init__(self) -> None:
        import zlib  # noqa: PLC0415 - see above

        self._zlib = zlib.decompressobj(wbits=31)
        self._left = b""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was read."""
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        """Whether there is no more output without more input."""
        return not self._left and not self.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the stream."""
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Decompress `data`, after what was left of the data before; return at most so many bytes."""
        piece = self._zlib.decompress(self._left + data, max_length)
        self._left = self._zlib.unconsumed_tail
        return piece


class Gzip(Compressed):
    """Gzip."""

    name = "gzip"
    magics = (b"\x1f\x8b",)

    def open(self) -> Decompressor:
        """Return what decompresses one stream."""
        import zlib  # noqa: PLC0415 - see above

        self.errors = zlib.error
        return ZlibDecompressor()


class Zstd(Compressed):
    """Zstandard."""

    name = "zstd"
    # Behind the first are those of skippable frames: `pzstd` writes one before every other frame, and seekable files
    # have one at their end.
    magics = (b"\x28\xb5\x2f\xfd", *(bytes([first, *b"\x2a\x4d\x18"]) for first in range(0x50, 0x60)))

    def open(self) -> Decompressor:
        """Return what decompresses one stream."""
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415 - see above
        else:
            from backports import zstd  # noqa: PLC0415 - see above

        self.errors = zstd.ZstdError
        return zstd.ZstdDecompressor()


class Xz(Compressed):
    """XZ."""

    name = "xz"
    magics = (b"\xfd7zXZ\0",)

    def open(self) -> Decompressor:
        """Return what decompresses one stream."""
        import lzma  # noqa: PLC0415 - see above

        self.errors = lzma.LZMAError
        return lzma.LZMADecompressor(lzma.FORMAT_XZ)


class Bzip2(Compressed):
    """Bzip2."""

    name = "bzip2"
    magics = (b"BZh",)

    def open(self) -> Decompressor:
        """Return what decompresses one stream."""
        import bz2  # noqa: PLC0415 - see above

        return bz2.BZ2Decompressor()


ENCODINGS: dict[str, Callable[[], Decoder]] = {
    "": Identity,
    "identity": Identity,
    "gzip": Gzip,
    "x-gzip": Gzip,
    "zstd": Zstd,
}
"""Decoders by HTTP `Content-Encoding`."""

COMPRESSIONS = (Gzip, Zstd, Xz, Bzip2)
"""Compressions that are recognized by their first bytes, and can be decoded."""


class Foreign(NamedTuple):
    """Data that is neither lines nor can be decoded."""

    what: str
    advice: str


DECOMPRESS = "decompress it first"

FOREIGN = {
    b"\x04\x22\x4d\x18": Foreign("lz4-compressed", DECOMPRESS),
    b"\x1f\x9d": Foreign("compressed by `compress`", DECOMPRESS),
    b"x\x9c": Foreign("zlib-compressed", DECOMPRESS),
    b"x\xda": Foreign("zlib-compressed", DECOMPRESS),
    b"LZIP": Foreign("lzip-compressed", DECOMPRESS),
    b"\xff\x06\0\0sNaPpY": Foreign("snappy-compressed", DECOMPRESS),
    b"PK\x03\x04": Foreign("a zip archive", "unpack it first"),
    b"7z\xbc\xaf\x27\x1c": Foreign("a 7z archive", "unpack it first"),
    b"PAR1": Foreign("a Parquet file", "convert it to lines of JSON first"),
    b"\xff\xfe": Foreign("UTF-16 text", "convert it to UTF-8 first"),
    b"\xfe\xff": Foreign("UTF-16 text", "convert it to UTF-8 first"),
}
"""Such data, by its first bytes."""

TAR_MAGIC = b"ustar"
TAR_MAGIC_AT = 257

MAGICS = (*(magic for one in COMPRESSIONS for magic in one.magics), *FOREIGN)
"""How data starts that is not lines."""

HEAD_BYTES = TAR_MAGIC_AT + len(TAR_MAGIC)
"""As many bytes tell what data is."""


def by_encoding(name: str) -> Decoder | None:
    """Return a decoder for an HTTP `Content-Encoding`; None if it is unknown."""
    decoder = ENCODINGS.get(name)
    return decoder() if decoder else None


def by_magic(head: bytes) -> Decoder:
    """Return a decoder for data that starts with `head`."""
    return next((one() for one in COMPRESSIONS if head.startswith(one.magics)), Identity())


def foreign(head: bytes, name: str = "") -> Foreign | None:
    """Return what data is that starts with `head`, if it is neither lines nor can be decoded; `name` is its file's."""
    if head[TAR_MAGIC_AT:HEAD_BYTES] == TAR_MAGIC:
        return Foreign("a tar archive", "unpack it first")
    if name.endswith(".br") and not _is_text(head):  # brotli starts in any way
        return Foreign("brotli-compressed", DECOMPRESS)
    return next((one for magic, one in FOREIGN.items() if head.startswith(magic)), None)


def unexpected(head: bytes) -> str:
    """Return what data is that starts with `head` and should be lines: `gzip-compressed`; empty if it may be lines."""
    if not head.startswith(MAGICS) and head[TAR_MAGIC_AT:HEAD_BYTES] != TAR_MAGIC:
        return ""
    decoder = by_magic(head)
    if isinstance(decoder, Compressed):
        return f"{decoder.name}-compressed"
    found = foreign(head)
    return found.what if found else ""


def _is_text(head: bytes) -> bool:
    try:
        # The last character may be cut in two.
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(one.isprintable() or one in "\t\r\n" for one in text)
