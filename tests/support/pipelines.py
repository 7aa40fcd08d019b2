"""
What a client may send over one connection without waiting for answers: good requests, and all others.

Each says how it has to be answered. That is written down here from what the pages say, not from what the server does.
"""

import gzip
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from hypothesis import strategies as st

from tests.support.records import Drawn
from tests.support.served import ndjson, record

MAX_PUSH = 100_000

SETTINGS: dict[str, dict[str, object]] = {
    "api": {"max_push_bytes": MAX_PUSH, "max_push_decompressed_bytes": 200_000},
    "clients": {"max_target_bytes": 256, "max_header_bytes": 1024},
}
"""Limits that are reached soon."""

FULL = "full.example"
"""Whoever pushes records of this domain finds the disk full."""

SMUGGLED = "smuggled.example"
"""Records of this domain are in bodies that do not count, written there as if they were pushes."""

Flaw = Literal["", "closes", "breaks", "is none", "is cut off"]


class Meant(NamedTuple):
    """A request before it is written down."""

    start: str
    status: int
    fields: tuple[str, ...] = ()
    body: bytes = b""
    needs: Literal["head", "some", "all"] = "head"
    """How much of it has to come until it is answered."""
    domain: str = ""
    """Of its records, which count."""
    accepted: int = 0
    rejected: int = 0
    key: str = ""


class Ask(NamedTuple):
    """A request as it is sent."""

    meant: Meant
    data: bytes
    statuses: tuple[int, ...]
    """It is answered with one of these, or not at all if there are none."""
    ends: bool = False
    """The connection ends behind its answer."""
    may_end: bool = False
    """It does so if the answer was there before the end of the body."""
    continues: bool = False
    """It may be told `100 Continue` before it is answered."""
    stays: str | None = None
    """What the answer says of the connection when that goes on."""
    is_whole: bool = True
    """It is a request, down to its end."""

    @property
    def head(self) -> int:
        """Bytes until its body."""
        return self.data.find(b"\r\n\r\n") + 4


class Pipeline(NamedTuple):
    """What one client sends, and how slowly."""

    asks: list[Ask]
    pieces: list[bytes]
    turns: int
    """Turns of the event loop between two pieces."""
    commits: list[int]
    """Turns of the event loop that the next commits take."""

    def __repr__(self) -> str:
        """Show how each request begins and what it is answered: bodies are long."""
        asks = [(ask.data[:200], len(ask.data), ask.statuses) for ask in self.asks]
        return f"{asks}, cut into {[*map(len, self.pieces)]}, turns {self.turns}, commits {self.commits}"


class Draw(Drawn):
    """Decisions that hypothesis takes. The first option is the simplest."""

    def rarely(self) -> bool:
        return self.number(0, 9) == 9


LINE = ndjson([record(0, domain=SMUGGLED)])
HIDDEN = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(LINE), LINE)
BAD_LINE = b"GET /healthz HTTP/1.1\r\n\r\n"
GZIP = ("Content-Encoding: gzip",)


def push(draw: Draw, domain: str) -> Meant:
    """Push some records, and lines that are none, of any size."""
    domain = FULL if draw.rarely() else domain
    good, bad, padding = draw.number(0, 3), draw.number(0, 2), draw.of([0, 0, 0, 17_000, 70_000])
    body = ndjson([record(0, domain=domain)] * good) + b" " * padding + b"\n" + BAD_LINE * bad
    status = 400 if bad and not good else 503 if good and domain == FULL else 200
    start, fields = draw.of(["POST /ingest", "PUT /ingest/svc"]), draw.of([(), (), GZIP])
    body = gzip.compress(body, mtime=0) if fields else body
    return Meant(start, status, fields, body, "all", domain, good, bad)


