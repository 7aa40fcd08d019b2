"""Forms that settings of the server are checked against. Commands that only count do not import them."""

import grp
import pwd
import re

from edgetally.errors import ConfigError
from edgetally.journal.kafka import address as kafka
from edgetally.sources.syslog_address import is_host

MAX_PORT = 65_535
MAX_NAME = 255

MODE_WORDS = 'a mode in octal digits, such as "0660"'
MODE = "0?[0-7]{3}"

NUMBER = "[0-9]{1,9}"
"""A user or a group, by number."""

HOST_AND_PORT = "HOST:PORT or [IPv6]:PORT"
ADDRESS = r"(?:\[([^\[\]]+)\]|([^\[\]:]+)):([0-9]{1,5})"


def is_name(text: str) -> bool:
    """Whether `text` may name a service or a place for people."""
    return text.isprintable() and 1 <= len(text) <= MAX_NAME


def address(text: str) -> tuple[str, int]:
    """Return the host and the port of an address to listen on; raise ConfigError when it is something else."""
    match = re.fullmatch(ADDRESS, text)
    if not match or int(match[3]) > MAX_PORT or not is_host(match[1] or match[2]):
        raise ConfigError("api.listen", f"expected {HOST_AND_PORT}, got {text[:40]!r}")
    return match[1] or match[2], int(match[3])


def is_journal(text: str) -> bool:
    """Whether `text` is a kind of journal; raise ConfigError when it is almost the address of one in Kafka."""
    return text in ("sqlite", "memory") or (kafka.is_kafka(text) and bool(kafka.parse(text)))


def mode(text: str) -> int:
    """Return the mode of a file; raise ConfigError when it is something else."""
    if not re.fullmatch(MODE, text):
        raise ConfigError("mode", f"expected {MODE_WORDS}, got {text[:40]!r}")
    return int(text, 8)


def user_id(text: str) -> int:
    """Return the number of a user; raise ConfigError when there is no such user."""
    try:
        return int(text) if re.fullmatch(NUMBER, text) else pwd.getpwnam(text).pw_uid
    except (KeyError, ValueError) as error:
        raise ConfigError("owner", f"there is no user {text[:40]!r} on this machine") from error


def group_id(text: str) -> int:
    """Return the number of a group; raise ConfigError when there is no such group."""
    try:
        return int(text) if re.fullmatch(NUMBER, text) else grp.getgrnam(text).gr_gid
    except (KeyError, ValueError) as error:
        raise ConfigError("group", f"there is no group {text[:40]!r} on this machine") from error


def is_mode(text: str) -> bool:
    """Return True if `text` is the mode of a file; raise ConfigError if not."""
    return mode(text) >= 0


def is_user(text: str) -> bool:
    """Return True if `text` is a user; raise ConfigError if not."""
    return user_id(text) >= 0


def is_group(text: str) -> bool:
    """Return True if `text` is a group; raise ConfigError if not."""
    return group_id(text) >= 0
