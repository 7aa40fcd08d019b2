"""
What to paste into each edge so that it logs what can be counted.

Every file here is one edge: its name before the dot is the name of the format, its first line says what it is, and the
whole of it is what `edgetally formats NAME` prints.
"""

from importlib import resources
from typing import NamedTuple

from edgetally.errors import ConfigError


class Snippet(NamedTuple):
    """The configuration of one edge."""

    name: str
    title: str
    """One line: what it is, and where it goes."""
    text: str


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