def keyed(draw: Draw, _domain: str) -> Meant:
    """
    Push a record with a key, which others may have too, with this record or with another.

    Two large ones with one key bring the same: which of them is folded first nobody can say.
    """
    key = draw.of(["one", "two", "large"])
    domain = "large.example" if key == "large" else draw.of(["this.example", "that.example", FULL])
    body = ndjson([record(0, domain=domain)]) + b" " * (20_000 if key == "large" else 0)
    status = 503 if domain == FULL else 200
    return Meant("POST /ingest", status, (f"Idempotency-Key: {key}",), body, "all", domain, 1, 0, key)


def question(draw: Draw, _domain: str) -> Meant:
    """Ask for something, with a method that may or may not do."""
    return draw.of(
        [
            Meant("GET /healthz", 200),
            Meant("GET /v1/domains/svc/ts/h", 200),
            Meant("HEAD /v1/domains/svc/ts/h", 200),
            Meant("GET /nothing", 404),
            Meant("HEAD /nothing", 404),
            Meant("OPTIONS /ingest", 204),
            Meant("GET /ingest", 405),
            Meant("DELETE /ingest", 405),
        ]
    )


def unwanted(draw: Draw, _domain: str) -> Meant:
    """Send a body for which there is no use."""
    meant = draw.of(
        [
            Meant("POST /healthz", 405),
            Meant("POST /nothing", 404),
            Meant("GET /healthz", 200),
            Meant("POST /ingest", 415, ("Content-Encoding: br",)),
            Meant("POST /ingest", 400, ("Idempotency-Key: " + "k" * 300,)),
            Meant("POST /ingest?colour=red", 400),
            Meant("POST /ingest/no.service", 400),
        ]
    )
    return meant._replace(body=HIDDEN * draw.of([1, 1, 300]))


HOPELESS = [
    Meant("POST /ingest", 413, (), HIDDEN * 500, "some"),
    Meant("POST /ingest", 413, GZIP, gzip.compress(b"\n" * 300_000, mtime=0), "some"),
    Meant("POST /ingest", 400, GZIP, HIDDEN, "some"),
    Meant("POST /ingest", 400, GZIP, gzip.compress(LINE, mtime=0)[:-1], "all"),
]


def hopeless(draw: Draw, _domain: str) -> Meant:
    """Push what is refused for what is in it."""
    return draw.of(HOPELESS)


