"""
Formats: what to paste into each edge so that it logs what can be counted, and how its lines are then read.

Every file here is one edge: its name before the dot is the name of the format, its first line says what it is, and the
whole of it is what `edgetally formats NAME` prints.
"""

from functools import cache
from importlib import resources
from typing import NamedTuple

from edgetally import _core
from edgetally.errors import ConfigError

CANONICAL = "canonical"
"""The format of edges whose snippet names the fields as records do."""


class Snippet(NamedTuple):
    """The configuration of one edge."""

    name: str
    title: str
    """One line: what it is, and where it goes."""
    text: str


@cache
def snippets() -> list[Snippet]:
    """Return every edge that is known, in alphabetical order."""
    found = []
    for file in resources.files(__name__).iterdir():
        if file.is_file() and not file.name.endswith((".py", ".pyc")):
            text = file.read_text("utf-8")
            found.append(
                Snippet(file.name.partition(".")[0], text.partition("\n")[0].strip("/# .").partition(": ")[2], text)
            )
    return sorted(found)


def snippet(name: str) -> Snippet:
    """Return the edge `name`; raise ConfigError, naming those there are, when it is not known."""
    known = snippets()
    for one in known:
        if one.name == name:
            return one
    raise ConfigError(name, f"no such edge; there are {', '.join(one.name for one in known)}")


def names() -> list[str]:
    """Return the name of every format: the edges that are known, and whatever else the core can read."""
    return sorted({CANONICAL, *_core.formats(), *(one.name for one in snippets())})


def format_of(name: str, where: str = "format") -> str:
    """Return how the core calls the format of format `name`; raise ConfigError, naming `where`, for no such format."""
    kind, _, fields = name.partition(":")
    if kind in _core.formats():
        try:
            _core.check_format(name)
        except ValueError as error:
            raise ConfigError(where, str(error)) from error
        return name
    if kind in names() and not fields:
        return CANONICAL
    raise ConfigError(where, f"there is no format {name[:40]!r}; there are {', '.join(names())}")
