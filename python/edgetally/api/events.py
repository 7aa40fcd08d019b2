"""
Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html.

A compressed stream is gzip in pieces: each event is compressed once, by itself, and ends with a full flush, so it may
follow any other piece. The stream has no end, and so no checksum.
"""

import zlib
from functools import cache

import msgspec

from edgetally.http.messages import Part

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""A gzip stream without a name and a time: https://www.rfc-editor.org/rfc/rfc1952#section-2.3."""


class StreamEvent(msgspec.Struct, frozen=True):
    """An event. Its bytes are made once and may be sent to many readers."""

    part: Part
    cursor: int | None
    """From where a reader continues; None: from where it was."""


def event(data: bytes, cursor: int | None, *, name: bytes = b"", gzip: bool) -> StreamEvent:
    """Make an event of `data`, which has no line breaks. Its id is the cursor."""
    named = b"event: %b\n" % name if name else b""
    numbered = b"id: %d\n" % cursor if cursor is not None else b""
    return StreamEvent(_part(b"%b%bdata: %b\n\n" % (named, numbered, data), gzip=gzip), cursor)


@cache
def start(retry_ms: int, *, gzip: bool) -> Part:
    """Return the start of a stream: when to come back after it breaks."""
    part = _part(b"retry: %d\n\n" % retry_ms, gzip=gzip)
    return Part(GZIP_HEADER + part.body) if gzip else part


def _part(text: bytes, *, gzip: bool) -> Part:
    if not gzip:
        return Part(text)
    compressor = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    return Part(compressor.compress(text) + compressor.flush(zlib.Z_FULL_FLUSH))
