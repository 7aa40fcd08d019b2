"""What the text of some settings has to look like."""

import re
from pathlib import Path

from edgetally.errors import ConfigError
from edgetally.model import MAX_POP_BYTES, SERVICE_ID
from edgetally.snippets import format_of
from edgetally.sources.syslog import is_host

MAX_PORT = 65_535

HOST_AND_PORT = "HOST:PORT or [IPv6]:PORT"
ADDRESS = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]+)):([0-9]{1,5})")


def is_service_id(text: str) -> bool:
    """Whether `text` may name a service."""
    return re.fullmatch(SERVICE_ID, text) is not None


def is_pop(text: str) -> bool:
    """Whether `text` may name a POP."""
    return text.isprintable() and 1 <= len(text.encode()) <= MAX_POP_BYTES


def is_format(text: str) -> bool:
    """Return True if `text` names a format; raise ConfigError, listing all, if not."""
    format_of(text)
    return True


def address(text: str) -> tuple[str, int]:
    """Return the host and the port of an address to listen on; raise ConfigError when it is something else."""
    match = ADDRESS.fullmatch(text)
    if not match or int(match[3]) > MAX_PORT or not is_host(match[1] or match[2]):
        raise ConfigError("api.listen", f"expected {HOST_AND_PORT}, got {text[:40]!r}")
    return match[1] or match[2], int(match[3])


def expanded(path: Path, where: str) -> Path:
    """Return a path with the home directory instead of `~`; raise ConfigError when there is none."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ConfigError(where, f"{str(path)[:40]!r}: there is no such home directory (is $HOME set?)") from error
