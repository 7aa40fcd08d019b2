"""Logs decompressed as far as that is possible: of a damaged one, everything before the damage is read."""

from collections.abc import Generator, Iterator
from itertools import chain

from edgetally.errors import InputError
from edgetally.sources.compression import Compressed, Identity, by_magic, foreign

SLICE = 1 << 14
"""Bytes that are decompressed together. When they turn out to be damaged, all that they decompress to is lost."""

REPLAYED = 1 << 23
"""Up to this many bytes of a compressed log are kept, to find the very byte that is damaged."""

MAX_LAYERS = 3
"""How many times a log may be compressed, as `gzip access.log.gz` does by mistake."""


def is_plain(head: bytes, name: str) -> bool:
    """Return whether a log that starts with `head` is lines. Otherwise it has to be read with `decompressed`."""
    return isinstance(by_magic(head), Identity) and not foreign(head, name)


def decompressed(blocks: Iterator[bytes], name: str, layers: int = MAX_LAYERS) -> Iterator[bytes]:
    """
    Yield the lines of a log in blocks, decompressed if it is compressed.

    Args:
        blocks: The log.
        name: Its name, which may say how it is compressed.
        layers: How many times it may be compressed.

    Raises:
        InputError: It is not made of lines, or its compression is damaged. What is before the damage was yielded.
    """
    head = next(blocks, b"")
    blocks = chain([head], blocks)
    decoder = by_magic(head)
    if found := foreign(head, name):
        raise InputError(f"{found.what}: {found.advice}")
    if not isinstance(decoder, Compressed):
        yield from blocks
    elif layers:
        yield from decompressed(_salvaged(decoder, blocks), "", layers - 1)
    else:
        raise InputError(f"compressed more than {MAX_LAYERS} times: decompress it first")


def _salvaged(decoder: Compressed, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what a compressed log decompresses to, up to the byte that is damaged."""
    kept = bytearray()
    at = size = 0
    try:
        for block in blocks:
            for start in range(0, len(block), SLICE):
                data = block[start : start + SLICE]
                try:
                    for piece in decoder.feed(data):
                        size += len(piece)
                        yield piece
                except InputError:
                    if len(kept) == at:
                        at += yield from _replayed(type(decoder)(), bytes(kept), data, size)
                    raise
                at += len(data)
                if at <= REPLAYED:
                    kept += data
                else:
                    kept.clear()
        decoder.finish()
    except InputError as error:
        raise InputError(f"{error} after byte {at}") from error


def _replayed(decoder: Compressed, intact: bytes, damaged: bytes, yielded: int) -> Generator[bytes, None, int]:
    """
    Decompress the start of a log again, and byte by byte where it is damaged.

    Args:
        decoder: A new one.
        intact: The bytes before the damaged ones.
        damaged: Bytes one of which is damaged.
        yielded: How many bytes of output were yielded before, and are left out now.

    Yields:
        What was not yielded before.

    Returns:
        How many of the damaged bytes are intact.
    """
    size = 0
    for at, data in enumerate(chain([intact], (damaged[at : at + 1] for at in range(len(damaged)))), start=-1):
        try:
            for piece in decoder.feed(data):
                size += len(piece)
                if size > yielded:
                    yield piece[max(0, len(piece) - (size - yielded)) :]
        except InputError:
            return at
    return len(damaged)
