"""The address by which a client reached the server, for absolute links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgetally.http.messages import Request

HOST = r"[A-Za-z0-9._:\[\]-]+"
"""A Host that links may start with: clients can send any."""


def base_address(request: Request, scheme: str) -> str:
    """Return `https://host`; empty if the request names no host. `scheme` is the server's own."""
    host = request.header(b"host")
    # A proxy that speaks TLS for this server says so; of several, the first one met the client.
    if request.header(b"x-forwarded-proto").partition(",")[0].strip().lower() == "https":
        scheme = "https"
    return f"{scheme}://{host}" if re.fullmatch(HOST, host) else ""
