"""Where syslog is received, and who may write there."""

import re
from pathlib import Path
from typing import NamedTuple

from edgetally.errors import ConfigError
from edgetally.sources.base import path_text

PORT = "[0-9]{1,5}"


class Address(NamedTuple):
    """Where to listen."""

    kind: str
    """`udp`, `tcp` or `unix`."""
    host: str
    """For `unix`, the path."""
    port: int

    def __str__(self) -> str:
        """Return it as it is written in the settings."""
        if self.kind == "unix":
            return f"unix:{path_text(Path(self.host))}"
        return f"{self.kind}:[{self.host}]:{self.port}" if ":" in self.host else f"{self.kind}:{self.host}:{self.port}"


def parse(text: str) -> Address:
    """Read `udp:HOST:PORT`, `tcp:HOST:PORT` or `unix:/PATH`; raise ConfigError for anything else."""
    kind, _, where = text.partition(":")
    if kind == "unix" and where.startswith("/"):
        return Address(kind, where, 0)
    host, _, port = where.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if kind in ("udp", "tcp") and is_host(host) and re.fullmatch(PORT, port) and int(port) < 1 << 16:
        return Address(kind, host, int(port))
    raise ConfigError("sources.syslog", f"must be udp:HOST:PORT, tcp:HOST:PORT or unix:/PATH (got {text!r})")


def is_host(text: str) -> bool:
    """Return whether `text` may be the name or the address of a host."""
    try:
        return bool(text) and "/" not in text and text.isprintable() and bool(text.encode("idna"))
    except UnicodeError:
        return False


class SocketAccess(NamedTuple):
    """Who may write to a unix socket, whatever the process's umask is."""

    mode: int = 0o666
    """By default, every user of this machine: edges write as users of their own, and `/dev/log` has this mode, too."""
    owner: int = -1
    """A user id; -1: the user of this process."""
    group: int = -1
    """A group id; -1: the group of this process."""


ANY_USER = SocketAccess()
