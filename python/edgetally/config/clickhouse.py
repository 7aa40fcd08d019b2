"""Where ClickHouse is: `http://HOST:PORT/DATABASE`, and who asks it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from edgetally.errors import ConfigError, reason
from edgetally.small_file import read_file

WORDS = "http://HOST:PORT/DATABASE or https://HOST:PORT/DATABASE"

MAX_PORT = 65_535

ADDRESS = r"(https?)://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})/([A-Za-z_][A-Za-z0-9_]{0,63})"

WHERE = "history.clickhouse"


class ClickHouseAddress(NamedTuple):
    """A server and a database."""

    scheme: str
    host: str
    port: int
    database: str

    def __str__(self) -> str:
        """Return what people call it."""
        return f"{self.host}:{self.port}/{self.database}"


def parse(text: str) -> ClickHouseAddress:
    """Read an address; raise ConfigError when it is something else. No password in it is shown."""
    if "@" in text:
        raise ConfigError(
            WHERE, "expected no user in the address: set clickhouse_user and clickhouse_password_file instead"
        )
    match = re.fullmatch(ADDRESS, text)
    if not match or int(match[4]) > MAX_PORT:
        raise ConfigError(WHERE, f"expected {WORDS}, got {text[:60]!r}")
    return ClickHouseAddress(match[1], match[2] or match[3], int(match[4]), match[5])


def is_address(text: str) -> bool:
    """Return True if `text` is an address; raise ConfigError if not."""
    return bool(parse(text))


def password(file: Path | None, variable: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """Read the password from where it is, empty if it is nowhere; raise ConfigError when it is not there."""
    if variable is not None:
        if variable not in environment:
            raise ConfigError(f"{WHERE}_password_env", f"there is no environment variable {variable[:60]!r}")
        return environment[variable]
    if file is None:
        return ""
    try:
        return read_file(file).decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"{WHERE}_password_file", f"cannot read {file}: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{WHERE}_password_file", f"expected text in {file}, got other bytes") from error
