"""HTTP/1.1 on the raw: valid and broken requests, in any pieces, at any speed."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec
import pytest

from edgetally.http.connection import Connection
from edgetally.http.writer import PIECE
from tests.support.clock import LOOP_TURNS, START, until
from tests.support.gate import gate_before
from tests.support.served import Answer, Served, ndjson, record, served

GET = b"GET /v1/domains/svc/ts/h HTTP/1.1\r\nHost: x\r\n\r\n"
LINES = ndjson([record(0)])


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Transports differ, so this module runs on uvloop, which serves, and on asyncio, as the other tests do."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    """A service with an entry, and no connection yet."""
    async with served() as running:
        async with running.connect() as raw:
            await raw.ask(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(LINES), LINES))
        await running.to(2)
        await until(lambda: not running.service.server.connections)
        yield running


def is_refusal(answer: Answer, status: int) -> bool:
    """Check that `answer` is `{"Error": "…", "Timestamp": now, "msg": "…"}` and shows no internals."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    body = answer.json()
    assert list(body) == ["Error", "Timestamp", "msg"]
    assert body["msg"] == body["Error"]
    assert isinstance(body["Error"], str)
    assert body["Error"]
    assert isinstance(body["Timestamp"], int)
    assert not any(word in answer.body for word in (b"Traceback", b"<", b"edgetally/", b'.py"'))
    return True


# One connection, many requests


async def test_a_connection_is_kept(service: Served) -> None:
    async with service.connect() as raw:
        for _ in range(5):
            answer = await raw.ask(GET)
            assert answer.status == 200
            assert "connection" not in answer.headers
    await until(lambda: not service.service.server.connections)


async def test_pipelined_requests_are_answered_in_their_order(service: Served) -> None:
    paths = [
        b"/",
        b"/v1/domains/svc/ts/h",
        b"/nothing",
        b"/v1/origins/svc/ts/0",
        b"/openapi.json",
        b"/v1/domains/svc/ts/0",
    ]
    async with service.connect() as raw:
        await raw.send(b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in paths))
        answers = [await raw.answer() for _ in paths]

    assert [answer.status for answer in answers] == [200, 200, 404, 200, 200, 200]
    assert "about" in answers[0].json()
    assert "openapi" in answers[4].json()
    assert answers[5].json()["Data"][0]["recorded"] == START


async def test_requests_behind_a_long_poll_are_answered_after_it(service: Served) -> None:
    async with service.connect() as raw:
        await raw.send(b"GET /v1/domains/svc/ts/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (START + 2) + GET + GET)
        await until(lambda: service.waiting == 1)
        await service.push(record(1))
        await service.to(3)
        answers = [(await raw.answer()).json() for _ in range(3)]

    assert [len(answer["Data"]) for answer in answers] == [1, 2, 2]


async def test_a_thousand_pipelined_requests_have_a_thousand_answers(service: Served) -> None:
    async with service.connect() as raw:
        sending = asyncio.create_task(raw.send(GET * 1000))
        answers = [await raw.answer() for _ in range(1000)]
        await sending
    assert len({answer.body for answer in answers}) == 1


async def test_requests_are_handled_again_once_the_client_has_read_its_answers(service: Served) -> None:
    count = 20_000
    async with service.connect() as raw:
        sending = asyncio.create_task(raw.send(GET * count))
        # The buffers for answers are full long before the last request is read.
        await until(lambda: service.service.server.responses["read", 200] > 0)
        for _ in range(count):
            assert (await raw.answer()).status == 200
        await sending


async def test_a_sender_that_closes_its_half_is_answered(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    push = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(LINES), LINES)
    commits = gate_before(service.service.journal, monkeypatch)
    async with service.connect() as raw:
        await raw.send(push + push)
        raw.writer.write_eof()
        await commits.come(1)
        for _ in range(LOOP_TURNS):  # until the end has come
            await asyncio.sleep(0)
        commits.let_all()
        answers = [await raw.answer() for _ in range(2)]
        assert await raw.is_over()
    assert [answer.json()["accepted"] for answer in answers] == [1, 1]


async def test_a_large_answer_is_sent_whole_to_a_client_that_closes_its_half(service: Served) -> None:
    await service.push(*(record(0, domain=f"{one}.example", pop=f"P{one % 5}") for one in range(6000)))
    await service.to(6)
    whole = await service.client.get("/v1/domains/svc/ts/h")
    async with service.connect() as raw:
        await raw.send(GET)
        raw.writer.write_eof()
        assert (await raw.answer()).body == whole.content
        assert await raw.is_over()
    assert len(whole.content) > 2 * PIECE


async def test_a_long_poll_ends_when_its_client_closes_its_half(service: Served) -> None:
    async with service.connect() as raw:
        await raw.send(b"GET /v1/domains/svc/ts/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (START + 2))
        await until(lambda: service.waiting == 1)
        raw.writer.write_eof()
        assert await raw.is_over()
    assert service.waiting == 0


async def test_pushes_can_be_pipelined(service: Served) -> None:
    push = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(LINES), LINES)
    chunked = b"POST /ingest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
        len(LINES),
        LINES,
    )
    async with service.connect() as raw:
        await raw.send(push + chunked + push + GET)
        answers = [await raw.answer() for _ in range(4)]
    assert [answer.json().get("accepted") for answer in answers] == [1, 1, 1, None]


