"""Tokens of a service under test."""

import json
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from edgetally.access.grants import hashed, new_token

Json = dict[str, object]


class Bearer(NamedTuple):
    """A client with a token, and the line about it in the token file."""

    token: str
    line: Json

    @property
    def header(self) -> dict[str, str]:
        return {"Fastly-Key": self.token}

    @property
    def field(self) -> bytes:
        return b"Fastly-Key: %b\r\n" % self.token.encode()


def bearer(scope: str, *services: str, **more: object) -> Bearer:
    """Make a client with a token that allows `scope` on these services."""
    token = new_token()
    return Bearer(token, {"name": token[:20], "hash": hashed(token), "scopes": [scope], "services": services, **more})


def write(path: Path, *bearers: Bearer) -> Path:
    """Write a token file with these tokens."""
    path.write_text("".join(json.dumps(one.line) + "\n" for one in bearers))
    return path


def access(*bearers: Bearer) -> Json:
    """Write a token file of its own, and return the settings that name it."""
    number, name = tempfile.mkstemp(prefix="tokens-", suffix=".jsonl", dir=os.environ["XDG_STATE_HOME"])
    os.close(number)
    return {"token_file": str(write(Path(name), *bearers))}
