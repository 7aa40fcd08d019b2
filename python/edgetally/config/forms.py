"""What the text of some settings has to look like."""

import re
from typing import TYPE_CHECKING

from edgetally.errors import ConfigError
from edgetally.model import MAX_POP_BYTES, SERVICE_ID
from edgetally.snippets import format_of

if TYPE_CHECKING:
    from pathlib import Path


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


def expanded(path: "Path", where: str) -> "Path":
    """Return a path with the home directory instead of `~`; raise ConfigError when there is none."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ConfigError(where, f"{str(path)[:40]!r}: there is no such home directory (is $HOME set?)") from error
