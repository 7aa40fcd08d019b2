"""
Snippets: the configuration to paste into each edge so that it writes records, and how its lines are read.

Every other file here is one edge. Its name before the dot is the name of the edge, its first line is the title, and
`edgetally formats NAME` prints all of it.
"""

from functools import cache
from typing import NamedTuple

from edgetally import _core
from edgetally.errors import ConfigError, hint

CANONICAL = "canonical"
"""The format of edges whose snippet names the fields of records itself."""

CANONICAL_TITLE = "JSON lines with the fields of docs/record.md"

USUAL_LATENESS = 120
"""Seconds that a record may be in the past: an edge that was cut off has caught up by then."""

DELIVERED_LATE = {"cloudflare": 3600, "cloudfront": 3600}
"""The same for formats of networks that deliver records themselves: in batches, usually after seconds to some minutes,
and after longer when something was wrong."""


class Snippet(NamedTuple):
    """The configuration of one edge."""

    name: str
    title: str
    """One line: what it is, and where it goes."""
    text: str


@cache
def snippets() -> list[Snippet]:
    """Return the snippets of all edges in alphabetical order."""
    from pathlib import Path  # noqa: PLC0415 - the formats of the core are known without these files

    found = []
    for file in Path(__file__).parent.iterdir():
        if file.is_file() and not file.name.endswith((".py", ".pyc")):
            text = file.read_text("utf-8")
            found.append(
                Snippet(file.name.partition(".")[0], text.partition("\n")[0].strip("/# .").partition(": ")[2], text)
            )
    return sorted(found)


def snippet(name: str) -> Snippet:
    """Return the snippet of the edge `name`; raise ConfigError, listing the edges, if it has none."""
    edges = {one.name: one for one in snippets()}
    if name in edges:
        return edges[name]
    raise ConfigError(name[:40], f"unknown edge (expected one of: {', '.join(edges)})" + hint(name[:40], edges))


def formats() -> dict[str, str]:
    """
    Return the title of every format, by its name: what `format` may be wherever a log is read.

    The name of an edge is the format that its snippet writes. `cloudfront` may be followed by the fields of its lines
    in their order, as in `cloudfront:timestamp,sc-status`.

    Example:
        >>> import edgetally
        >>> list(edgetally.formats())[:3]
        ['apache', 'caddy', 'canonical']
    """
    return dict(sorted([(CANONICAL, CANONICAL_TITLE), *((one.name, one.title) for one in snippets())]))


def format_of(name: str, where: str = "format") -> str:
    """
    Return the format in which the edge `name` writes, as the core names it; a format stands for itself.

    Raises:
        ConfigError: There is no such edge or format, or the fields after its colon are wrong. `where` says which
            setting or flag had the name.
    """
    kind, _, fields = name.partition(":")
    if kind in _core.formats():
        try:
            _core.check_format(name)
        except ValueError as error:
            raise ConfigError(where, str(error)) from error
        return name
    if kind in formats() and not fields:
        return CANONICAL
    expected = f"expected one of: {', '.join(formats())}"
    raise ConfigError(where, f"unknown format {name[:40]!r} ({expected})" + hint(name[:40], formats()))


def lateness(given: int | None, format: str) -> int:
    """Return how many seconds records may be in the past: `given`, or if that is None, what is usual for the format."""
    return given if given is not None else DELIVERED_LATE.get(format.partition(":")[0], USUAL_LATENESS)
