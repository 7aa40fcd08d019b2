"""Which endpoints this node has, and whether it can answer them yet."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from edgetally.api.compat.paths import is_compat
from edgetally.api.errors import ApiRefusal, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

INGESTING = frozenset({"ingest", ".well-known", "rejected"})
READING = frozenset({"v1", "top", "fastly", "page"})
"""First parts of paths. Those of api.fastly.com are for reading, too; all others are at every node."""

RETRY_AFTER = b"Retry-After: 2"


class Doors:
    """The endpoints of a node that takes records (`ingests`), shows entries (`reads`), or does both."""

    def __init__(self, *, ingests: bool, reads: bool, starting: Callable[[], str]) -> None:
        """`starting` tells why no entry can be shown yet; empty if entries can."""
        self._ingests = ingests
        self.reads = reads
        """Whether it shows entries."""
        self._starting = starting

    def check(self, path: list[str]) -> None:
        """Raise Refusal when this node has no such endpoint, or cannot answer it yet."""
        if path[0] in INGESTING and not self._ingests:
            problem = "this node takes no records: send them to one with the role ingest or all"
            raise Refusal(HTTPStatus.NOT_FOUND, problem)
        has_form = is_compat(path)
        if not (has_form or path[0] in READING):
            return
        kind = ApiRefusal if has_form else Refusal
        if not self.reads:
            raise kind(HTTPStatus.NOT_FOUND, "this node shows no entries: ask one with the role read or all")
        if path[0] != "page" and (problem := self._starting()):
            raise kind(HTTPStatus.SERVICE_UNAVAILABLE, f"not ready: {problem}", RETRY_AFTER)
