"""Responses and refusals that the paths of api.fastly.com share."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import msgspec

from edgetally.api.errors import CORS, NOT_HTML, ApiRefusal
from edgetally.http.messages import Response

THREAD = ThreadPoolExecutor(1, thread_name_prefix="lists")
"""One of its own: files and the journal do not wait for clients that ask for long lists."""

FIELDS = (*CORS, b"Cache-Control: no-store", NOT_HTML)


def respond(answer: object, *fields: bytes, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return the response with this answer."""
    return Response(status, msgspec.json.encode(answer), *FIELDS, *fields)


def in_thread(make: Callable[[], Response]) -> asyncio.Future[Response]:
    """Return the response that a thread makes: this one takes long."""
    return asyncio.get_running_loop().run_in_executor(THREAD, make)


def not_found(detail: str) -> ApiRefusal:
    """Return the refusal of what there is not, in the words of Fastly."""
    return ApiRefusal(HTTPStatus.NOT_FOUND, "Record not found", detail=detail)
