"""`GET /`: what this is, and where to look."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from edgetally.access.grants import ANY
from edgetally.api import answers
from edgetally.api.admin import OPEN_PAGES, PAGES
from edgetally.api.errors import CORS, NOT_HTML
from edgetally.http.messages import Response

if TYPE_CHECKING:
    from edgetally.access.grants import Grant
    from edgetally.http.messages import Request
    from edgetally.window.shelf import Shelf

HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")
"""What links may begin with: anybody can send any Host."""

FIELDS = (b"Cache-Control: no-store", NOT_HTML)


class Index:
    """Lists the services that somebody may read, with links to one of them and to the pages that they may see."""

    def __init__(self, shelf: Shelf, *, version: str, scheme: str) -> None:
        self._shelf = shelf
        self._version = version
        self._scheme = scheme

    def answer(self, request: Request, grant: Grant) -> Response:
        """Show it to the bearer of `grant`."""
        host = request.header(b"host")
        base = f"{self._scheme}://{host}" if HOST.fullmatch(host) else ""
        services = [service_id for service_id in self._shelf.services if grant.may("read", service_id)]
        # Links can be followed, even where there is nothing to see yet.
        example = services[0] if services else "default"
        pages = PAGES if grant.may("read", ANY) else OPEN_PAGES
        index = answers.Index(
            name="edgetally",
            version=self._version,
            about="Exact counters for every domain and every origin of your edge, one entry per second.",
            services=services,
            links=answers.Links(
                domains=f"{base}/v1/domains/{example}/ts/h",
                origins=f"{base}/v1/origins/{example}/ts/h",
                origin_insights=f"{base}/v1/channel/{example}/ts/h?kind=origin_insights",
                push=f"{base}/ingest",
                openapi=f"{base}/openapi.json",
                **{page: f"{base}/{page}" for page in pages},
            ),
        )
        return Response(HTTPStatus.OK, msgspec.json.format(msgspec.json.encode(index)), *CORS, *FIELDS)
