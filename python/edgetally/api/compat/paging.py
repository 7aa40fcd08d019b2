"""Pages of a list, and the links to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlencode

from edgetally.api.errors import ApiRefusal
from edgetally.api.query import given_positive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEPT_IN_LINKS = ("sort", "direction", "filter[include_versions]")
"""Parameters that the other pages need, too."""


class Page(NamedTuple):
    """A page of a list, counted from 1."""

    number: int
    size: int | None
    """None: all."""
    others: Mapping[str, str]
    """The other parameters of the query."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """Read a query, in which an empty parameter is absent; raise ApiRefusal when it is not valid."""
        others = {name: query[name] for name in KEPT_IN_LINKS if query.get(name)}
        page, size = (given_positive(query, name, ApiRefusal) for name in ("page", "per_page"))
        return cls(page or 1, size, others)

    def cut(self, items: Sequence[str]) -> Sequence[str]:
        """Return the items of this page."""
        size = self.size or len(items)
        return items[(self.number - 1) * size : self.number * size]

    def links(self, address: str, total: int) -> str:
        """Return the links to the last page and to the next one, as a `Link` field; empty on the last page."""
        last = -(-total // self.size) if self.size else 1
        if self.number >= last:
            return ""

        def link(number: int, relation: str) -> str:
            parameters = {"page": number, "per_page": self.size, **self.others}
            return f'<{address}?{urlencode(parameters)}>; rel="{relation}"'

        # Some clients go on by the one, some by the other.
        return f"{link(last, 'last')}, {link(self.number + 1, 'next')}"
