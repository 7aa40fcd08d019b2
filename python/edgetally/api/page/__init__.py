"""
The live page: modules, a style sheet and a picture, as they are written in `static/`.

    GET /             for browsers
    GET /page/{file}

The page names no service, so it needs no token. What it asks for does.
"""

from __future__ import annotations

import hashlib
import zlib
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from edgetally.http.messages import Response

if TYPE_CHECKING:
    from edgetally.http.messages import Request

CONTENT_TYPES = {
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "svg": b"image/svg+xml",
}
"""By suffix. Other files in `static/` are not served."""

POLICY = (
    b"Content-Security-Policy: "
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Domains are names that clients send. If one became markup after all, the browser would not run it."""

FIELDS = (POLICY, b"X-Content-Type-Options: nosniff", b"Referrer-Policy: no-referrer", b"Cache-Control: no-cache")

GZIP = 16 + zlib.MAX_WBITS


class LivePage:
    """Serves the files of the page: read at the start, compressed when they are first asked for."""

    def __init__(self) -> None:
        files = (Path(__file__).parent / "static").iterdir()
        self._files = {file.name: file.read_bytes() for file in files if _suffix(file.name) in CONTENT_TYPES}

    def answer(self, request: Request, name: str, *, gzip: bool) -> Response | None:
        """Return a file, or None if there is none of this name."""
        if name not in self._files:
            return None
        tag, plain, compressed, unchanged = _responses(self._files[name], CONTENT_TYPES[_suffix(name)])
        if tag in request.header(b"if-none-match"):
            return unchanged
        return compressed if gzip else plain


def accepts_page(request: Request) -> bool:
    """Return whether a request for `/` comes from a browser: other clients do not name HTML."""
    return "text/html" in request.header(b"accept").lower()


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]


@cache
def _responses(content: bytes, content_type: bytes) -> tuple[str, Response, Response, Response]:
    """Return the entity tag of a file; and the responses with it, with it compressed, and if it is unchanged."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    compressor = zlib.compressobj(9, wbits=GZIP)
    compressed = compressor.compress(content) + compressor.flush()
    fields = (*FIELDS, b"Vary: Accept, Accept-Encoding", b"ETag: W/" + tag.encode())
    encoded = b"Content-Encoding: gzip"
    return (
        tag,
        Response(HTTPStatus.OK, content, *fields, content_type=content_type),
        Response(HTTPStatus.OK, compressed, *fields, encoded, content_type=content_type),
        Response(HTTPStatus.NOT_MODIFIED, b"", *fields, content_type=content_type),
    )
