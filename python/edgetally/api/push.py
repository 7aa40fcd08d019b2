"""
Push: records over HTTP.

    POST /ingest                      newline-delimited JSON, or one JSON array of records
    POST /ingest/{service_id}?pop=AMS defaults for records that do not name their service or POP
    POST /ingest?format=caddy         another format
    POST /ingest?weight=10            each line stands for ten requests

The answer comes once the records are in the journal, so 200 means counted. A push counts as a whole or not at all: when
the sender breaks off, or the body cannot be decompressed, nothing of it counts. When too many pushes are pending, the
answer is 429, and the sender may retry. With an `Idempotency-Key` a push counts once, however often it is sent.

In a shared journal, a push whose outcome is still not known after `journal.patience` gets 503 with `"outcome":
"unknown"`.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from contextlib import closing
from hashlib import sha256
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import UNSET

from edgetally.api.answers import PushAnswer, RejectedLine
from edgetally.api.authorization import forbidden
from edgetally.api.errors import CORS, NOT_HTML, Refusal, UnknownOutcome
from edgetally.errors import Busy, EdgetallyError, InputError, KeyReused, Mislabelled, TooLarge, Unavailable, Unknown
from edgetally.http.messages import WAKE_BYTES, Response
from edgetally.ingest.idempotency import IdempotencyKey
from edgetally.model import MAX_POP_BYTES, MAX_WEIGHT, SERVICE_ID
from edgetally.snippets import CANONICAL
from edgetally.snippets.detection import other_format
from edgetally.sources.compression import ENCODINGS, HEAD_BYTES, by_encoding, unexpected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from msgspec import UnsetType

    from edgetally.access.grants import Grant
    from edgetally.http.messages import Request
    from edgetally.ingest.group_commit import Push
    from edgetally.model import Report
    from edgetally.sources.compression import Decoder

IDEMPOTENCY_KEY = re.compile(rb"[ -~]{1,255}")

LIMITS = ("api.max_push_bytes", "api.max_push_decompressed_bytes", "api.max_push_tally_bytes")
"""Settings that limit one push."""

PARAMETERS = ("format", "pop", "weight")
"""Query parameters of a push."""

HEADER_PARAMETER = "header_"
"""Prefix of parameters that tell Cloudflare which headers to send. They are ignored, should they be sent too."""

MAGIC_BYTES = 10
"""As many bytes at the start of a body tell whether it is compressed."""

HINT_BYTES = 1 << 12
"""Bytes of a push in which another format is looked for: some lines."""

RETRY_AFTER = b"Retry-After: 2"
"""A failed journal is tried again every second."""

NOT_COUNTED = "nothing of this push was counted"
RETRY = f"{NOT_COUNTED}: send it again"
MAY_COUNT = "it may count later: with an Idempotency-Key it can be sent again, to any node"


class PushParameters(NamedTuple):
    """What the path and the query of a push say about its records; None: nothing."""

    service_id: str | None
    pop: str | None
    format: str | None
    weight: int | None

    @property
    def checksum(self) -> int:
        """A checksum, as it is stored with idempotency keys. It must not change: journals of before have it."""
        service_id, pop, format_, weight = self
        return zlib.crc32(f"Said({service_id=!r}, {pop=!r}, format={format_!r}, {weight=!r})".encode())


class BodyLimits(msgspec.Struct, frozen=True):
    """How large the body of a push may be, in bytes."""

    body_bytes: int
    decompressed_bytes: int


class Ingest:
    """Takes pushes."""

    def __init__(
        self, open_push: Callable[[PushParameters, Sequence[str] | None], Push], limits: BodyLimits, *, format: str
    ) -> None:
        """`format` is that of pushes that name none."""
        self._open_push = open_push
        self._limits = limits
        self._format = format
        self.limits_reached: Counter[str] = Counter(dict.fromkeys(LIMITS, 0))
        """Pushes that were larger than a limit, by its setting."""

    async def push(self, request: Request, service_id: str | None, grant: Grant) -> Response:
        """Count the records in the body of `request` for the services that the grant is for."""
        parameters = read_parameters(request, service_id or grant.only_service)
        decoder = body_decoder(request)
        length = request.header(b"content-length")
        if length.isdecimal() and int(length) > self._limits.body_bytes:
            raise self._too_large(self._body_too_large())
        key = key_name(request, parameters.service_id, grant.services)
        try:
            with closing(self._open_push(parameters, grant.services)) as push:
                content = parameters.checksum
                start = b""
                async for blocks in self._decompressed(request, decoder):
                    start = start or blocks[0]
                    await push.feed(*blocks)
                    if key:
                        for block in blocks:
                            content = zlib.crc32(block, content)
                if grant.withdrawn:
                    raise forbidden()
                report = await push.commit(IdempotencyKey(key, content) if key else None)
        except EdgetallyError as error:
            raise self._refusal(error) from error
        return answer(report, self._hint(parameters, start))

    def _hint(self, parameters: PushParameters, start: bytes) -> str | UnsetType:
        """Say so if a push that names no format looks like one that edges write. Canonical lines cost nothing here."""
        if parameters.format or self._format != CANONICAL:
            return UNSET
        # Neither in wrappers nor far: pushes of records without a domain pay for it, each time.
        found = other_format(start[:HINT_BYTES], CANONICAL, in_wrappers=False)
        if not found:
            return UNSET
        return f"lines look like format {found}, and are read as {CANONICAL}: push to ?format={found}"

    def _refusal(self, error: EdgetallyError) -> Refusal:
        match error:
            case TooLarge():
                return self._too_large(error)
            case Mislabelled():
                problem = f"the body is {error}, although Content-Encoding says so; {NOT_COUNTED}"
                return Refusal(HTTPStatus.BAD_REQUEST, problem)
            case InputError():
                return Refusal(HTTPStatus.BAD_REQUEST, f"{error}; {NOT_COUNTED}")
            case KeyReused():
                return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
            case Busy():
                return Refusal(HTTPStatus.TOO_MANY_REQUESTS, f"{error}; {RETRY}", RETRY_AFTER)
            case Unknown():
                return UnknownOutcome(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}; {MAY_COUNT}", RETRY_AFTER)
            case Unavailable():
                return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}; {RETRY}", RETRY_AFTER)
            case _:
                return Refusal(HTTPStatus.BAD_REQUEST, str(error))

    def _body_too_large(self) -> TooLarge:
        return TooLarge("api.max_push_bytes", f"the body is larger than {self._limits.body_bytes} bytes")

    def _too_large(self, error: TooLarge) -> Refusal:
        self.limits_reached[error.limit] += 1
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{error} ({error.limit}): send smaller pushes")

    async def _decompressed(self, request: Request, decoder: Decoder) -> AsyncIterator[Sequence[bytes]]:
        """Yield the decompressed body, several blocks at a time; raise InputError when it is damaged or too large."""
        received = decompressed = 0
        head = b""
        async for chunks in request.body:
            received += sum(map(len, chunks))
            if received > self._limits.body_bytes:
                raise self._body_too_large()
            blocks: list[bytes] = []
            size = 0
            for block in chain.from_iterable(map(decoder.feed, chunks)):
                blocks.append(block)
                size += len(block)
                if len(head) < MAGIC_BYTES:
                    head += block[:HEAD_BYTES]
                    check_head(head, request.header(b"content-encoding").lower())
                if decompressed + size > self._limits.decompressed_bytes:
                    problem = f"the body decompresses to more than {self._limits.decompressed_bytes} bytes"
                    raise TooLarge("api.max_push_decompressed_bytes", problem)
                if size >= WAKE_BYTES:
                    yield blocks
                    decompressed += size
                    blocks, size = [], 0
            if blocks:
                yield blocks
                decompressed += size
        decoder.finish()


def body_decoder(request: Request) -> Decoder:
    """Return the decoder for the `Content-Encoding` of a request."""
    encoding = request.header(b"content-encoding").lower()
    decoder = by_encoding(encoding)
    if decoder is None:
        raise unsupported(f"unknown Content-Encoding {encoding[:40]!r} (expected one of: gzip, zstd, identity)")
    return decoder


def check_head(head: bytes, encoding: str) -> None:
    """Refuse a body that is not what its `Content-Encoding` says, going by the start of what it decompresses to."""
    what = unexpected(head)
    if not what:
        return
    name = what.removesuffix("-compressed")
    if encoding not in ("", "identity"):
        problem = f"the body is {what} below its Content-Encoding (expected records)"
    elif name in ENCODINGS:
        problem = f"the body is {what}, which no Content-Encoding says: send Content-Encoding: {name}"
    else:
        problem = f"the body is {what} (expected records, compressed by gzip, zstd or not at all)"
    raise unsupported(f"{problem}; {NOT_COUNTED}")


def unsupported(problem: str) -> Refusal:
    """Return the refusal of a body in an encoding that is not supported."""
    return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, problem, b"Accept-Encoding: gzip, zstd")


def read_parameters(request: Request, service_id: str | None) -> PushParameters:
    """Read and check the query of a request."""
    if service_id is not None and not re.fullmatch(SERVICE_ID, service_id):
        problem = f"invalid service id {service_id[:80]!r} (expected 1 to 64 letters, digits, - or _)"
        raise Refusal(HTTPStatus.BAD_REQUEST, problem)
    for name in request.query:
        if name not in PARAMETERS and not name.startswith(HEADER_PARAMETER):
            problem = f"unknown parameter {name[:40]!r} (expected one of: {', '.join(PARAMETERS)})"
            raise Refusal(HTTPStatus.BAD_REQUEST, problem)
    pop = request.query.get("pop") or None
    if pop and not (pop.isprintable() and len(pop.encode()) <= MAX_POP_BYTES):
        problem = f"invalid pop (expected at most {MAX_POP_BYTES} bytes of printable characters)"
        raise Refusal(HTTPStatus.BAD_REQUEST, problem)
    return PushParameters(service_id, pop, request.query.get("format") or None, read_weight(request))


def read_weight(request: Request) -> int | None:
    """Read the `weight` of a request, if it has one."""
    text = request.query.get("weight")
    if not text:
        return None
    if not (text.isdecimal() and len(text) <= len(str(MAX_WEIGHT)) and 1 <= int(text) <= MAX_WEIGHT):
        problem = f"invalid weight {text[:40]!r} (expected an integer from 1 to {MAX_WEIGHT})"
        raise Refusal(HTTPStatus.BAD_REQUEST, problem)
    return int(text)


def key_name(request: Request, service_id: str | None, services: Sequence[str] | None) -> str | None:
    """Return the idempotency key of a request, if it has one, made unique among paths and grants."""
    key = request.headers.get(b"idempotency-key")
    if key is None:
        return None
    if not IDEMPOTENCY_KEY.fullmatch(key):
        problem = "invalid Idempotency-Key (expected 1 to 255 printable ASCII characters)"
        raise Refusal(HTTPStatus.BAD_REQUEST, problem)
    owner = "*" if services is None else sha256("\n".join(services).encode()).hexdigest()[:32]
    return f"{owner}:{service_id or ''}:{key.decode('ascii')}"


def answer(report: Report, hint: str | UnsetType = UNSET) -> Response:
    """Answer a push: 400 if something is wrong with its lines and none of them counts."""
    rejected = report.rejected.total()
    status = HTTPStatus.BAD_REQUEST if report.errors and not report.accepted else HTTPStatus.OK
    errors = [RejectedLine(line.line, f"{line.reason}: {line.sentence}") for line in report.rejections]
    return Response(status, msgspec.json.encode(PushAnswer(report.accepted, rejected, errors, hint)), *CORS, NOT_HTML)
