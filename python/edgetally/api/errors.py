"""
One shape for every refusal: `{"Error": "what is wrong", "Timestamp": now}`.

Clients take their next cursor from `Timestamp` even here, so it is always there.
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
"""Dashboards in browsers come from other origins."""


NOT_HTML = b"X-Content-Type-Options: nosniff"
"""For answers that repeat something of a request, and browsers that guess what an answer is."""


class Refusal(Exception):
    """The request has no other answer than this."""

    def __init__(self, status: HTTPStatus, problem: str, *fields: bytes) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem
        self.fields = fields


def refuse(status: HTTPStatus, problem: str, now: float, *fields: bytes) -> Response:
    """Make the answer that says `problem`."""
    return Response(status, msgspec.json.encode(Error(problem, int(now))), *CORS, NOT_HTML, *fields)
