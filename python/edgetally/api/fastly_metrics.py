"""
What the edges did, for Prometheus, with the names of fastly-exporter.

    GET /fastly/metrics              the series of every service that the token may read
    GET /fastly/metrics?target={id}  the series of one service
    GET /fastly/sd                   these services, for HTTP service discovery

A scrape may have a million series. It is written in a thread from a copy of the totals, piece by piece, no faster than
the client reads.
"""

from __future__ import annotations

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING
from weakref import WeakSet

import msgspec

from edgetally.api.answers import ScrapeTargets
from edgetally.api.authorization import forbidden
from edgetally.api.errors import NOT_HTML, Refusal
from edgetally.http.messages import Disconnect, Response
from edgetally.telemetry.prometheus import OPENMETRICS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from edgetally.access.grants import Grant
    from edgetally.window.series import ExportedSeries, Scrape
    from edgetally.window.shelf import Shelf

PIECE_BYTES = 1 << 18
"""Bytes of text that are written at a time. A scrape that is shorter is sent as a whole."""

FIELDS = (b"Cache-Control: no-store", NOT_HTML, b"Vary: Accept, Accept-Encoding, Fastly-Key, Authorization, Cookie")

TEXT = b"text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TEXT = b"application/openmetrics-text; version=1.0.0; charset=utf-8"


class ScrapeBody:
    """The body of the answer to a scrape, as it is written."""

    def __init__(self, scrape: Scrape, *, gzip: bool) -> None:
        self._scrape = scrape
        self._compressor = zlib.compressobj(1, wbits=31) if gzip else None
        self.is_complete = False

    def write(self) -> bytes:
        """Return the next piece, which may be empty."""
        text, self.is_complete = self._scrape.write(PIECE_BYTES)
        if self._compressor is None:
            return text
        packed = self._compressor.compress(text)
        return packed + self._compressor.flush() if self.is_complete else packed


class FastlyMetrics:
    """Answers scrapes, some at a time."""

    def __init__(self, series: ExportedSeries, shelf: Shelf, *, max_scrapes: int) -> None:
        self._series = series
        self._shelf = shelf
        self._max_scrapes = max_scrapes
        self.refused = 0
        """Scrapes that were refused because too many were being answered."""
        # Each has a copy of the totals. A body that is not sent to its end is dropped.
        self._bodies: WeakSet[ScrapeBody] = WeakSet()
        self._starting = 0
        # One thread: scrapes take turns, and leave the other cores to what cannot wait.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scrapes")

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"fastly_metrics.max_scrapes": self.refused}

    @property
    def answering(self) -> int:
        """How many scrapes are being answered."""
        return len(self._bodies) + self._starting

    def close(self) -> None:
        """Wait for what is being written."""
        self._thread.shutdown()

    async def scrape(self, grant: Grant, target: str, *, accept: str, gzip: bool) -> Response:
        """Answer with the series of `target`, or of every service that `grant` permits to read."""
        if self.answering >= self._max_scrapes:
            self.refused += 1
            problem = f"{self._max_scrapes} scrapes are being answered (fastly_metrics.max_scrapes): try again later"
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, problem, b"Retry-After: 1")
        openmetrics = OPENMETRICS in accept.lower()
        start = partial(self._start, [target] if target else grant.services, openmetrics=openmetrics, gzip=gzip)
        self._starting += 1
        try:
            body, first = await asyncio.get_running_loop().run_in_executor(self._thread, start)
        finally:
            self._starting -= 1
        if grant.withdrawn:
            raise forbidden()
        self._bodies.add(body)
        fields = (*FIELDS, b"Content-Encoding: gzip") if gzip else FIELDS
        content_type = OPENMETRICS_TEXT if openmetrics else TEXT
        if body.is_complete:
            return Response(HTTPStatus.OK, first, *fields, content_type=content_type)
        pieces = self._pieces(grant, body, first)
        return Response(HTTPStatus.OK, b"", *fields, content_type=content_type, pieces=pieces)

    async def targets(self, grant: Grant) -> Response:
        """List the services that `grant` permits to read."""
        counted = await asyncio.get_running_loop().run_in_executor(self._thread, self._series.services)
        if grant.withdrawn:
            raise forbidden()
        found = {*self._shelf.services, *counted}
        services = sorted(one for one in found if grant.may("read", one))
        return Response(HTTPStatus.OK, msgspec.json.encode([ScrapeTargets(services)]), *FIELDS)

    def _start(self, services: Sequence[str] | None, *, openmetrics: bool, gzip: bool) -> tuple[ScrapeBody, bytes]:
        body = ScrapeBody(self._series.scrape(services, openmetrics=openmetrics), gzip=gzip)
        return body, body.write()

    async def _pieces(self, grant: Grant, body: ScrapeBody, first: bytes) -> AsyncGenerator[bytes, None]:
        yield first
        while not body.is_complete:
            piece = await asyncio.get_running_loop().run_in_executor(self._thread, body.write)
            if grant.withdrawn:
                raise Disconnect
            yield piece
