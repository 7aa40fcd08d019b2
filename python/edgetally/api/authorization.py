"""
Authorization: which requests may read, and which may push.

All refusals are the same, so that they tell nothing: a token that is missing, unknown, revoked or for another service,
and a query for a service that does not exist.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from edgetally.api.errors import ApiRefusal, Refusal
from edgetally.http.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgetally.access.grants import Grant, Keys
    from edgetally.http.messages import Request


def forbidden() -> Refusal:
    """Return the refusal, in the words of Fastly."""
    return Refusal(HTTPStatus.FORBIDDEN, "invalid authentication")


def unauthorized() -> ApiRefusal:
    """Return the refusal of a token that is not valid, in the words of api.fastly.com."""
    problem = "Provided credentials are missing or invalid"
    return ApiRefusal(HTTPStatus.UNAUTHORIZED, problem, b"WWW-Authenticate: Bearer")


def token(request: Request) -> str:
    """Return the token of `request`, from `Fastly-Key` or `Authorization: Bearer`; empty if it has none."""
    if key := request.header(b"fastly-key"):
        return key
    scheme, _, credentials = request.header(b"authorization").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


class Authorization:
    """Checks the tokens of requests."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def require(self, request: Request, scope: str, service_id: str | None = None) -> Grant:
        """Return the grant of the token; raise Refusal when it does not permit `scope` on this service."""
        grant = self._keys.grant(token(request))
        if grant and grant.may(scope, service_id):
            return grant
        raise forbidden()

    def require_reader(self, request: Request, service_id: str | None = None) -> Grant:
        """
        Return the grant of a token that may read this service, or any; raise ApiRefusal when it may not.

        On the paths of api.fastly.com, clients tell a token that is not valid from one that is not for this service.
        Neither tells whether the service exists.
        """
        grant = self._keys.grant(token(request))
        if not grant:
            raise unauthorized()
        if not grant.may("read", service_id):
            may_read = grant.may("read")
            detail = "the token is not for this service" if may_read else "the token does not permit this"
            raise ApiRefusal(HTTPStatus.FORBIDDEN, "You are not authorized to perform this action", detail=detail)
        return grant


class AwaitedAnswer:
    """An answer that becomes a refusal if the grant is withdrawn before."""

    def __init__(self, grant: Grant, refusal: Callable[[], Response]) -> None:
        self.future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._grant = grant
        self._refusal = refusal
        grant.hold(self)

    def withdraw(self) -> None:
        """Refuse the request."""
        if not self.future.done():
            self.future.set_result(self._refusal())

    def finish(self, answer: asyncio.Future[Response]) -> None:
        """Take the answer, unless the request is refused or its client has left."""
        self._grant.release(self)
        if self.future.done():
            if not answer.cancelled():
                answer.exception()  # marks it as retrieved
        elif answer.cancelled():
            self.future.cancel()
        elif error := answer.exception():
            self.future.set_exception(error)
        else:
            self.future.set_result(answer.result())


def refuse_when_withdrawn(
    answer: Response | asyncio.Future[Response], grant: Grant, refusal: Callable[[], Response]
) -> Response | asyncio.Future[Response]:
    """Return `answer`. If it is still awaited when the grant is withdrawn, it becomes a refusal at once."""
    if isinstance(answer, Response):
        return answer
    # A future of its own: that of a thread must not be settled by others.
    awaited = AwaitedAnswer(grant, refusal)
    answer.add_done_callback(awaited.finish)
    awaited.future.add_done_callback(lambda future: answer.cancel() if future.cancelled() else None)
    return awaited.future