NO_REQUESTS = [
    (b"nonsense\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost\r\n\r\n", 400),
    (b"BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"POST /ingest HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /ingest HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
    (b"POST /ingest HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST /ingest HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN), 400),
    (b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 300), 414),
    (b"POST /ingest HTTP/1.1\r\nContent-Length: %d\r\nX: %b\r\n\r\n" % (len(HIDDEN), b"x" * 1100), 431),
]

NO_CHUNKS = [b"xyz\r\n", b"-1\r\n", b"3\r\nabcd\r\n", b"f" * 20 + b"\r\n"]


def no_request(draw: Draw) -> Ask:
    """Send what cannot be read as a request, with a push behind it."""
    data, status = draw.of(NO_REQUESTS)
    return Ask(Meant("GET", status), data + HIDDEN, (status,), ends=True, is_whole=False)


def written(draw: Draw, meant: Meant, flaw: Flaw = "") -> Ask:
    """Write a request, in one of the ways there are."""
    is_old = draw.rarely() and flaw != "breaks"
    is_chunked = flaw == "breaks" or (draw.of([False, True]) and bool(meant.body) and not is_old)
    expects = bool(meant.body) and draw.of([False, False, False, True])
    connection = ("" if is_old else "close") if flaw == "closes" else ("keep-alive" if is_old else "")
    body = chunked(draw, meant.body, is_broken=flaw == "breaks") if is_chunked else meant.body
    if len(meant.body) > MAX_PUSH and not is_chunked:
        meant = meant._replace(needs="head")
    fields = [
        f"{meant.start} HTTP/1.{'0' if is_old else '1'}",
        "Host: x",
        *meant.fields,
        *(["Expect: 100-continue"] if expects else []),
        *([f"Connection: {connection}"] if connection else []),
        *(["Transfer-Encoding: chunked"] if is_chunked else [f"Content-Length: {len(body)}"] if body else []),
    ]
    early = () if meant.needs == "all" else (meant.status,)
    return Ask(
        meant,
        "".join(f"{field}\r\n" for field in fields).encode() + b"\r\n" + body,
        (*early, 400) if flaw == "breaks" else (meant.status,),
        ends=flaw != "",
        may_end=bool(body) and meant.needs != "all",
        continues=expects and not is_old and meant.needs != "head",
        stays="keep-alive" if is_old else None,
        is_whole=flaw != "breaks",
    )


def chunked(draw: Draw, body: bytes, *, is_broken: bool) -> bytes:
    """Return `body` in chunks, one of which may be broken."""
    step = -(-len(body) // draw.number(1, 6))
    extension = draw.of([b"", b";name=value"])
    pieces = [body[at : at + step] for at in range(0, len(body), step)]
    chunks = [b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces]
    if is_broken:
        chunks.insert(len(chunks) - draw.number(0, len(chunks)), draw.of(NO_CHUNKS))
    return b"".join([*chunks, b"0\r\n", draw.of([b"", b"Idempotency-Key: late\r\n"]), b"\r\n"])


def cut_off(draw: Draw, ask: Ask) -> Ask:
    """Let the client leave before the end of a request."""
    size = draw.number(1, len(ask.data) - 1) if draw.of([False, True]) else len(ask.data) - 1
    statuses = ask.statuses if ask.meant.needs == "head" and size >= ask.head else ()
    return ask._replace(data=ask.data[:size], statuses=statuses, ends=bool(statuses))


WITH_BODY = [push, push, push, keyed, unwanted, hopeless]


def asked(draw: Draw, domain: str) -> Ask:
    """Make a request without a flaw."""
    return written(draw, draw.of([*WITH_BODY, question])(draw, domain))


def last(draw: Draw, domain: str) -> list[Ask]:
    """Make what ends a connection, and what comes behind it nevertheless."""
    flaw: Flaw = draw.of(["closes", "breaks", "is none", "is cut off", "breaks"])
    if flaw == "is cut off":
        return [cut_off(draw, written(draw, draw.of([push, keyed, question, unwanted])(draw, domain)))]
    kinds = WITH_BODY if flaw == "breaks" else [*WITH_BODY, question]
    ask = no_request(draw) if flaw == "is none" else written(draw, draw.of(kinds)(draw, domain), flaw)
    return [ask, *(asked(draw, "behind.example") for _ in range(draw.number(0, 2)))]


def pieces_of(draw: Draw, asks: Sequence[Ask]) -> list[bytes]:
    """Cut what is sent into pieces: near the ends and the heads of requests, where something may go wrong."""
    data = b"".join(ask.data for ask in asks)
    if len(data) < 3000 and draw.rarely():
        step = draw.of([1, 7])
        return [data[at : at + step] for at in range(0, len(data), step)]
    cuts, end = {0, len(data)}, 0
    for ask in asks:
        within = draw.number(0, min(len(ask.data), 500))
        offsets = draw.of([[], [ask.head], [ask.head, within], [within], [draw.number(-9, 9)]])
        cuts.update(min(max(0, end + offset), len(data)) for offset in offsets)
        end += len(ask.data)
    return [data[begin:end] for begin, end in pairwise(sorted(cuts))]


@st.composite
def pipelines(data: st.DrawFn) -> Pipeline:
    """Make what one client sends."""
    draw = Draw(data)
    asks = [asked(draw, f"{number}.example") for number in range(draw.number(0, 6))]
    ends = draw.number(0, 3) or not asks
    asks += last(draw, "last.example") if ends else []
    # The same bytes once more may be given the same answer without being read.
    times = 1 if ends else draw.of([1, 2])
    commits = [draw.number(0, 6) for _ in range(draw.number(1, 4))]
    return Pipeline(asks * times, pieces_of(draw, asks) * times, draw.of([0, 1, 3, 30, 30]), commits)
