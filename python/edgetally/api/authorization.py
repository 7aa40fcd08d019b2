"""
The guard: who may see an answer, and who may push.

Whoever may not is told nothing else. A token that is missing, unknown, revoked or for another service is refused in the
same words, and so is the question for a service that does not exist.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from edgetally.api.errors import Refusal
from edgetally.http.messages import Response

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from edgetally.access.grants import Grant, Keys
    from edgetally.http.messages import Request


def forbidden() -> Refusal:
    """Make the refusal, which is that of Fastly."""
    return Refusal(HTTPStatus.FORBIDDEN, "invalid authentication")


def token(request: Request) -> str:
    """Return the token that `request` shows, as Fastly's clients do or as everybody else does; empty if it has none."""
    if key := request.header(b"fastly-key"):
        return key
    scheme, _, credentials = request.header(b"authorization").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


class Guard:
    """Stands before everything that is not for everybody."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def grant(self, request: Request, scope: str, service_id: str | None = None) -> Grant:
        """Return what the sender of `request` may do; refuse when it is not this."""
        grant = self._keys.grant(token(request))
        if grant and grant.may(scope, service_id):
            return grant
        raise forbidden()

    @staticmethod
    def hold(
        answer: Response | asyncio.Future[Response], grant: Grant, refuse: Callable[[Refusal], Response]
    ) -> Response | asyncio.Future[Response]:
        """Refuse the reader who waits for `answer` as soon as it may not have it any more."""
        if isinstance(answer, Response):
            return answer

        def refuse_now() -> None:
            if not answer.done():
                answer.set_result(refuse(forbidden()))

        over = grant.when_withdrawn(refuse_now)
        answer.add_done_callback(lambda _answer: over())
        return answer
