"""
What a client may pipeline over one connection: valid requests, and all others.

Each has its expected answer, which follows from the documentation and not from what the server does.
"""

import gzip
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from hypothesis import strategies as st

from tests.support.records import DrawnChoice
from tests.support.served import ndjson, record

MAX_PUSH = 100_000

SETTINGS: dict[str, dict[str, object]] = {
    "api": {"max_push_bytes": MAX_PUSH, "max_push_decompressed_bytes": 200_000},
    "clients": {"max_target_bytes": 256, "max_header_bytes": 1024},
}
"""Low limits."""

FULL = "full.example"
"""The disk is full for pushes with records of this domain."""

SMUGGLED = "smuggled.example"
"""Records of this domain are hidden in bodies that do not count, as if these were pushes."""

Flaw = Literal["", "closes", "breaks", "not a request", "is cut off"]


class Spec(NamedTuple):
    """What a request is about, before it is written."""

    start: str
    status: int
    fields: tuple[str, ...] = ()
    body: bytes = b""
    needs: Literal["head", "some", "all"] = "head"
    """How much of its body the server needs to answer it."""
    domain: str = ""
    """That of its records, which count."""
    accepted: int = 0
    rejected: int = 0
    key: str = ""


class Request(NamedTuple):
    """A request as it is sent."""

    spec: Spec
    data: bytes
    statuses: tuple[int, ...]
    """It is answered with one of these; without any, it is not answered."""
    ends: bool = False
    """The connection ends after its answer."""
    may_end: bool = False
    """The connection ends after its answer if that came before the end of the body."""
    continues: bool = False
    """It may get `100 Continue` before its answer."""
    stays: str | None = None
    """The header field `Connection` of the answer if the connection stays open."""
    is_whole: bool = True
    """It is a complete request."""

    @property
    def head(self) -> int:
        """The number of bytes before its body."""
        return self.data.find(b"\r\n\r\n") + 4


class Pipeline(NamedTuple):
    """What one client sends, and when."""

    requests: list[Request]
    pieces: list[bytes]
    iterations: int
    """Iterations of the event loop between two pieces."""
    commits: list[int]
    """Iterations of the event loop that each of the next commits takes."""

    def __repr__(self) -> str:
        """Show the start of each request and its statuses: bodies are long."""
        requests = [(request.data[:200], len(request.data), request.statuses) for request in self.requests]
        return f"{requests}, cut into {[*map(len, self.pieces)]}, iterations {self.iterations}, commits {self.commits}"


class Draw(DrawnChoice):
    """Decisions that hypothesis takes. The first option is the simplest."""

    def rarely(self) -> bool:
        return self.number(0, 9) == 9


LINE = ndjson([record(0, domain=SMUGGLED)])
HIDDEN = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(LINE), LINE)
BAD_LINE = b"GET /healthz HTTP/1.1\r\n\r\n"
GZIP = ("Content-Encoding: gzip",)


def push(draw: Draw, domain: str) -> Spec:
    """Push some records and some lines that are not records, of any size."""
    domain = FULL if draw.rarely() else domain
    good, bad, padding = draw.number(0, 3), draw.number(0, 2), draw.of([0, 0, 0, 17_000, 70_000])
    body = ndjson([record(0, domain=domain)] * good) + b" " * padding + b"\n" + BAD_LINE * bad
    status = 400 if bad and not good else 503 if good and domain == FULL else 200
    start, fields = draw.of(["POST /ingest", "PUT /ingest/svc"]), draw.of([(), (), GZIP])
    body = gzip.compress(body, mtime=0) if fields else body
    return Spec(start, status, fields, body, "all", domain, good, bad)


