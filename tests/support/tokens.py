"""Tokens of a service under test."""

import json
from typing import NamedTuple

from edgetally.access.grants import hashed, new_token

Json = dict[str, object]


class Bearer(NamedTuple):
    """Somebody with a token, and what stands in the settings about it."""

    token: str
    table: Json

    @property
    def header(self) -> dict[str, str]:
        return {"Fastly-Key": self.token}

    @property
    def field(self) -> bytes:
        return b"Fastly-Key: %b\r\n" % self.token.encode()


def bearer(scope: str, *services: str, **table: object) -> Bearer:
    """Make up somebody who may `scope` these services."""
    token = new_token()
    return Bearer(token, {"name": token[:20], "hash": hashed(token), "scopes": [scope], "services": services, **table})


def toml(*bearers: Bearer) -> str:
    """Write the settings that know these, as they stand in a file."""
    tables = ["".join(f"{key} = {json.dumps(value)}\n" for key, value in one.table.items()) for one in bearers]
    return "".join(f"[[access.tokens]]\n{table}" for table in tables)


def access(*bearers: Bearer) -> Json:
    """Return the settings that know these."""
    return {"tokens": [one.table for one in bearers]}
