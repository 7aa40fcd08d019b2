"""Requests that are like one before are recognized without parsing, and mean what they mean when they are parsed."""

from http import HTTPStatus
from unittest.mock import Mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgetally.http.messages import Response
from edgetally.http.reader import IDLE, MOST_PATH, RequestReader
from edgetally.http.server import Limits, Server
from tests.support.clock import ManualClock

FIRST = b"GET /v1/domains/shop/ts/7 HTTP/1.1\r\nHost: a\r\nFastly-Key: secret\r\n\r\n"
REST = FIRST[FIRST.index(b" HTTP") :]

FIRSTS = [
    FIRST,
    FIRST.replace(b"GET", b"HEAD"),
    FIRST.replace(b"1.1", b"1.0"),
    FIRST.replace(b"Host: a", b"Host: a\r\nConnection: close"),
    FIRST.replace(b"Host: a", b"Host: a\r\nConnection: Upgrade\r\nUpgrade: h2c"),
    FIRST.replace(b"Host: a", b"Host: a\r\nContent-Length: 0"),
    FIRST.replace(b"Host: a", b"Host: a\r\nContent-Length: 4") + b"\r\n\r\n",
    FIRST.replace(b"Host: a", b"Host: a\r\nTransfer-Encoding: chunked") + b"0\r\n\r\n",
    FIRST.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue"),
    FIRST.replace(b"GET ", b"GET  "),
    FIRST.replace(b"/ts/7", b"/ts/7?x=1"),
    FIRST + b"\r\n",
    FIRST + FIRST,
    b"\r\n" + FIRST,
]

TARGETS = [b"/v1/domains/shop/ts/8", b"//a/b", b"/a/", b"/", b"*", b"http://a/b", b"/%41", b"/a?b=c", b"/a b", b""]
TARGETS += [b"/a" * length for length in (MOST_PATH // 2, MOST_PATH // 2 + 1)]


def reader() -> RequestReader:
    """Return a reader, which needs little of its connection and server."""
    server = Server(
        lambda _: Response(HTTPStatus.OK),
        error_response=lambda status, *_: Response(status),
        endpoint=str,
        cache_version=lambda: 0,
        clock=ManualClock(),
        limits=Limits(max_target_bytes=MOST_PATH),
    )
    return RequestReader(Mock(), server)


def read(*pieces: bytes) -> tuple[object, ...]:
    """Return all that the pieces mean."""
    made, bodies = reader(), []
    for piece in pieces:
        made.feed(piece)
        for request in made.requests:
            bodies += request.body._chunks  # noqa: SLF001 - a handler has taken them
            request.body.clear()
    requests = [(*one._replace(body=None), one.body.complete) for one in made.requests]  # type: ignore[arg-type]
    return requests, b"".join(bodies), made.state, made.failure, made.began, made.body is None or made.body.complete


@pytest.mark.parametrize("first", FIRSTS)
def test_another_path_means_the_same_in_one_piece_and_in_two(first: bytes) -> None:
    rest = first[first.index(b" HTTP") :]
    for second in (first, *(b"GET " + target + rest for target in TARGETS)):
        # In two pieces nothing is recognized.
        assert read(first, second) == read(first, second[:1], second[1:])


INSERTED = [b"\r\n", b"\r", b"\n", b" ", b"/", b"\x00", b"a", b" HTTP/1.1\r\nX: /b", FIRST]


@given(st.integers(0, len(FIRST)), st.integers(0, 2), st.sampled_from([*INSERTED, b""]))
@example(len(b"GET /v1"), 0, b" HTTP/1.1\r\nX: /b")
@example(len(FIRST), 0, FIRST)
@example(len(FIRST), 0, b"\r\n")
def test_what_is_nearly_the_same_means_what_it_means_in_two_pieces(at: int, without: int, inserted: bytes) -> None:
    second = FIRST[:at] + inserted + FIRST[at + without :]

    assert read(FIRST, second) == read(FIRST, second[:1], second[1:])


@pytest.mark.parametrize("path", ["/v1/domains/shop/ts/8", "/v1/domains/shop/ts/8/limit/1", "/v1/origins/blog-2/ts/h"])
def test_another_path_is_recognized(path: str) -> None:
    made = reader()
    made.feed(FIRST)
    first = made.requests.pop()

    made.feed(b"GET " + path.encode() + REST)

    (second,) = made.requests
    assert made.state is IDLE
    assert second == first._replace(path=path)
    assert second.headers is first.headers, "it was parsed"


def test_a_push_between_has_its_own_body() -> None:
    made = reader()
    made.feed(FIRST)
    made.feed(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
    made.feed(FIRST)

    first, push, again = made.requests
    assert push.body is not first.body
    assert made.body is again.body
    assert made.is_ahead
