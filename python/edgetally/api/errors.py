"""
Refusals: every request that is not served gets `{"Error": "why", "Timestamp": now}`.

`Timestamp` is always there because clients take their next cursor from it even here.
"""

from http import HTTPStatus

import msgspec

from edgetally.api.answers import Error
from edgetally.http.messages import Response

CORS = (
    b"Access-Control-Allow-Origin: *",
    b"Access-Control-Allow-Headers: Fastly-Key, Authorization, Content-Type, Content-Encoding, Idempotency-Key",
    b"Access-Control-Allow-Methods: GET, HEAD, POST, PUT, OPTIONS",
)
"""Dashboards in browsers are served from other origins."""

NOT_HTML = b"X-Content-Type-Options: nosniff"
"""For answers that repeat part of a request: some browsers guess the content type."""


class Refusal(Exception):
    """The request is not served."""

    def __init__(self, status: HTTPStatus, problem: str, *fields: bytes) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem
        self.fields = fields


def error_response(status: HTTPStatus, problem: str, now: float, *fields: bytes) -> Response:
    """Return the response of a refusal."""
    return Response(status, msgspec.json.encode(Error(problem, int(now))), *CORS, NOT_HTML, *fields)
