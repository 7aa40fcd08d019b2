"""What the test of a server is made of: facts that are shown one by one, and the servers that it needs."""

import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.edges.lab import Lab

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
STATUSES = (
    *(200, 201, 202, 204, 206, 226, 299, 300, 301, 302, 303, 304, 307, 308, 399),
    *(400, 401, 403, 404, 405, 410, 416, 418, 422, 429, 451, 499, 500, 501, 502, 503, 504, 505, 511, 530, 599),
)

INVALID = "_invalid"
"""The domain of what names none."""

Fact = Callable[[Lab], Awaitable[None]]


class Facts(dict[str, Fact]):
    """The facts of one server, by the domain under which each is shown."""

    def note(self, show: Fact) -> Fact:
        """Note a fact; its name makes its domain."""
        label = show.__name__.replace("_", "-")
        assert len(label) <= 63, "longer than a label of a host name may be"
        self[f"{label}.example"] = show
        return show


def program(name: str) -> str | None:
    """Find a program: on the PATH, or among those that Python packages brought."""
    return shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)


def skip_or_fail(*servers: str) -> list[pytest.MarkDecorator]:
    """Return marks that skip when a server is missing, but raise where it must not be."""
    if not (missing := [name for name in servers if not program(name)]):
        return []
    reason = f"not installed here: {', '.join(missing)}"
    if "EDGETALLY_REQUIRE_SERVERS" in os.environ:
        raise RuntimeError(f"{reason}, but EDGETALLY_REQUIRE_SERVERS is set")
    return [pytest.mark.skip(reason=reason)]
