"""`GET /`: what this server is, its services, and its endpoints."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from edgetally.access.grants import ANY
from edgetally.api.admin import ENDPOINTS, OPEN_ENDPOINTS
from edgetally.api.answers import IndexAnswer, Links
from edgetally.api.base_address import base_address
from edgetally.api.errors import CORS, NOT_HTML
from edgetally.http.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgetally.access.grants import Grant
    from edgetally.http.messages import Request
    from edgetally.window.shelf import Shelf

FIELDS = (b"Cache-Control: no-store", b"Vary: Accept", NOT_HTML)


class Index:
    """Lists the services that a token may read, with links to one of them and to the endpoints."""

    def __init__(self, shelf: Shelf, past: Callable[[], frozenset[str]], *, version: str, scheme: str) -> None:
        """`past` returns the services of the history."""
        self._shelf = shelf
        self._past = past
        self._version = version
        self._scheme = scheme

    def answer(self, request: Request, grant: Grant) -> Response:
        """Return the index for the holder of `grant`."""
        base = base_address(request, self._scheme)
        known = sorted({*self._shelf.services, *self._past()})
        services = [service_id for service_id in known if grant.may("read", service_id)]
        # Links work even where no service has entries yet.
        example = services[0] if services else "default"
        endpoints = ENDPOINTS if grant.may("read", ANY) else OPEN_ENDPOINTS
        index = IndexAnswer(
            name="edgetally",
            version=self._version,
            about="Exact counters for every domain and every origin of your edge, one entry per second.",
            services=services,
            links=Links(
                channel=f"{base}/v1/channel/{example}/ts/h",
                domains=f"{base}/v1/domains/{example}/ts/h",
                origins=f"{base}/v1/origins/{example}/ts/h",
                origin_insights=f"{base}/v1/channel/{example}/ts/h?kind=origin_insights",
                push=f"{base}/ingest",
                fastly_metrics=f"{base}/fastly/metrics",
                openapi=f"{base}/openapi.json",
                **{name: f"{base}/{name}" for name in endpoints},
            ),
        )
        return Response(HTTPStatus.OK, msgspec.json.format(msgspec.json.encode(index)), *CORS, *FIELDS)