def keyed_push(draw: Draw, _domain: str) -> Spec:
    """
    Push a record with an idempotency key that others may use, too, with this record or with another.

    Two large ones with one key have the same record, because either of them may be folded first.
    """
    key = draw.of(["one", "two", "large"])
    domain = "large.example" if key == "large" else draw.of(["this.example", "that.example", FULL])
    body = ndjson([record(0, domain=domain)]) + b" " * (20_000 if key == "large" else 0)
    status = 503 if domain == FULL else 200
    return Spec("POST /ingest", status, (f"Idempotency-Key: {key}",), body, "all", domain, 1, 0, key)


def read(draw: Draw, _domain: str) -> Spec:
    """Read something, with a method that may or may not be allowed."""
    return draw.of(
        [
            Spec("GET /healthz", 200),
            Spec("GET /v1/domains/svc/ts/h", 200),
            Spec("HEAD /v1/domains/svc/ts/h", 200),
            Spec("GET /nothing", 404),
            Spec("HEAD /nothing", 404),
            Spec("OPTIONS /ingest", 204),
            Spec("GET /ingest", 405),
            Spec("DELETE /ingest", 405),
        ]
    )


def unwanted_body(draw: Draw, _domain: str) -> Spec:
    """Send a body that is not wanted."""
    spec = draw.of(
        [
            Spec("POST /healthz", 405),
            Spec("POST /nothing", 404),
            Spec("GET /healthz", 200),
            Spec("POST /ingest", 415, ("Content-Encoding: br",)),
            Spec("POST /ingest", 400, ("Idempotency-Key: " + "k" * 300,)),
            Spec("POST /ingest?colour=red", 400),
            Spec("POST /ingest/no.service", 400),
        ]
    )
    return spec._replace(body=HIDDEN * draw.of([1, 1, 300]))


REFUSED_PUSHES = [
    Spec("POST /ingest", 413, (), HIDDEN * 500, "some"),
    Spec("POST /ingest", 413, GZIP, gzip.compress(b"\n" * 300_000, mtime=0), "some"),
    Spec("POST /ingest", 400, GZIP, HIDDEN, "some"),
    Spec("POST /ingest", 400, GZIP, gzip.compress(LINE, mtime=0)[:-1], "all"),
]


def refused_push(draw: Draw, _domain: str) -> Spec:
    """Push a body that is refused for its content."""
    return draw.of(REFUSED_PUSHES)


