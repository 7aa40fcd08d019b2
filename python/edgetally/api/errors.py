"""
Refusals: every request that is not served gets `{"Error": "why", "Timestamp": now, "msg": "why"}`.

`Timestamp` is always there because clients take their next cursor from it even here. The paths of api.fastly.com have
other forms: `{"msg": "what", "detail": "why"}`, and for history `{"msg": "why", "status": "error"}`.
"""

from http import HTTPStatus

import msgspec
from msgspec import UNSET, UnsetType

from edgetally.api.answers import ApiError, Error, HistoryError
from edgetally.http.messages import Response

HEADERS = b"Fastly-Key, Authorization, Content-Type, Content-Encoding, Idempotency-Key, Last-Event-ID"

CORS = (
    b"Access-Control-Allow-Origin: *",
    b"Access-Control-Allow-Headers: " + HEADERS,
    b"Access-Control-Allow-Methods: GET, HEAD, POST, PUT, OPTIONS",
)
"""Dashboards in browsers are served from other origins."""

NOT_HTML = b"X-Content-Type-Options: nosniff"
"""For answers that repeat part of a request: some browsers guess the content type."""

NOT_READ = "the history cannot be read now; try again in a second"
"""The reason is in the log: it names machines that are nobody's business."""


class Refusal(Exception):
    """The request is not served."""

    def __init__(self, status: HTTPStatus, problem: str, *fields: bytes) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem
        self.fields = fields

    def body(self, now: float) -> bytes:
        """Encode the answer."""
        return msgspec.json.encode(Error(self.problem, int(now), self.problem))


class UnknownOutcome(Refusal):
    """It cannot be said whether the request was served."""

    def body(self, now: float) -> bytes:
        """Encode the answer."""
        return msgspec.json.encode(Error(self.problem, int(now), self.problem, "unknown"))


class ApiRefusal(Refusal):
    """The same on a path of api.fastly.com."""

    def __init__(self, status: HTTPStatus, problem: str, *fields: bytes, detail: str | UnsetType = UNSET) -> None:
        super().__init__(status, problem, *fields)
        self.detail = detail

    def body(self, _now: float) -> bytes:
        """Encode the answer."""
        return msgspec.json.encode(ApiError(self.problem, self.detail))


class HistoryRefusal(ApiRefusal):
    """A question to history is not answered. Clients show `msg` of an answer whose status is not `success`."""

    def body(self, _now: float) -> bytes:
        """Encode the answer."""
        return msgspec.json.encode(HistoryError(self.problem))


def response_to(refusal: Refusal, now: float) -> Response:
    """Return the response of a refusal."""
    return Response(refusal.status, refusal.body(now), *CORS, NOT_HTML, *refusal.fields)
