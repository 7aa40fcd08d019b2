"""Compressed streams, in pieces of bounded size."""

import bz2
import gzip
import io
import lzma
import random
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetally.errors import InputError, Mislabelled
from edgetally.sources.compression import (
    FOREIGN,
    PIECE_BYTES,
    Bzip2,
    Decoder,
    Gzip,
    Identity,
    Xz,
    Zstd,
    by_encoding,
    by_magic,
    foreign,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"".join(b'{"status":%d}\n' % (200 + number % 300) for number in range(2_000))


class Format(NamedTuple):
    name: str
    decoder: type[Decoder]
    pack: Callable[[bytes], bytes]


def skippable(first: int, content: bytes) -> bytes:
    """A frame of zstd that decoders skip."""
    return bytes([first, *b"\x2a\x4d\x18"]) + struct.pack("<I", len(content)) + content


def pzstd(text: bytes) -> bytes:
    """Compress like `pzstd`, which writes the size of each frame before it."""
    frame = zstd.compress(text)
    return skippable(0x50, struct.pack("<I", len(frame))) + frame


def seekable_zstd(text: bytes) -> bytes:
    """Compress into a seekable file, which has a table at its end."""
    return zstd.compress(text) + skippable(0x5E, bytes(17))


FORMATS = [
    Format("gzip", Gzip, gzip.compress),
    Format("zstd", Zstd, zstd.compress),
    Format("zstd", Zstd, pzstd),
    Format("zstd", Zstd, seekable_zstd),
    Format("xz", Xz, lzma.compress),
    Format("bzip2", Bzip2, bz2.compress),
]
formats = pytest.mark.parametrize("of", FORMATS, ids=["gzip", "zstd", "pzstd", "seekable zstd", "xz", "bzip2"])


def unpack(decoder: Decoder, *fed: bytes) -> bytes:
    data = b"".join(piece for one in fed for piece in decoder.feed(one))
    decoder.finish()
    return data


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@formats
def test_a_stream_is_decompressed(of: Format) -> None:
    assert unpack(of.decoder(), of.pack(TEXT)) == TEXT


@formats
def test_a_stream_may_be_fed_in_any_pieces(of: Format) -> None:
    packed = of.pack(TEXT)
    for size in (1, 2, 3, 7, 100, len(packed) - 1, len(packed)):
        assert unpack(of.decoder(), *cut(packed, size)) == TEXT


@formats
def test_several_streams_in_a_row_are_decompressed_as_one(of: Format) -> None:
    packed = of.pack(TEXT[:100]) + of.pack(b"") + of.pack(TEXT[100:]) + of.pack(b"")
    for size in (1, 5, 64, len(packed)):
        assert unpack(of.decoder(), *cut(packed, size)) == TEXT


@formats
def test_no_bytes_are_an_empty_stream(of: Format) -> None:
    assert unpack(of.decoder()) == b""
    assert unpack(of.decoder(), b"") == b""
    assert unpack(of.decoder(), of.pack(b"")) == b""


@formats
def test_a_bomb_is_decompressed_in_pieces(of: Format) -> None:
    size = 50 * PIECE_BYTES + 1
    bomb = of.pack(bytes(size))
    assert len(bomb) < size / 500

    pieces = [len(piece) for piece in of.decoder().feed(bomb)]

    assert max(pieces) <= PIECE_BYTES
    assert sum(pieces) == size


@formats
def test_only_the_pieces_that_are_asked_for_are_decompressed(of: Format) -> None:
    # The first piece is yielded before the second one is decompressed.
    pieces = of.decoder().feed(of.pack(bytes(50 * PIECE_BYTES)))

    assert len(next(pieces)) <= PIECE_BYTES


@formats
def test_a_bomb_that_arrives_byte_by_byte_is_decompressed_in_pieces_too(of: Format) -> None:
    size = 5 * PIECE_BYTES + 1
    decoder = of.decoder()

    pieces = [len(piece) for one in cut(of.pack(bytes(size)), 10) for piece in decoder.feed(one)]
    decoder.finish()

    assert max(pieces) <= PIECE_BYTES
    assert sum(pieces) == size


@formats
def test_a_stream_of_noise_is_decompressed(of: Format) -> None:
    noise = random.Random(1).randbytes(2 * PIECE_BYTES + 1)  # noqa: S311 - bytes to pack, not secrets

    assert unpack(of.decoder(), *cut(of.pack(noise), 65_536)) == noise


@formats
def test_a_stream_that_is_cut_off_is_an_error_at_its_end(of: Format) -> None:
    packed = of.pack(TEXT)
    for length in (1, 3, 10, len(packed) // 2, len(packed) - 1):
        decoder = of.decoder()
        got = b"".join(decoder.feed(packed[:length]))
        assert TEXT.startswith(got)
        with pytest.raises(InputError, match=f"the {of.name} stream is cut off"):
            decoder.finish()


@formats
def test_a_second_stream_that_is_cut_off_is_an_error_too(of: Format) -> None:
    packed = of.pack(TEXT)
    for length in (1, 3, 10, len(packed) - 1):
        decoder = of.decoder()
        assert b"".join(decoder.feed(packed + packed[:length])).startswith(TEXT)
        with pytest.raises(InputError, match=f"the {of.name} stream is cut off"):
            decoder.finish()


@formats
@pytest.mark.parametrize("garbage", [b"x", b"{}", b"\0" * 30, TEXT], ids=["a byte", "json", "zeros", "text"])
def test_garbage_is_an_error(of: Format, garbage: bytes) -> None:
    with pytest.raises(InputError, match=rf"^not {of.name}$|stream is cut off"):
        unpack(of.decoder(), garbage)


@formats
def test_garbage_after_the_end_is_an_error(of: Format) -> None:
    decoder = of.decoder()
    pieces = decoder.feed(of.pack(TEXT) + b"garbage that follows")

    assert next(pieces) == TEXT
    with pytest.raises(InputError, match=f"^the data after the {of.name} stream is not {of.name}$"):
        next(pieces)


@formats
@pytest.mark.parametrize("size", [1, 100])
def test_errors_say_what_is_wrong_however_the_stream_is_cut(of: Format, size: int) -> None:
    noise = random.Random(1).randbytes(2 * PIECE_BYTES)  # noqa: S311 - bytes to pack, not secrets
    packed = of.pack(noise)
    damaged = packed[: len(packed) // 2] + b"\xff" * (len(packed) // 2)
    for data, problem in (
        (b"garbage", f"^not {of.name}$"),
        (of.pack(TEXT) + b"garbage", f"^the data after the {of.name} stream is not {of.name}$"),
        (damaged, f"^the {of.name} stream is damaged$"),
    ):
        with pytest.raises(InputError, match=problem):
            unpack(of.decoder(), *cut(data, size))


@formats
@given(data=st.data())
def test_damage_raises_nothing_but_input_errors(of: Format, data: st.DataObject) -> None:
    packed = bytearray(of.pack(TEXT))
    packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))

    try:
        unpack(of.decoder(), *cut(bytes(packed), data.draw(st.integers(1, len(packed)))))
    except InputError:
        pass


@formats
def test_zeros_after_the_end_are_padding(of: Format) -> None:
    packed = of.pack(TEXT) + bytes(100) + of.pack(b"more\n") + bytes(3)

    for size in (1, 50, len(packed)):
        assert unpack(of.decoder(), *cut(packed, size)) == TEXT + b"more\n"


def test_a_damaged_checksum_is_an_error() -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-5] ^= 1

    with pytest.raises(InputError, match=r"^the gzip stream is damaged$"):
        unpack(Gzip(), bytes(packed))


