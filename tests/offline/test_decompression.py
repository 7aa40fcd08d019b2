"""Compressed logs: read to the end, or to the damage."""

import bz2
import gzip
import lzma
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import edgetally
from edgetally.errors import InputError
from edgetally.offline import decompression
from edgetally.offline.decompression import decompressed, is_plain
from edgetally.sources.compression import by_magic

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Pack = Callable[[bytes], bytes]

PACKS: dict[str, Pack] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "xz": lzma.compress,
    # Its blocks are all or nothing, so small ones.
    "bzip2": lambda data: bz2.compress(data, 1),
}
packs = pytest.mark.parametrize("name", PACKS)

CHANCE = random.Random(1)  # noqa: S311 - text to pack, not secrets
TEXT = b"".join(b'{"status":%d,"url":"/%x"}\n' % (200 + n % 300, CHANCE.getrandbits(64)) for n in range(20_000))


def read(log: bytes, *, block: int = 1 << 18, name: str = "") -> tuple[bytes, str]:
    """Read a log; return what was read, and the error that ended it."""
    read = bytearray()
    try:
        for piece in decompressed((log[at : at + block] for at in range(0, len(log), block)), name):
            read += piece
    except InputError as error:
        return bytes(read), str(error)
    return bytes(read), ""


@packs
@pytest.mark.parametrize("block", [100, 1 << 18])
def test_a_log_is_read_to_its_end(name: str, block: int) -> None:
    pack = PACKS[name]

    assert read(pack(TEXT), block=block) == (TEXT, "")
    assert read(pack(TEXT[:10]) + pack(TEXT[10:]), block=block) == (TEXT, "")
    assert read(gzip.compress(pack(TEXT)), block=block) == (TEXT, "")


@pytest.mark.parametrize("log", [b"", b"{", TEXT])
def test_plain_text_is_not_changed(log: bytes) -> None:
    assert read(log, block=1_000) == (log, "")
    assert is_plain(log, "a.log.br")


@packs
def test_of_a_log_that_is_cut_off_everything_before_is_read(name: str) -> None:
    packed = PACKS[name](TEXT)
    size = len(packed) * 2 // 3

    found, problem = read(packed[:size])

    assert TEXT.startswith(found)
    assert len(found) > len(TEXT) // 3
    assert problem == f"the {name} stream is cut off after byte {size}"


def intact(name: str, packed: bytes) -> bytes:
    """Decompress one byte after the other, until one of them is damaged."""
    decoder = by_magic(PACKS[name](b""))
    found = bytearray()
    try:
        for at in range(len(packed)):
            for piece in decoder.feed(packed[at : at + 1]):
                found += piece
    except InputError:
        pass
    return bytes(found)


@packs
@pytest.mark.parametrize("replayed", [0, 1 << 20])
def test_of_a_damaged_log_everything_before_the_damage_is_read(
    name: str, replayed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decompression, "REPLAYED", replayed)
    packed = bytearray(PACKS[name](TEXT))
    damage = len(packed) * 2 // 3
    packed[damage : damage + 100] = bytes(100)

    found, problem = read(bytes(packed))

    possible = intact(name, bytes(packed))
    before, _, after = problem.partition(" after byte ")
    assert before == f"the {name} stream is damaged"
    assert possible.startswith(found)
    if replayed:
        assert found == possible
        assert int(after) >= damage
    else:
        assert int(after) >= damage - decompression.SLICE
    assert int(after) <= len(packed)


def test_of_a_short_log_with_a_damaged_checksum_everything_is_read() -> None:
    packed = bytearray(gzip.compress(TEXT[:500]))
    packed[-5] ^= 1

    assert read(bytes(packed)) == (TEXT[:500], f"the gzip stream is damaged after byte {len(packed) - 5}")


@packs
def test_garbage_after_the_end_is_named_and_the_rest_is_read(name: str) -> None:
    found, problem = read(PACKS[name](TEXT) + b"garbage after the end")

    assert found == TEXT
    assert problem.startswith(f"the data after the {name} stream is not {name} after byte ")


def test_a_log_is_not_unpacked_without_end() -> None:
    log = TEXT
    for _ in range(4):
        log = gzip.compress(log)

    assert read(log) == (b"", "compressed more than 3 times: decompress it first")


@pytest.mark.parametrize(
    ("log", "name", "problem"),
    [
        (b"PK\x03\x04 and so on", "a.log", "a zip archive: unpack it first"),
        (b"\x0b\x02\x80hello\x03", "a.log.br", "brotli-compressed: decompress it first"),
        (gzip.compress(b"\x04\x22\x4d\x18 and so on"), "a.log", "lz4-compressed: decompress it first"),
    ],
    ids=["zip", "brotli", "lz4 within gzip"],
)
def test_what_cannot_be_read_is_named(log: bytes, name: str, problem: str) -> None:
    assert read(log, name=name) == (b"", problem)


def test_a_large_file_that_is_not_lines_is_named_too(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04" + bytes(9 << 20))

    result = edgetally.fold(path, threads=2, allow_damaged=True)

    assert (result.accepted, result.damaged) == (0, [(str(path), "a zip archive: unpack it first")])
