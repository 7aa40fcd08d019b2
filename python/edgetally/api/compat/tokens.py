"""The token of a request, as clients ask about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgetally.api.compat.answers import TokenAnswer, Verification, VerifiedCustomer, VerifiedToken, VerifiedUser
from edgetally.api.compat.responses import respond

if TYPE_CHECKING:
    from edgetally.access.grants import Grant
    from edgetally.api.compat.services import Services
    from edgetally.http.messages import Response


class Tokens:
    """Answers what clients ask about their token."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @staticmethod
    def own(grant: Grant) -> Response:
        """Answer `/tokens/self`."""
        services = grant.services or []
        return respond(TokenAnswer(id=grant.token_id, user_id=grant.name, name=grant.name, services=services))

    def verify(self, grant: Grant) -> Response:
        """Answer `/verify`."""
        user = VerifiedUser(grant.name, grant.name, grant.name)
        token = VerifiedToken(grant.token_id, grant.name)
        return respond(Verification(VerifiedCustomer(), user, self._services.names(grant), token))
