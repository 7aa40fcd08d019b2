"""
Push: records over HTTP.

    POST /ingest                      newline-delimited JSON, or one JSON array of records
    POST /ingest/{service_id}?pop=AMS defaults for records that do not name their service or POP
    POST /ingest?format=caddy         lines as another edge writes them
    POST /ingest?weight=10            lines that stand for ten requests each

The answer comes once the records are in the journal, so 200 means counted. A push counts as a whole or not at all:
when the sender breaks off, or what it sends cannot be decompressed, nothing of it does. When more comes than can be
folded, the answer is 429, and the sender may try again. With an `Idempotency-Key` it counts once, however often it is
sent.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from hashlib import sha256
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from edgetally import model
from edgetally.api.answers import PushAnswer, RejectedLine
from edgetally.api.authorization import forbidden
from edgetally.api.errors import CORS, NOT_HTML, Refusal
from edgetally.api.idempotency import Said as Answered
from edgetally.api.idempotency import checked
from edgetally.errors import Busy, ConfigError, InputError, Mislabelled, TooLarge, Unavailable
from edgetally.http.messages import WAKE_BYTES, Response
from edgetally.model import MAX_POP_BYTES, MAX_WEIGHT
from edgetally.sources.compression import by_encoding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from edgetally.access.grants import Grant
    from edgetally.api.idempotency import Once
    from edgetally.http.messages import Request
    from edgetally.journal.base import Checkpoints
    from edgetally.model import Rejection
    from edgetally.sources.compression import Decoder

SERVICE_ID = re.compile(model.SERVICE_ID)

LIMITS = ("api.max_push_bytes", "api.max_push_decompressed_bytes", "api.max_push_tally_bytes")
"""Settings that limit one push."""

PARAMETERS = ("format", "pop", "weight")
"""What the query of a push may say."""

FOR_THE_SENDER = "header_"
"""Begins parameters that tell Cloudflare which headers to send: none of our business, should they come along."""

RETRY_AFTER = b"Retry-After: 2"
"""The journal is tried again every second."""


class Report(Protocol):
    """What became of the lines of a push."""

    @property
    def accepted(self) -> int:
        """Lines that count."""

    @property
    def rejected(self) -> Counter[str]:
        """Lines that do not, by reason."""

    @property
    def rejections(self) -> Sequence[Rejection]:
        """The first of these."""


class Intake(Protocol):
    """What a push is fed into: a consumer's view of the worker's."""

    async def feed(self, *blocks: bytes) -> None:
        """Take more of it."""

    async def commit(self, marks: Callable[[Report], Checkpoints] | None = None) -> Report:
        """
        Count it, together with the marks that `marks` makes of what becomes of it.

        Returns once both are durable; raises Unavailable when they cannot be.
        """

    def close(self) -> None:
        """Nothing more comes of it."""


class Said(NamedTuple):
    """What a push says for those of its records that do not; None: nothing."""

    service_id: str | None
    pop: str | None
    format: str | None
    weight: int | None


class Bounds(NamedTuple):
    """How much one push may bring."""

    body_bytes: int
    decompressed_bytes: int


class Ingest:
    """Takes pushes."""

    def __init__(self, open_intake: Callable[[Said, Sequence[str] | None], Intake], bounds: Bounds, once: Once) -> None:
        self._open = open_intake
        self._bounds = bounds
        self._once = once
        self.limits_reached: Counter[str] = Counter(dict.fromkeys(LIMITS, 0))
        """Pushes that were larger than a limit, by its setting."""

    async def push(self, request: Request, service_id: str | None, grant: Grant) -> Response:
        """Count the records in the body of `request`, as far as its sender may push them."""
        said = saying(request, service_id or grant.only_service)
        decoder = decoding(request)
        length = request.header(b"content-length")
        if length.isdecimal() and int(length) > self._bounds.body_bytes:
            raise self._too_large(self._body_too_large())
        key = naming(request, said.service_id, grant.services)
        try:
            intake = self._open(said, grant.services)
        except ConfigError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from error
        except Unavailable as error:
            raise _later(error) from error
        try:
            content = await self._feed(intake, request, decoder, zlib.crc32(repr(said).encode()) if key else None)
            if grant.withdrawn:
                raise forbidden()
            if key and content is not None:
                return respond(await self._once.push(key, content, committing(intake)))
            return respond(answer(await intake.commit()))
        except TooLarge as error:
            raise self._too_large(error) from error
        except InputError as error:
            is_other = isinstance(error, Mislabelled)
            problem = f"the body is {error}, although Content-Encoding says so" if is_other else str(error)
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{problem}; nothing of this push was counted") from error
        except Unavailable as error:
            raise _later(error) from error
        finally:
            intake.close()

    def _body_too_large(self) -> TooLarge:
        return TooLarge("api.max_push_bytes", f"a push has at most {self._bounds.body_bytes} bytes")

    def _too_large(self, error: TooLarge) -> Refusal:
        self.limits_reached[error.limit] += 1
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{error}: send less at once")

    async def _feed(self, intake: Intake, request: Request, decoder: Decoder, content: int | None) -> int | None:
        """Feed all of the body; return the checksum `content` continued with it, if there is one."""
        async for pieces in self._pieces(request, decoder):
            await intake.feed(*pieces)
            if content is not None:
                for piece in pieces:
                    content = zlib.crc32(piece, content)
        return content

    async def _pieces(self, request: Request, decoder: Decoder) -> AsyncIterator[Sequence[bytes]]:
        """Yield the decompressed body, some pieces at once; raise InputError when it is damaged or too large."""
        received = meant = 0
        async for chunks in request.body:
            received += sum(map(len, chunks))
            if received > self._bounds.body_bytes:
                raise self._body_too_large()
            pieces: list[bytes] = []
            size = 0
            for piece in chain.from_iterable(map(decoder.feed, chunks)):
                pieces.append(piece)
                size += len(piece)
                if meant + size > self._bounds.decompressed_bytes:
                    problem = f"a push decompresses to at most {self._bounds.decompressed_bytes} bytes"
                    raise TooLarge("api.max_push_decompressed_bytes", problem)
                if size >= WAKE_BYTES:
                    yield pieces
                    meant += size
                    pieces, size = [], 0
            if pieces:
                yield pieces
                meant += size
        decoder.finish()


def decoding(request: Request) -> Decoder:
    """Return what decompresses the body of `request`."""
    encoding = request.header(b"content-encoding").lower()
    decoder = by_encoding(encoding)
    if decoder is None:
        problem = f"Content-Encoding {encoding[:40]!r} is not understood: send gzip, zstd or none"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, problem, b"Accept-Encoding: gzip, zstd")
    return decoder


def saying(request: Request, service_id: str | None) -> Said:
    """Return what `request` says for its records."""
    if service_id is not None and not SERVICE_ID.fullmatch(service_id):
        raise Refusal(HTTPStatus.BAD_REQUEST, "a service id has 1 to 64 letters, digits, - and _")
    for name in request.query:
        if name not in PARAMETERS and not name.startswith(FOR_THE_SENDER):
            problem = f"a push has no parameter {name[:40]!r}; there are {', '.join(PARAMETERS)}"
            raise Refusal(HTTPStatus.BAD_REQUEST, problem)
    pop = request.query.get("pop") or None
    if pop and not (pop.isprintable() and len(pop.encode()) <= MAX_POP_BYTES):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"a pop has at most {MAX_POP_BYTES} bytes, all of them printable")
    return Said(service_id, pop, request.query.get("format") or None, weight(request))


def naming(request: Request, service_id: str | None, services: Sequence[str] | None) -> str | None:
    """Return the name of a push that has one; whoever may push into other `services` has other names."""
    key = request.headers.get(b"idempotency-key")
    if key is None:
        return None
    owner = "*" if services is None else sha256("\n".join(services).encode()).hexdigest()[:32]
    return f"{owner}:{service_id or ''}:{checked(key)}"


def weight(request: Request) -> int | None:
    """Return how many requests each line stands for, if that is said."""
    said = request.query.get("weight")
    if said and not (said.isdecimal() and len(said) <= len(str(MAX_WEIGHT)) and 1 <= int(said) <= MAX_WEIGHT):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"a weight is a whole number from 1 to {MAX_WEIGHT}")
    return int(said) if said else None


def _later(error: Unavailable) -> Refusal:
    status = HTTPStatus.TOO_MANY_REQUESTS if isinstance(error, Busy) else HTTPStatus.SERVICE_UNAVAILABLE
    return Refusal(status, f"{error}; nothing of this push was counted: send it again", RETRY_AFTER)


def committing(intake: Intake) -> Callable[[Callable[[Answered], Checkpoints]], Coroutine[None, None, Answered]]:
    """Return what counts a push together with marks that tell how it was answered."""

    async def commit(marks: Callable[[Answered], Checkpoints]) -> Answered:
        return answer(await intake.commit(lambda report: marks(answer(report))))

    return commit


def answer(report: Report) -> Answered:
    """Say what became of the lines: 400 when there were some and none counts."""
    rejected = report.rejected.total()
    status = HTTPStatus.BAD_REQUEST if rejected and not report.accepted else HTTPStatus.OK
    errors = [RejectedLine(line.line, f"{line.reason}: {line.sentence}") for line in report.rejections]
    return Answered(status, msgspec.json.encode(PushAnswer(report.accepted, rejected, errors)).decode())


def respond(answered: Answered) -> Response:
    """Make the response."""
    return Response(HTTPStatus(answered.status), answered.body.encode(), *CORS, NOT_HTML)
