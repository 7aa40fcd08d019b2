"""Whether a client takes compressed answers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgetally.http.messages import Request

GZIP_FROM = 1024
"""Bytes from which an answer is worth compressing."""


def takes_gzip(request: Request) -> bool:
    """Return whether the client of a request takes gzip."""
    # Many clients accept nothing, or what browsers do.
    return b"accept-encoding" in request.headers and accepts_gzip(request.header(b"accept-encoding"))


@lru_cache(maxsize=64)
def accepts_gzip(accepted: str) -> bool:
    """Return whether an `Accept-Encoding` permits gzip: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3."""
    weights: dict[str, str] = {}
    for coding in accepted.lower().split(","):
        name, _, weight = coding.partition(";")
        weights[name.strip()] = weight.strip().removeprefix("q=")
    weight = weights.get("gzip", weights.get("*", "0"))
    # Without a weight it is 1; `0`, `0.` and `0.000` exclude the coding.
    return not weight or weight.strip("0.") != ""