async def test_bytes_may_arrive_one_at_a_time(service: Served) -> None:
    push = b"POST /ingest?pop=FRA HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(LINES), LINES)
    async with service.connect() as raw:
        for byte in GET + push + GET:
            await raw.send(bytes([byte]))
            await asyncio.sleep(0)  # so that it is sent and read alone
        answers = [await raw.answer() for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert answers[1].json()["accepted"] == 1


async def test_the_same_bytes_get_another_answer_once_a_second_is_sealed(service: Served) -> None:
    question = b"GET /v1/domains/svc/ts/0 HTTP/1.1\r\nHost: x\r\n\r\n"
    async with service.connect() as raw:
        first = [(await raw.ask(question)).json() for _ in range(3)]
        await service.push(record(1))
        await service.to(3)
        second = [(await raw.ask(question)).json() for _ in range(3)]

    assert [answer["Timestamp"] for answer in first] == [START + 2] * 3
    assert [answer["Timestamp"] for answer in second] == [START + 3] * 3


# Versions and methods


class Kept(NamedTuple):
    name: str
    request: bytes
    connection: str | None  # the field in the answer
    stays: bool


KEPT = [
    Kept("HTTP/1.1 stays", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", None, stays=True),
    Kept("HTTP/1.1 that closes", b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "close", stays=False),
    Kept("HTTP/1.0 closes", b"GET / HTTP/1.0\r\n\r\n", "close", stays=False),
    Kept("HTTP/1.0 that stays", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", stays=True),
    Kept("no version closes", b"GET /\r\n\r\n", "close", stays=False),
    Kept("a cached answer that closes", GET[:-2] + b"Connection: close\r\n\r\n", "close", stays=False),
    Kept("a cached answer to HTTP/1.0", GET.replace(b"1.1", b"1.0"), "close", stays=False),
]


@pytest.mark.parametrize("case", KEPT, ids=lambda case: case.name)
async def test_whether_a_connection_stays_open(service: Served, case: Kept) -> None:
    for _ in range(2):
        async with service.connect() as raw:
            answer = await raw.ask(case.request)
            assert answer.status == 200
            assert answer.headers.get("connection") == case.connection
            if case.stays:
                assert (await raw.ask(case.request)).status == 200
            else:
                assert await raw.is_over()


@pytest.mark.parametrize(
    "path", ["/", "/openapi.json", "/v1/domains/svc/ts/h", "/.well-known/fastly/logging/challenge"]
)
async def test_head_is_get_without_the_body(service: Served, path: str) -> None:
    async with service.connect() as raw:
        for _ in range(2):
            full = await raw.ask(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
            await raw.send(b"HEAD %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
            head = await raw.answer(head=True)
            assert {**head.headers, "date": ""} == {**full.headers, "date": ""}
            assert int(head.headers["content-length"]) == len(full.body)


@pytest.mark.parametrize(
    "path", ["/", "/ingest", "/ingest/svc", "/v1/domains/svc/ts/0", "/v1/channel/x", "/nothing", "*"]
)
async def test_browsers_may_send_cross_origin_requests(service: Served, path: str) -> None:
    async with service.connect() as raw:
        answer = await raw.ask(
            b"OPTIONS %b HTTP/1.1\r\nHost: x\r\nOrigin: https://dashboard.example\r\n"
            b"Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: fastly-key\r\n\r\n" % path.encode()
        )
        assert answer.status == 204
        assert answer.body == b""
        assert "content-length" not in answer.headers
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "fastly-key" in answer.headers["access-control-allow-headers"]
        assert "get" in answer.headers["access-control-allow-methods"]
        assert (await raw.ask(GET)).status == 200


async def test_the_target_may_be_an_absolute_url(service: Served) -> None:
    async with service.connect() as raw:
        answer = await raw.ask(b"GET http://elsewhere.example/v1/domains/svc/ts/h HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.json()["Timestamp"] == START + 2


async def test_an_empty_field_is_empty(service: Served) -> None:
    async with service.connect() as raw:
        answer = await raw.ask(
            b"GET /v1/channel/svc/ts/0?kind= HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nAccept-Encoding:\r\n\r\n"
        )
    # As without a kind.
    assert (answer.status, answer.json()["Timestamp"]) == (200, START + 2)


UPGRADES = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n",
]


@pytest.mark.parametrize("upgrade", UPGRADES, ids=["HTTP/2, as curl --http2 and Java ask", "a web socket"])
async def test_an_offer_to_upgrade_is_ignored(service: Served, upgrade: bytes) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-7.8: a server may ignore it, and clients then go on."""
    get = GET[:-2] + upgrade + b"\r\n"
    async with service.connect() as raw:
        await raw.send(get + GET + get + get)
        answers = [await raw.answer() for _ in range(4)]
        assert [answer.status for answer in answers] == [200] * 4
        assert (await raw.ask(get)).status == 200
        assert (await raw.ask(GET)).status == 200


@pytest.mark.parametrize("upgrade", UPGRADES, ids=["HTTP/2", "a web socket"])
@pytest.mark.parametrize("framing", [b"Content-Length: 40\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_behind_an_offer_to_upgrade_is_never_parsed_as_requests(
    service: Served, upgrade: bytes, framing: bytes
) -> None:
    async with service.connect() as raw:
        await raw.send(b"POST /ingest HTTP/1.1\r\nHost: x\r\n" + upgrade + framing + b"\r\n" + GET)
        assert is_refusal(await raw.answer(), 400)
        await service.clock.advance(3)
        assert await raw.is_over()


# Broken requests


class Malformed(NamedTuple):
    name: str
    sent: bytes
    status: int = 400


MALFORMED = [
    Malformed("not HTTP", b"hello\r\n\r\n"),
    Malformed("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32)),
    Malformed("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Malformed("a version that does not exist", b"GET / HTTP/9.9\r\n\r\n"),
    Malformed("a method that does not exist", b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n"),
    Malformed("a proxy's request", b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"),
    Malformed("a field without a colon", b"GET / HTTP/1.1\r\nHost\r\n\r\n"),
    Malformed("a field name with a blank", b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n"),
    Malformed("a control character in a field", b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n"),
    Malformed("a folded field", b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb: c\r\n d\x01\r\n\r\n"),
    Malformed("a length that is no number", b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n"),
    Malformed("a negative length", b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
    Malformed(
        "a length beyond all numbers", b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %b\r\n\r\n" % (b"9" * 30)
    ),
    Malformed("two lengths", b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    Malformed(
        "a length and chunks",
        b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    Malformed(
        "a coding behind chunked",
        b"POST /ingest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    Malformed(
        "a chunk whose length is no number",
        b"POST /ingest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ),
    Malformed("a long address", b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 9000), 414),
    Malformed("a long address without an end", b"GET /" + b"a" * 100_000, 414),
    Malformed("a long query", b"GET /?%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a=b&" * 3000), 414),
    Malformed("a long field", b"GET / HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"a" * 70_000), 431),
    Malformed("a long field without an end", b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000, 431),
    Malformed("a long field name without an end", b"GET / HTTP/1.1\r\n" + b"a" * 200_000, 431),
    Malformed("many fields", b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n" % (b"X: y\r\n" * 20_000), 431),
    Malformed("many fields without an end", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000, 431),
    Malformed(
        "a chunk extension without an end",
        b"POST /ingest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"a" * 2_000_000,
        431,
    ),
    Malformed(
        "trailing fields without an end",
        b"POST /ingest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 20_000,
        431,
    ),
    Malformed("no Host", b"GET / HTTP/1.1\r\n\r\n"),
    Malformed("no Host, and a request behind", b"GET / HTTP/1.1\r\nX: y\r\n\r\n" + GET),
    Malformed("two Hosts", b"GET / HTTP/1.1\r\nHost: x\r\nX: y\r\nhost: y\r\n\r\n"),
    Malformed("a Host twice", b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"),
    Malformed("two Hosts of HTTP/1.0", b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n"),
    Malformed("a Host with a path", b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n"),
    Malformed("a Host with a blank", b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n"),
    Malformed("a push without a Host", b"POST /ingest HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd"),
]


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case.name)
async def test_a_broken_request_is_refused_and_the_connection_ends(service: Served, case: Malformed) -> None:
    async with service.connect() as raw:
        # The server may stop reading, so sending need not end before the answer comes.
        raw.writer.write(case.sent)
        answer = await raw.answer()
        assert is_refusal(answer, case.status)
        assert answer.headers["connection"] == "close"
        await service.clock.advance(3)
        assert await raw.is_over()
    await until(lambda: not service.service.server.connections)


@pytest.mark.parametrize("case", MALFORMED[:8], ids=lambda case: case.name)
async def test_a_broken_request_does_not_affect_the_answers_before_it(service: Served, case: Malformed) -> None:
    async with service.connect() as raw:
        assert (await raw.ask(GET)).status == 200
        assert is_refusal(await raw.ask(case.sent), 400)


@pytest.mark.parametrize("host", [b"", b"x", b" shop.example:8080 ", b"[::1]:8080", b"a_b%41"])
async def test_a_host_may_be_any_that_there_are(service: Served, host: bytes) -> None:
    async with service.connect() as raw:
        assert (await raw.ask(b"GET / HTTP/1.1\r\nHost:%b\r\n\r\n" % host)).status == 200


async def test_http_1_0_needs_no_host(service: Served) -> None:
    async with service.connect() as raw:
        assert (await raw.ask(b"GET / HTTP/1.0\r\n\r\n")).status == 200


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (b"", "expected a Host field with a host, got none"),
        (b"Host: x\r\nHost: y\r\n", "expected one Host field, got two"),
        (b"Host: x/\xff\r\n", "expected a Host field with a host, got 'x/ÿ'"),
    ],
)
async def test_a_wrong_host_is_named(service: Served, fields: bytes, problem: str) -> None:
    async with service.connect() as raw:
        assert (await raw.ask(b"GET / HTTP/1.1\r\n%b\r\n" % fields)).json()["Error"] == problem


@pytest.mark.parametrize("start", ["CONNECT x:443", "GET http://", "GET http://x:port/"])
async def test_a_target_without_a_path_is_named(service: Served, start: str) -> None:
    problem = f"expected a path as the target, got {start.partition(' ')[2]!r}"
    async with service.connect() as raw:
        answer = await raw.ask(f"{start} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.json()["Error"] == problem


async def test_a_header_at_the_limit_is_accepted(service: Served) -> None:
    async with service.connect() as raw:
        for _ in range(2):
            answer = await raw.ask(b"GET /?%b HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"a" * 8000, b"b" * 65_000))
            assert answer.status == 200


async def test_a_large_body_in_front_of_a_header_does_not_count_as_header(service: Served) -> None:
    body = LINES * 4000
    push = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with service.connect() as raw:
        await raw.send(push + GET[:20])
        assert (await raw.answer()).json()["accepted"] == 4000
        assert (await raw.ask(GET[20:])).status == 200


async def test_trailing_fields_are_ignored(service: Served) -> None:
    async with service.connect() as raw:
        answer = await raw.ask(
            b"POST /ingest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"%x\r\n%b\r\n0\r\nContent-Encoding: zstd\r\nExpect: nothing\r\n\r\n" % (len(LINES), LINES)
        )
        assert answer.json()["accepted"] == 1
        assert (await raw.ask(GET)).status == 200


# Refusals


REFUSED = [
    ("GET", "/nothing", 404),
    ("GET", "/index.html", 404),
    ("GET", "/v1", 404),
    ("GET", "/v1/", 404),
    ("GET", "/v1/domains", 404),
    ("GET", "/v1/domains/svc", 404),
    ("GET", "/v1/domains/svc/ts", 404),
    ("GET", "/v1/domains/svc/ts/0/limit", 404),
    ("GET", "/v1/domains/svc/ts/0/limit/1/2", 404),
    ("GET", "/v1/domains/svc/ts/0/max/1", 404),
    ("GET", "/v1/nothing/svc/ts/0", 404),
    ("GET", "/v2/domains/svc/ts/0", 404),
    ("GET", "/../../etc/passwd", 404),
    ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
    ("GET", "/v1/domains/%3Cscript%3E/ts/0", 400),
    ("GET", "/%3Cscript%3Ealert(1)%3C/script%3E", 404),
    ("GET", "/%ff%fe%00%0d%0aSet-Cookie:%20a=b", 404),
    ("GET", "/v1/domains/%ff/ts/0", 400),
    ("GET", "/v1/domains/%00/ts/0", 400),
    ("GET", "/v1/domains/%F0%9F%A6%80/ts/0", 400),
    ("GET", "/v1/domains/svc/ts/now", 400),
    ("GET", "/v1/domains/svc/ts/-1", 400),
    ("GET", "/v1/domains/svc/ts/1.5", 400),
    ("GET", "/v1/domains/svc/ts/%D9%A3", 400),
    ("GET", "/v1/domains/svc/ts/" + "9" * 19, 400),
    ("GET", "/v1/domains/svc/ts/" + "9" * 5000, 400),
    ("GET", "/v1/domains/svc/ts/h/limit/0", 400),
    ("GET", "/v1/domains/svc/ts/h/limit/-1", 400),
    ("GET", "/v1/domains/svc/ts/h/limit/ten", 400),
    ("GET", "/v1/channel/svc/ts/h?kind=%3Cb%3E", 400),
    ("POST", "/v1/domains/svc/ts/h", 405),
    ("DELETE", "/", 405),
    ("DELETE", "/openapi.json", 405),
    ("POST", "/.well-known/fastly/logging/challenge", 405),
    ("GET", "/ingest", 405),
    ("DELETE", "/ingest/svc", 405),
    ("TRACE", "/", 405),
    ("POST", "/ingest/a.b", 400),
    ("POST", "/ingest?pop=%00", 400),
]


@pytest.mark.parametrize(("method", "target", "status"), REFUSED, ids=[f"{one[0]} {one[1][:40]}" for one in REFUSED])
async def test_every_refusal_has_the_same_shape(service: Served, method: str, target: str, status: int) -> None:
    async with service.connect() as raw:
        answer = await raw.ask(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        is_markup_told = b"<" in answer.body
        assert is_refusal(Answer(answer.status, answer.headers, answer.body.replace(b"<", b"")), status)
        # The answer may repeat what the client sent; no browser renders JSON as a page.
        assert is_markup_told <= ("%3C" in target)
        assert "set-cookie" not in answer.headers
        assert len(answer.body) < 400
        assert (await raw.ask(GET)).status == 200


async def test_an_internal_error_has_the_same_shape(
    service: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the inside")

    monkeypatch.setattr(service.service.long_poll, "answer", bug)
    monkeypatch.setattr(service.service.group_commit, "open", bug)
    async with service.connect() as raw:
        reading = await raw.ask(b"GET /v1/domains/svc/ts/0 HTTP/1.1\r\nHost: x\r\n\r\n")
        pushing = await raw.ask(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        still = await raw.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    for answer in (reading, pushing):
        assert is_refusal(answer, 500)
        assert b"inside" not in answer.body
    assert still.status == 200
    assert [one.levelno for one in caplog.records] == [logging.ERROR] * 2
    assert all(one.exc_info and one.exc_info[0] is ZeroDivisionError for one in caplog.records)


# Timeouts


async def test_a_header_that_takes_too_long_is_refused(service: Served) -> None:
    async with service.connect() as raw:
        await raw.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
        for _ in range(20):
            await raw.send(b"X: y\r\n")
            await service.clock.advance(1)
        assert service.service.server.connections
        await raw.send(b"X: y\r\n")
        await service.clock.advance(1)
        assert is_refusal(await raw.answer(), 408)
        await service.clock.advance(3)
        assert await raw.is_over()
    await until(lambda: not service.service.server.connections)


async def test_a_slow_request_within_the_timeout_is_answered(service: Served) -> None:
    async with service.connect() as raw:
        await raw.send(GET[:-1])
        await service.clock.advance(19)
        assert (await raw.ask(GET[-1:])).status == 200


async def test_an_idle_connection_is_closed(service: Served) -> None:
    async with service.connect() as silent, service.connect() as asked:
        await asked.ask(GET)
        await service.clock.advance(50)
        await asked.ask(GET)
        await service.clock.advance(26)
        assert await silent.is_over()
        assert (await asked.ask(GET)).status == 200
        await service.clock.advance(77)
        assert await asked.is_over()
    await until(lambda: not service.service.server.connections)


async def test_a_waiting_reader_is_not_idle() -> None:
    async with served({"api": {"poll_timeout": 200}}) as service:
        parked = await service.park(f"/v1/domains/svc/ts/{START}")
        await service.to(199)
        assert not parked.done()
        await service.to(200)
        assert (await parked).status_code == 200


async def test_a_client_that_never_reads_is_closed(service: Served) -> None:
    """The answers are large enough to fill every buffer on the way, and never read."""
    await service.push(*(record(2, domain=f"{number}.{'x' * 60}.example") for number in range(3000)))
    await service.to(4)
    async with service.connect() as raw:
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typeshed has it for readers only
        await raw.send(GET * 100)
        await service.clock.advance(29)
        there = [one for one in service.service.server.connections if isinstance(one, Connection) and not one.is_lost]
        assert len(there) == 2
        await service.clock.advance(3)
        assert len(service.service.server.connections) == 1  # the connection of the push


async def test_unread_answers_take_no_more_memory_than_the_limit(service: Served) -> None:
    """Three readers request different large answers and read none; the limit admits two."""
    await service.push(*(record(2, domain=f"{number}.{'x' * 60}.example") for number in range(30_000)))
    await service.to(4)
    server = service.service.server
    size = len((await service.client.get("/v1/domains/svc/ts/0", headers={"Accept-Encoding": "identity"})).content)
    server.limits = msgspec.structs.replace(server.limits, max_unread_bytes=2 * size + 1000)
    async with service.connect() as one, service.connect() as two, service.connect() as same, service.connect() as last:
        for raw in (one, two):
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typeshed has it for readers only
        await one.send(b"GET /v1/domains/svc/ts/0 HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: server.unread.size > 0)
        await two.send(b"GET /v1/domains/svc/ts/h/limit/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: server.unread.size > size)
        refused = await last.ask(b"GET /v1/domains/svc/ts/h/limit/2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert is_refusal(refused, 503)
        assert refused.headers["retry-after"] == "1"
        assert server.limits_reached["max_unread_bytes"] == server.responses["read", 503] == 1
        # Others may share the answers that are pinned; small answers and pushes are not limited.
        again = await same.ask(b"GET /v1/domains/svc/ts/0 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len(again.body) == size
        assert (await last.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
        assert (await service.push(record(4)))["accepted"] == 1
        one.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len((await one.answer()).body) == size
        await until(lambda: server.unread.size < 2 * size)
        assert (await last.ask(b"GET /v1/domains/svc/ts/h/limit/2 HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
    await until(lambda: server.unread.size == 0)


async def test_a_refused_client_may_not_send_for_ever(service: Served) -> None:
    async with service.connect() as raw:
        await raw.send(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert is_refusal(await raw.answer(), 413)
        for _ in range(4):
            try:
                await raw.send(b"x" * 1000)
            except ConnectionError:
                break
            await service.clock.advance(0.75)
        assert await raw.is_over()
    await until(lambda: not service.service.server.connections)


async def test_a_refused_client_may_finish_sending_and_sees_the_refusal(service: Served) -> None:
    async with service.connect() as raw:
        body = b"x" * 3_000_000
        await raw.send(
            b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        assert is_refusal(await raw.answer(), 415)
        assert await raw.is_over()


# Many


async def test_many_connections_are_answered(service: Served) -> None:
    async def ask() -> bytes:
        async with service.connect() as raw:
            return (await raw.ask(GET)).body

    assert len(set(await asyncio.gather(*(ask() for _ in range(300))))) == 1
    await until(lambda: not service.service.server.connections)


async def test_connections_beyond_the_limit_are_refused(service: Served) -> None:
    server = service.service.server
    server.limits = msgspec.structs.replace(server.limits, max_connections=3)
    async with service.connect() as first, service.connect() as second, service.connect() as last:
        assert (await last.ask(GET)).status == 200
        assert (await first.ask(GET)).status == 200
        assert (await second.ask(GET)).status == 200
        async with service.connect() as third:
            assert is_refusal(await third.answer(), 503)
            assert await third.is_over()
        assert (await first.ask(GET)).status == 200
    await until(lambda: not server.connections)
    async with service.connect() as again:
        assert (await again.ask(GET)).status == 200


async def test_an_answer_says_how_long_it_is_and_is_json(service: Served) -> None:
    async with service.connect() as raw:
        for target in (b"/", b"/openapi.json", b"/v1/domains/svc/ts/h", b"/nothing"):
            answer = await raw.ask(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
            assert json.loads(answer.body)
            assert int(answer.headers["content-length"]) == len(answer.body)


async def test_a_large_answer_is_complete_whatever_the_client_sends_meanwhile(service: Served) -> None:
    await service.push(*(record(2, domain=f"{number}.{'x' * 60}.example") for number in range(3000)))
    await service.to(4)
    async with service.connect() as raw:
        whole = (await raw.ask(GET)).body
        assert len(whole) > 4 * PIECE
        await raw.send(GET * 2)
        assert (await raw.answer()).body == whole
        await raw.reader.readuntil(b"\r\n\r\n")
        await raw.send(b"no request\r\n\r\n")
        assert await raw.reader.readexactly(len(whole)) == whole
        assert is_refusal(await raw.answer(), 400)


async def test_a_large_answer_is_complete_when_the_connection_ends_behind_it(service: Served) -> None:
    await service.push(*(record(2, domain=f"{number}.{'x' * 60}.example") for number in range(3000)))
    await service.to(4)
    whole = (await service.client.get("/v1/domains/svc/ts/h")).content
    async with service.connect() as raw:
        answer = await raw.ask(GET.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        assert answer.headers["connection"] == "close"
        assert answer.body == whole
        assert await raw.is_over()