def test_zlib_is_not_gzip() -> None:
    with pytest.raises(Mislabelled, match=r"^not gzip$"):
        unpack(Gzip(), zlib.compress(TEXT))


def test_a_decoder_is_found_by_content_encoding() -> None:
    found = {name: type(by_encoding(name)) for name in ("", "identity", "gzip", "x-gzip", "zstd", "br", "deflate")}

    assert found == {
        "": Identity,
        "identity": Identity,
        "gzip": Gzip,
        "x-gzip": Gzip,
        "zstd": Zstd,
        "br": type(None),
        "deflate": type(None),
    }


def test_every_call_returns_a_new_decoder() -> None:
    assert by_encoding("gzip") is not by_encoding("gzip")


def test_a_decoder_is_found_by_the_start_of_a_file() -> None:
    begins = {b"": Identity, b'{"status":200}': Identity, b"\x1f": Identity, b"\x28\xb5": Identity}

    assert {head: type(by_magic(head)) for head in begins} == begins
    assert type(by_magic(gzip.compress(b""))) is Gzip
    assert [type(by_magic(of.pack(b""))) for of in FORMATS] == [of.decoder for of in FORMATS]


TAR = io.BytesIO()
with tarfile.open(fileobj=TAR, mode="w") as archive:
    archive.addfile(tarfile.TarInfo("access.log"))
ZIP = io.BytesIO()
with zipfile.ZipFile(ZIP, "w") as zipped:
    zipped.writestr("access.log", TEXT)
BROTLI = bytes.fromhex("8b0480 7b22737461747573223a3230307d0a 03")


@pytest.mark.parametrize(
    ("head", "name", "what"),
    [
        pytest.param(TAR.getvalue(), "a.tar", "a tar archive", id="tar"),
        pytest.param(ZIP.getvalue(), "a.zip", "a zip archive", id="zip"),
        pytest.param(zlib.compress(TEXT), "a", "zlib-compressed", id="zlib"),
        pytest.param(BROTLI, "a.log.br", "brotli-compressed", id="brotli"),
        pytest.param(TEXT.decode().encode("utf-16"), "a.log", "UTF-16 text", id="UTF-16"),
        *(pytest.param(magic, "a", one.what, id=magic.hex()) for magic, one in FOREIGN.items()),
    ],
)
def test_what_cannot_be_read_is_named(head: bytes, name: str, what: str) -> None:
    found = foreign(head, name)

    assert found
    assert found.what == what
    assert found.advice.endswith(" first")


@pytest.mark.parametrize("text", [b"", b"{", TEXT, b"\xef\xbb\xbf" + TEXT, "\t{'ü".encode()[:-1]], ids=range(5))
@pytest.mark.parametrize("name", ["a.log", "a.log.br", "<stdin>"])
def test_text_is_not_foreign(text: bytes, name: str) -> None:
    assert foreign(text, name) is None
    assert all(foreign(of.pack(text)) is None for of in FORMATS)


def test_a_plain_stream_is_not_changed() -> None:
    assert unpack(Identity(), b"one", b"", b"two") == b"onetwo"
