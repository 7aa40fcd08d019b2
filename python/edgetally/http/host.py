"""The Host of a request: https://www.rfc-editor.org/rfc/rfc9112#section-3.2."""

import re

HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*[ \t]*")
"""What it may have. It may be empty."""

MOST_SHOWN = 40
"""Bytes of a wrong one that an answer repeats."""


def host_problem(host: bytes | None) -> str:
    """Say what is wrong with a Host that HOST does not match, or that is missing."""
    got = "none" if host is None else repr(host[:MOST_SHOWN].decode("latin-1"))
    return f"expected a Host field with a host, got {got}"
