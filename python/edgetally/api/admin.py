"""
The endpoints for operators.

    GET /healthz   200 as long as the process answers
    GET /readyz    200 if it accepts records and shows them; 503 if not, and why; what is wrong beside that
    GET /metrics   metrics, for Prometheus
    GET /rejected  the last rejected lines
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import msgspec

from edgetally.api.answers import Check, Health, Readiness
from edgetally.api.errors import NOT_HTML
from edgetally.http.messages import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgetally.ingest.dead_letters import DeadLetters

ENDPOINTS = ("healthz", "readyz", "metrics", "rejected")

OPEN_ENDPOINTS = ("healthz", "readyz")
"""Served without a token: probes have none. The others name services."""

BESIDE = ("history",)
"""Checks that are shown and do not count: records are taken and shown all the same."""

FIELDS = (b"Cache-Control: no-store", NOT_HTML)


class ProcessStatus(Protocol):
    """Readiness and metrics of the process."""

    def checks(self) -> Mapping[str, str]:
        """Return the problem of each readiness check, empty if there is none."""

    def expose(self, accept: str) -> tuple[bytes, bytes]:
        """Return the metrics in a format that an `Accept` header asks for, and their content type."""


class Admin:
    """Answers the endpoints for operators."""

    def __init__(self, status: ProcessStatus, dead_letters: DeadLetters) -> None:
        self._status = status
        self._dead_letters = dead_letters

    def answer(self, endpoint: str, accept: str) -> Response:
        """Answer one of ENDPOINTS; `accept` is the header of the request."""
        if endpoint == "healthz":
            return Response(HTTPStatus.OK, msgspec.json.encode(Health(alive=True)), *FIELDS)
        if endpoint == "metrics":
            body, content_type = self._status.expose(accept)
            return Response(HTTPStatus.OK, body, *FIELDS, content_type=content_type)
        if endpoint == "rejected":
            return Response(HTTPStatus.OK, self._dead_letters.to_json(), *FIELDS)
        return self._ready()

    def _ready(self) -> Response:
        checks = self._status.checks()
        ready = not any(problem for name, problem in checks.items() if name not in BESIDE)
        shown = Readiness(ready, {name: Check(not problem, problem or None) for name, problem in checks.items()})
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Response(status, msgspec.json.format(msgspec.json.encode(shown)), *FIELDS)
