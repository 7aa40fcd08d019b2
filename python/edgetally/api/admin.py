"""
What whoever runs the process asks it.

    GET /healthz  200 as long as it answers at all
    GET /readyz   200 when it takes records and shows them; 503 when not, and why
    GET /metrics  what it has counted about itself, for Prometheus
    GET /rejected the last lines that did not count, and why
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import msgspec

from edgetally.api.answers import Check, Health, Readiness
from edgetally.api.errors import NOT_HTML
from edgetally.http.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAGES = ("healthz", "readyz", "metrics", "rejected")

OPEN_PAGES = ("healthz", "readyz")
"""Shown to everybody: whoever watches over processes has no token. The others name services."""

FIELDS = (b"Cache-Control: no-store", NOT_HTML)


class Panel(Protocol):
    """What can be seen of the process."""

    def checks(self) -> Mapping[str, str]:
        """Return the problem that each check has, empty if none."""

    def exposition(self) -> bytes:
        """Write down what was counted."""

    def rejected(self) -> bytes:
        """Return the last lines that did not count, as JSON."""


class Operate:
    """Shows the panel. It comes as a call, because this server is among what is seen on it."""

    def __init__(self, panel: Callable[[], Panel], exposition_type: bytes) -> None:
        self._panel = panel
        self._exposition_type = exposition_type

    def answer(self, page: str) -> Response:
        """Show one of PAGES."""
        if page == "healthz":
            return Response(HTTPStatus.OK, msgspec.json.encode(Health(alive=True)), *FIELDS)
        if page == "metrics":
            return Response(HTTPStatus.OK, self._panel().exposition(), *FIELDS, content_type=self._exposition_type)
        if page == "rejected":
            return Response(HTTPStatus.OK, self._panel().rejected(), *FIELDS)
        return self._ready()

    def _ready(self) -> Response:
        checks = self._panel().checks()
        ready = not any(checks.values())
        shown = Readiness(ready, {name: Check(not problem, problem or None) for name, problem in checks.items()})
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Response(status, msgspec.json.format(msgspec.json.encode(shown)), *FIELDS)