MALFORMED_REQUESTS = [
    (b"nonsense\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost\r\n\r\n", 400),
    (b"BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
    (b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (
        b"POST /ingest HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: %d\r\n\r\n"
        % len(HIDDEN),
        400,
    ),
    (b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 300), 414),
    (b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nX: %b\r\n\r\n" % (len(HIDDEN), b"x" * 1100), 431),
]

MALFORMED_CHUNKS = [b"xyz\r\n", b"-1\r\n", b"3\r\nabcd\r\n", b"f" * 20 + b"\r\n"]


def malformed_request(draw: Draw) -> Request:
    """Send something that cannot be parsed as a request, with a push behind it."""
    data, status = draw.of(MALFORMED_REQUESTS)
    return Request(Spec("GET", status), data + HIDDEN, (status,), ends=True, is_whole=False)


def write(draw: Draw, spec: Spec, flaw: Flaw = "") -> Request:
    """Write a request in one of several ways."""
    is_old = draw.rarely() and flaw != "breaks"
    is_chunked = flaw == "breaks" or (draw.of([False, True]) and bool(spec.body) and not is_old)
    expects = bool(spec.body) and draw.of([False, False, False, True])
    connection = ("" if is_old else "close") if flaw == "closes" else ("keep-alive" if is_old else "")
    body = chunk(draw, spec.body, is_broken=flaw == "breaks") if is_chunked else spec.body
    if len(spec.body) > MAX_PUSH and not is_chunked:
        spec = spec._replace(needs="head")
    fields = [
        f"{spec.start} HTTP/1.{'0' if is_old else '1'}",
        "Host: x",
        *spec.fields,
        *(["Expect: 100-continue"] if expects else []),
        *([f"Connection: {connection}"] if connection else []),
        *(["Transfer-Encoding: chunked"] if is_chunked else [f"Content-Length: {len(body)}"] if body else []),
    ]
    early = () if spec.needs == "all" else (spec.status,)
    return Request(
        spec,
        "".join(f"{field}\r\n" for field in fields).encode() + b"\r\n" + body,
        (*early, 400) if flaw == "breaks" else (spec.status,),
        ends=flaw != "",
        may_end=bool(body) and spec.needs != "all",
        continues=expects and not is_old and spec.needs != "head",
        stays="keep-alive" if is_old else None,
        is_whole=flaw != "breaks",
    )


def chunk(draw: Draw, body: bytes, *, is_broken: bool) -> bytes:
    """Return `body` in chunks, one of them malformed if `is_broken`."""
    step = -(-len(body) // draw.number(1, 6))
    extension = draw.of([b"", b";name=value"])
    pieces = [body[at : at + step] for at in range(0, len(body), step)]
    chunks = [b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces]
    if is_broken:
        chunks.insert(len(chunks) - draw.number(0, len(chunks)), draw.of(MALFORMED_CHUNKS))
    return b"".join([*chunks, b"0\r\n", draw.of([b"", b"Idempotency-Key: late\r\n"]), b"\r\n"])


def cut_off(draw: Draw, request: Request) -> Request:
    """Let the client leave before the end of a request."""
    size = draw.number(1, len(request.data) - 1) if draw.of([False, True]) else len(request.data) - 1
    statuses = request.statuses if request.spec.needs == "head" and size >= request.head else ()
    return request._replace(data=request.data[:size], statuses=statuses, ends=bool(statuses))


WITH_BODY = [push, push, push, keyed_push, unwanted_body, refused_push]


def valid_request(draw: Draw, domain: str) -> Request:
    """Make a request without a flaw."""
    return write(draw, draw.of([*WITH_BODY, read])(draw, domain))


def last_requests(draw: Draw, domain: str) -> list[Request]:
    """Make a request that ends the connection, and requests behind it."""
    flaw: Flaw = draw.of(["closes", "breaks", "not a request", "is cut off", "breaks"])
    if flaw == "is cut off":
        return [cut_off(draw, write(draw, draw.of([push, keyed_push, read, unwanted_body])(draw, domain)))]
    kinds = WITH_BODY if flaw == "breaks" else [*WITH_BODY, read]
    request = malformed_request(draw) if flaw == "not a request" else write(draw, draw.of(kinds)(draw, domain), flaw)
    return [request, *(valid_request(draw, "behind.example") for _ in range(draw.number(0, 2)))]


def pieces_of(draw: Draw, requests: Sequence[Request]) -> list[bytes]:
    """Cut what is sent into pieces, near the ends and the heads of requests, where bugs are likely."""
    data = b"".join(request.data for request in requests)
    if len(data) < 3000 and draw.rarely():
        step = draw.of([1, 7])
        return [data[at : at + step] for at in range(0, len(data), step)]
    cuts, end = {0, len(data)}, 0
    for request in requests:
        within = draw.number(0, min(len(request.data), 500))
        offsets = draw.of([[], [request.head], [request.head, within], [within], [draw.number(-9, 9)]])
        cuts.update(min(max(0, end + offset), len(data)) for offset in offsets)
        end += len(request.data)
    return [data[begin:end] for begin, end in pairwise(sorted(cuts))]


@st.composite
def pipelines(data: st.DrawFn) -> Pipeline:
    """Make what one client sends."""
    draw = Draw(data)
    requests = [valid_request(draw, f"{number}.example") for number in range(draw.number(0, 6))]
    ends = draw.number(0, 3) or not requests
    requests += last_requests(draw, "last.example") if ends else []
    # The server may answer the same bytes again without parsing them.
    times = 1 if ends else draw.of([1, 2])
    commits = [draw.number(0, 6) for _ in range(draw.number(1, 4))]
    return Pipeline(requests * times, pieces_of(draw, requests) * times, draw.of([0, 1, 3, 30, 30]), commits)
