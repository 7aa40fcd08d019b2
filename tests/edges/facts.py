"""What the test of a server is made of: facts that are shown one by one, and the servers that it needs."""

import os
import shutil
from collections.abc import Awaitable, Callable

import pytest

from tests.edges.lab import Lab

Fact = Callable[[Lab], Awaitable[None]]


class Facts(dict[str, Fact]):
    """The facts of one server, by the domain under which each is shown."""

    def note(self, show: Fact) -> Fact:
        """Note a fact; its name makes its domain."""
        label = show.__name__.replace("_", "-")
        assert len(label) <= 63, "longer than a label of a host name may be"
        self[f"{label}.example"] = show
        return show


def skip_or_fail(*servers: str) -> list[pytest.MarkDecorator]:
    """Return marks that skip when a server is missing, but raise where it must not be."""
    if not (missing := [name for name in servers if not shutil.which(name)]):
        return []
    reason = f"not installed here: {', '.join(missing)}"
    if "EDGETALLY_REQUIRE_SERVERS" in os.environ:
        raise RuntimeError(f"{reason}, but EDGETALLY_REQUIRE_SERVERS is set")
    return [pytest.mark.skip(reason=reason)]
