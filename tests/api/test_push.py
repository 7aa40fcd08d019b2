"""Push: what may be sent, how it is answered, and that it counts as a whole or not at all."""

import asyncio
import bz2
import gzip
import json
import lzma
import sys
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple
from urllib.parse import unquote

import pytest

from edgetally import _core
from tests.support.clock import START, until
from tests.support.served import Json, Served, ndjson, record, served

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

THREE = [record(0), record(0, domain="b.example"), record(0)]
LINES = ndjson(THREE)
ARRAY = json.dumps(THREE).encode()
HALF = ndjson(THREE[:1])
REST = ndjson(THREE[1:])


async def counted(service: Served, service_id: str = "svc") -> int:
    """Seal everything that was pushed, and return how many requests the service's entries show."""
    await service.clock.advance(10)
    entries = await service.entries(service_id=service_id)
    return sum(domain["requests"] for entry in entries for domain in entry["aggregated"].values())


class Form(NamedTuple):
    name: str
    body: bytes
    coding: str | None = None


FORMS = [
    Form("newline-delimited JSON", LINES),
    Form("without a last newline", LINES.rstrip(b"\n")),
    Form("with CRLF", LINES.replace(b"\n", b"\r\n")),
    Form("with blank lines", b"\n\n" + LINES.replace(b"\n", b"\n  \n")),
    Form("a JSON array", ARRAY),
    Form("a JSON array over many lines", json.dumps(THREE, indent=2).encode()),
    Form("a JSON array after blanks", b" \r\n\t" + ARRAY + b"\n"),
    Form("one object over one line", ndjson([record(0, weight=3)]).replace(b"\n", b"")),
    Form("identity", LINES, "identity"),
    Form("gzip", gzip.compress(LINES), "gzip"),
    Form("gzip by its older name", gzip.compress(LINES), "x-gzip"),
    Form("gzip in capitals", gzip.compress(LINES), "GZIP"),
    Form("gzip of an array", gzip.compress(ARRAY), "gzip"),
    Form("gzip of two members that meet at a line", gzip.compress(HALF) + gzip.compress(REST), "gzip"),
    Form("gzip of two members that meet in a line", gzip.compress(LINES[:50]) + gzip.compress(LINES[50:]), "gzip"),
    Form("gzip with an empty member", gzip.compress(LINES) + gzip.compress(b""), "gzip"),
    Form("zstd", zstd.compress(LINES), "zstd"),
    Form("zstd of an array", zstd.compress(ARRAY), "zstd"),
    Form("zstd with a frame to skip", b"\x50\x2a\x4d\x18\1\0\0\0x" + zstd.compress(LINES), "zstd"),
    Form("zstd of two frames that meet in a line", zstd.compress(LINES[:50]) + zstd.compress(LINES[50:]), "zstd"),
]


async def test_a_push_may_choose_its_format(service: Served) -> None:
    line = b'{"ts":%d,"request":{"host":"a.example","proto":"HTTP/2.0"},"status":200,"size":5}' % (START)
    answer = await service.client.post("/ingest/svc?format=caddy", content=line)

    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    await service.clock.advance(10)
    (entry,) = await service.entries()
    assert entry["aggregated"]["a.example"]["http2"] == 1


async def test_a_push_that_looks_like_another_format_is_told_so(service: Served) -> None:
    line = (
        b'{"level":"info","ts":%d,"logger":"http.log.access","msg":"handled request","request":{"host":"a.example",'
        b'"proto":"HTTP/2.0","method":"GET","uri":"/","headers":{}},"duration":0.1,"size":5,"status":200}\n'
    ) % START
    told = (await service.client.post("/ingest/svc", content=line)).json()
    assert told["hint"] == "lines look like format caddy, and are read as canonical: push to ?format=caddy"
    for path, content in (("/ingest/svc?format=caddy", line), ("/ingest/svc", LINES), ("/ingest/svc", b"")):
        assert "hint" not in (await service.client.post(path, content=content)).json()


async def test_a_push_may_choose_its_weight(service: Served) -> None:
    answer = await service.client.post("/ingest/svc?weight=10", content=LINES)

    assert (answer.status_code, answer.json()["accepted"]) == (200, 3)
    assert await counted(service) == 30


@pytest.mark.parametrize("weight", ["0", "-1", "1.5", "ten", "4294967297", "1" * 5000])
async def test_an_invalid_weight_is_refused(service: Served, weight: str) -> None:
    answer = await service.client.post(f"/ingest?weight={weight}", content=LINES)

    assert answer.status_code in (400, 414)
    assert await counted(service) == 0


async def test_the_trial_push_of_cloudflare_is_accepted(service: Served) -> None:
    trial = gzip.compress(b'{"content":"tests"}')
    answer = await service.client.post("/ingest?format=cloudflare", content=trial, headers={"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()) == (200, {"accepted": 0, "rejected": 0, "errors": []})


async def test_an_unknown_format_is_refused_and_the_known_ones_are_listed(service: Served) -> None:
    answer = await service.client.post("/ingest?format=cadddy", content=LINES)

    assert answer.status_code == 400
    assert "unknown format 'cadddy' (expected one of: apache, caddy, " in answer.json()["Error"]
    assert await counted(service) == 0


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
async def test_a_push_counts(service: Served, form: Form) -> None:
    headers = {"Content-Encoding": form.coding} if form.coding else {}
    answer = await service.client.post("/ingest", content=form.body, headers=headers)

    lines = 1 if form.name == "one object over one line" else 3
    assert (answer.status_code, answer.json()) == (200, {"accepted": lines, "rejected": 0, "errors": []})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert await counted(service) == 3


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
async def test_a_push_counts_however_it_is_cut_into_chunks(service: Served, form: Form) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(form.body), 7):
            yield form.body[at : at + 7]

    headers = {"Content-Encoding": form.coding} if form.coding else {}
    answer = await service.client.post("/ingest", content=chunks(), headers=headers)

    assert answer.status_code == 200
    assert await counted(service) == 3


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("coding", ["", "gzip", "zstd"])
async def test_a_large_push_counts(service: Served, method: str, coding: str) -> None:
    number = 20_000
    body = LINES * (number // 3) + HALF * (number % 3)
    packed = {"": body, "gzip": gzip.compress(body, 1), "zstd": zstd.compress(body)}[coding]
    headers = {"Content-Encoding": coding} if coding else {}

    answer = await service.client.request(method, "/ingest", content=packed, headers=headers)

    assert answer.json() == {"accepted": number, "rejected": 0, "errors": []}
    assert await counted(service) == number


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-ndjson", "a lie"])
async def test_the_content_type_does_not_matter(service: Served, content_type: str) -> None:
    for body in (LINES, ARRAY):
        answer = await service.client.post("/ingest", content=body, headers={"Content-Type": content_type})
        assert answer.json()["accepted"] == 3


async def test_a_push_that_expects_100_continue_gets_it(service: Served) -> None:
    async with service.connect() as raw:
        await raw.send(
            b"POST /ingest HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(LINES)
        )
        assert await raw.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        answer = await raw.ask(LINES)
        assert answer.json()["accepted"] == 3
        again = await raw.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert again.status == 200
    assert await counted(service) == 3


async def test_a_push_that_does_not_wait_for_100_continue_does_not_get_it(service: Served) -> None:
    async with service.connect() as raw:
        answer = await raw.ask(
            b"POST /ingest HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(LINES)
            + LINES
        )
    assert answer.status == 200


async def test_a_push_that_expects_100_continue_may_be_refused_before_its_body_is_sent(service: Served) -> None:
    async with service.connect() as raw:
        answer = await raw.ask(
            b"POST /ingest HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100000001\r\n\r\n"
        )
    assert answer.status == 413


# Defaults


class Default(NamedTuple):
    name: str
    path: str
    names: Json  # what the record says itself
    service_id: str
    pop: str


DEFAULTS = [
    Default("the settings' service and POP", "/ingest", {}, "default", "local"),
    Default("the path's service", "/ingest/shop", {}, "shop", "local"),
    Default("the query's POP", "/ingest?pop=FRA", {}, "default", "FRA"),
    Default("both", "/ingest/shop?pop=FRA", {}, "shop", "FRA"),
    Default("an empty POP is no POP", "/ingest/shop?pop=", {}, "shop", "local"),
    Default("a POP of two words", "/ingest?pop=New%20York", {}, "default", "New York"),
    Default("the record's own service", "/ingest/shop", {"service_id": "own"}, "own", "local"),
    Default("the record's own POP", "/ingest/shop?pop=FRA", {"pop": "AMS"}, "shop", "AMS"),
    Default("a record with empty fields", "/ingest/shop?pop=FRA", {"pop": "-", "service_id": ""}, "shop", "FRA"),
    Default("the longest service id", f"/ingest/{'s' * 64}", {}, "s" * 64, "local"),
]


@pytest.mark.parametrize("case", DEFAULTS, ids=lambda case: case.name)
async def test_defaults_hold_for_records_that_do_not_say_otherwise(service: Served, case: Default) -> None:
    await service.push({"ts": START, "status": 200, "domain": "a.example", **case.names}, path=case.path)
    await service.to(2)

    (entry,) = await service.entries(service_id=case.service_id)

    assert list(entry["datacenter"]) == [case.pop]


async def test_defaults_are_settings() -> None:
    async with served({"records": {"service_id": "mine", "pop": "HEL"}}) as service:
        await service.push({"status": 200})
        await service.to(2)
        (entry,) = await service.entries(service_id="mine")
        assert list(entry["datacenter"]) == ["HEL"]


async def test_a_record_without_time_counts_when_it_arrives(service: Served) -> None:
    await service.to(7.9)
    await service.push({"service_id": "svc", "status": 200})
    await service.to(9)
    (entry,) = await service.entries()
    assert entry["recorded"] == START + 7


@pytest.mark.parametrize("pop", ["x" * 65, "%C3%A9" * 33, "%00", "A%0AB", "%1b[31m", "%7F", "%E2%80%A8"])
async def test_an_invalid_pop_is_refused(service: Served, pop: str) -> None:
    answer = await service.client.post(f"/ingest?pop={pop}", content=LINES)
    assert answer.status_code == 400
    assert "pop" in answer.json()["Error"]
    assert await counted(service) == 0


@pytest.mark.parametrize("name", ["popp", "wieght", "POP", "pop%20", "service_id", "header-pop", ""])
async def test_an_unknown_parameter_is_refused_and_the_known_ones_are_listed(service: Served, name: str) -> None:
    answer = await service.client.post(f"/ingest/svc?format=canonical&{name}=10", content=LINES)
    assert answer.status_code == 400
    assert answer.json()["Error"] == f"unknown parameter {unquote(name)!r} (expected one of: format, pop, weight)"
    assert await counted(service) == 0


async def test_header_parameters_for_cloudflare_are_ignored(service: Served) -> None:
    answer = await service.client.post("/ingest/svc?header_Fastly-Key=TOKEN&pop=FRA", content=LINES)
    assert answer.json()["accepted"] == 3


@pytest.mark.parametrize("service_id", ["s" * 65, "a.b", "a%20b", "%C3%A9", "a%00", "..%5C"])
async def test_an_invalid_service_id_in_the_path_is_refused(service: Served, service_id: str) -> None:
    answer = await service.client.post(f"/ingest/{service_id}", content=LINES)
    assert answer.status_code == 400
    assert "service id" in answer.json()["Error"]
    assert await counted(service) == 0


# Rejections


async def test_rejected_lines_are_reported_with_their_number(service: Served) -> None:
    body = b"\n".join(
        [
            ndjson([record(0)]).strip(),
            b"",
            b"not JSON",
            ndjson([record(-1000)]).strip(),
            ndjson([record(1000)]).strip(),
            b'{"ts":%d,"service_id":"svc"}' % START,
            b'{"status":9999}',
            b'{"status":200,"weight":0}',
            b'{"status":200,"service_id":"no way"}',
            b'{"status":20',
        ]
    )

    report = (await service.client.post("/ingest", content=body)).json()

    assert (report["accepted"], report["rejected"]) == (1, 8)
    assert [(error["line"], error["reason"].partition(":")[0]) for error in report["errors"]] == [
        (3, "not_json"),
        (4, "too_old"),
        (5, "too_new"),
        (6, "no_part"),
        (7, "bad_status"),
        (8, "bad_weight"),
        (9, "bad_service_id"),
        (10, "truncated"),
    ]
    assert service.service.totals.rejected.total() == 8
    assert await counted(service) == 1


async def test_elements_of_an_array_are_numbered_like_lines(service: Served) -> None:
    report = (await service.client.post("/ingest", content=json.dumps([record(0), 5, record(0), {}]))).json()
    assert (report["accepted"], report["rejected"]) == (2, 2)
    assert [error["line"] for error in report["errors"]] == [2, 4]


@pytest.mark.parametrize(("status", "came"), [(200, 2), (200, 1), (400, 0)])
async def test_an_array_that_is_cut_off_is_reported(service: Served, status: int, came: int) -> None:
    body = json.dumps(THREE[:came]).encode().removesuffix(b"]")
    answer = await service.client.post("/ingest", content=body)
    said = dict(_core.reasons())["truncated"]
    errors = [{"line": came + 1, "reason": f"truncated: {said}"}]
    assert (answer.status_code, answer.json()) == (status, {"accepted": came, "rejected": 1, "errors": errors})
    assert await counted(service) == came


async def test_an_array_may_follow_another_one(service: Served) -> None:
    answer = await service.client.post("/ingest", content=ARRAY + b"\n" + ARRAY)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 6, "rejected": 0, "errors": []})
    assert await counted(service) == 6


async def test_records_may_follow_an_array(service: Served) -> None:
    answer = await service.client.post("/ingest", content=ARRAY + b"\n" + LINES)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 6, "rejected": 0, "errors": []})
    assert await counted(service) == 6


async def test_other_data_after_an_array_is_rejected(service: Served) -> None:
    answer = await service.client.post("/ingest", content=ARRAY + b"\nno\n" + LINES)
    said = "not_json: data after the end of the array: expected records or other arrays"
    errors = [{"line": 4, "reason": said}]
    assert (answer.status_code, answer.json()) == (200, {"accepted": 3, "rejected": 1, "errors": errors})
    assert await counted(service) == 3


async def test_no_more_than_ten_errors_are_listed(service: Served) -> None:
    report = (await service.client.post("/ingest", content=LINES + b"no\n" * 5000)).json()
    assert (report["accepted"], report["rejected"]) == (3, 5000)
    assert [error["line"] for error in report["errors"]] == list(range(4, 14))


async def test_a_push_without_any_record_that_counts_is_a_bad_request(service: Served) -> None:
    answer = await service.client.post("/ingest", content=b"no\n" * 12)
    assert answer.status_code == 400
    assert (answer.json()["accepted"], answer.json()["rejected"], len(answer.json()["errors"])) == (0, 12, 10)
    assert answer.json()["errors"][0] == {
        "line": 1,
        "reason": "not_json: not a JSON object: expected one record per line, in JSON",
    }


@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n\t\n", b"[]", b" [ ] \n"])
async def test_a_push_without_records_is_accepted(service: Served, body: bytes) -> None:
    for coding, packed in (("identity", body), ("gzip", gzip.compress(body)), ("zstd", zstd.compress(body))):
        answer = await service.client.post("/ingest", content=packed, headers={"Content-Encoding": coding})
        assert (answer.status_code, answer.json()) == (200, {"accepted": 0, "rejected": 0, "errors": []})


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_an_empty_body_is_accepted_with_any_coding(service: Served, coding: str) -> None:
    answer = await service.client.post("/ingest", content=b"", headers={"Content-Encoding": coding})
    assert (answer.status_code, answer.json()) == (200, {"accepted": 0, "rejected": 0, "errors": []})


AGES = [(-121, "too_old"), (-120, ""), (-119, ""), (0, ""), (5, ""), (6, "too_new"), (10**6, "too_new")]


@pytest.mark.parametrize(("age", "reason"), AGES)
async def test_how_far_from_now_a_record_may_lie(service: Served, age: int, reason: str) -> None:
    one = {**record(0), "ts": START + age}
    report = (await service.client.post("/ingest", content=ndjson([one]))).json()

    assert report["accepted"] == (0 if reason else 1)
    assert [error["reason"].partition(":")[0] for error in report["errors"]] == ([reason] if reason else [])


# Bodies that cannot be decompressed


class Broken(NamedTuple):
    name: str
    body: bytes
    coding: str
    status: int
    says: str


GZIP = gzip.compress(LINES * 2000)
ZSTD = zstd.compress(LINES * 2000)

BROKEN = [
    Broken("gzip that is cut off", GZIP[:-9], "gzip", 400, "cut off"),
    Broken("gzip without its checksum", GZIP[:-8], "gzip", 400, "cut off"),
    Broken("gzip that is cut off early", GZIP[:20], "gzip", 400, "cut off"),
    Broken("gzip whose second member is cut off", GZIP + GZIP[:-1], "gzip", 400, "cut off"),
    Broken("gzip with a wrong checksum", GZIP[:-8] + bytes(8), "gzip", 400, "the gzip stream is damaged; nothing of"),
    Broken("gzip with data after it", GZIP + b"something", "gzip", 400, "the data after the gzip stream is not"),
    Broken("not gzip", LINES, "gzip", 400, "the body is not gzip, although Content-Encoding says so; no"),
    Broken("zstd that is cut off", ZSTD[:-1], "zstd", 400, "cut off"),
    Broken("zstd whose second frame is cut off", ZSTD + ZSTD[:-1], "zstd", 400, "cut off"),
    Broken("not zstd", LINES, "zstd", 400, "the body is not zstd, although Content-Encoding says so; no"),
    Broken("gzip that claims to be zstd", GZIP, "zstd", 400, "the body is not zstd, although"),
    Broken(
        "gzip without a coding",
        GZIP,
        "identity",
        415,
        "the body is gzip-compressed, which no Content-Encoding says: send",
    ),
    Broken(
        "zstd without a coding", ZSTD, "identity", 415, "says: send Content-Encoding: zstd; nothing of this push was"
    ),
    Broken(
        "xz", lzma.compress(LINES), "identity", 415, "the body is xz-compressed (expected records, compressed by gzip"
    ),
    Broken("bzip2", bz2.compress(LINES), "identity", 415, "the body is bzip2-compressed (expected records"),
    Broken("zlib", zlib.compress(LINES), "identity", 415, "the body is zlib-compressed (expected records"),
    Broken("UTF-16", LINES.decode().encode("utf-16"), "identity", 415, "the body is UTF-16 text (expected records"),
    Broken("gzip in gzip", gzip.compress(GZIP), "gzip", 415, "the body is gzip-compressed below its Content-Encoding"),
    Broken("gzip in zstd", zstd.compress(GZIP), "zstd", 415, "the body is gzip-compressed below its Content-Encoding"),
    Broken("an unknown coding", LINES, "br", 415, "'br'"),
    Broken("two codings", GZIP, "gzip, gzip", 415, "'gzip, gzip'"),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
async def test_nothing_counts_of_a_body_that_cannot_be_decompressed(service: Served, case: Broken) -> None:
    answer = await service.client.post("/ingest", content=case.body, headers={"Content-Encoding": case.coding})

    assert answer.status_code == case.status
    assert case.says in answer.json()["Error"]
    assert answer.json()["Timestamp"] == START
    assert await counted(service) == 0
    assert service.service.totals.accepted == 0


async def test_the_refusal_of_an_unknown_coding_lists_the_known_ones(service: Served) -> None:
    answer = await service.client.post("/ingest", content=LINES, headers={"Content-Encoding": "br"})
    assert answer.headers["Accept-Encoding"] == "gzip, zstd"


async def test_a_body_that_is_compressed_is_refused_however_it_is_cut(service: Served) -> None:
    async def body() -> AsyncIterator[bytes]:
        for byte in GZIP:
            yield bytes([byte])

    answer = await service.client.post("/ingest", content=body())

    assert answer.status_code == 415
    assert "send Content-Encoding: gzip" in answer.json()["Error"]
    assert await counted(service) == 0


# Late lines


def cloudflare(age: float) -> bytes:
    """Return a line of Logpush of this age."""
    line = {"ClientRequestHost": "a.example", "EdgeResponseStatus": 200, "EdgeEndTimestamp": int((START - age) * 1e9)}
    return json.dumps(line).encode() + b"\n"


CLOUDFRONT = "cloudfront:timestamp,sc-status,cs-host"


def cloudfront(age: float) -> bytes:
    """Return a line of CloudFront's real-time logs of this age."""
    return f"{START - age:.3f}\t200\ta.example\n".encode()


def canonical(age: float) -> bytes:
    """Return a record of this age."""
    return ndjson([record(-age)])


@pytest.mark.parametrize(
    ("format", "line", "max_lateness", "settings"),
    [
        pytest.param("cloudflare", cloudflare, 3600, {}, id="cloudflare"),
        pytest.param(CLOUDFRONT, cloudfront, 3600, {}, id="cloudfront"),
        pytest.param("canonical", canonical, 120, {}, id="canonical"),
        pytest.param("nginx", canonical, 120, {}, id="nginx"),
        pytest.param("cloudflare", cloudflare, 60, {"records": {"max_lateness": 60}}, id="cloudflare, set"),
        pytest.param("canonical", canonical, 9000, {"records": {"max_lateness": 9000}}, id="canonical, set"),
    ],
)
async def test_how_late_a_line_may_be_depends_on_its_format_unless_it_is_set(
    format: str, line: Callable[[float], bytes], max_lateness: int, settings: dict[str, dict[str, object]]
) -> None:
    path = f"/ingest/svc?format={format}"
    async with served(settings) as service:
        ages = (0, max_lateness // 2, max_lateness - 1)
        answer = await service.client.post(path, content=b"".join(map(line, ages)))
        assert answer.json() == {"accepted": 3, "rejected": 0, "errors": []}
        mixed = await service.client.post(path, content=line(0) + line(max_lateness + 2))
        assert (mixed.status_code, mixed.json()["accepted"], mixed.json()["rejected"]) == (200, 1, 1)

        # Late lines count in the oldest second that is open.
        assert await counted(service) == 4


async def test_a_push_whose_lines_are_all_too_old_is_not_answered_as_if_it_counted(service: Served) -> None:
    for path, line in (("/ingest/svc?format=cloudflare", cloudflare), ("/ingest/svc", canonical)):
        answer = await service.client.post(path, content=line(4000) + line(5000))

        assert answer.status_code == 400
        assert (answer.json()["accepted"], answer.json()["rejected"]) == (0, 2)
        limit = 3600 if line is cloudflare else 120
        for one, age in zip(answer.json()["errors"], (4000, 5000), strict=True):
            assert one["reason"].startswith(f"too_old: ts is {age} s back, more than records.max_lateness ({limit} s)")
    assert await counted(service) == 0


# Limits

SMALL: dict[str, dict[str, object]] = {"api": {"max_push_bytes": 2000, "max_push_decompressed_bytes": 20_000}}


async def test_a_push_whose_length_is_too_large_is_refused() -> None:
    async with served(SMALL) as small:
        answer = await small.client.post("/ingest", content=b"x" * 2001)
        assert answer.status_code == 413
        assert "2000 bytes" in answer.json()["Error"]


async def test_a_push_without_length_that_is_too_large_is_refused_and_does_not_count() -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield LINES

    async with served(SMALL) as small:
        answer = await small.client.post("/ingest", content=body())
        assert answer.status_code == 413
        assert "2000 bytes" in answer.json()["Error"]
        assert await counted(small) == 0


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_push_that_decompresses_to_too_many_bytes_is_refused_and_does_not_count(coding: str) -> None:
    bomb = LINES * 100
    packed = gzip.compress(bomb) if coding == "gzip" else zstd.compress(bomb)
    assert len(packed) < 2000

    async with served(SMALL) as small:
        answer = await small.client.post("/ingest", content=packed, headers={"Content-Encoding": coding})
        assert answer.status_code == 413
        assert "decompresses to more than 20000 bytes" in answer.json()["Error"]
        assert await counted(small) == 0


async def test_a_push_of_the_largest_size_counts() -> None:
    line = ndjson([record(0)])
    body = line + b" " * (2000 - len(line))
    async with served(SMALL) as small:
        answer = await small.client.post("/ingest", content=body)
        assert answer.json()["accepted"] == 1


async def test_a_line_that_is_too_long_is_rejected_and_those_around_it_count() -> None:
    async with served({"records": {"max_line": 1024}}) as service:
        long = ndjson([record(0, user_agent="x" * 1024)])
        report = (await service.client.post("/ingest", content=LINES + long + LINES)).json()
        assert (report["accepted"], report["rejected"]) == (6, 1)
        assert report["errors"] == [{"line": 4, "reason": "too_long: line longer than records.max_line"}]


async def test_a_push_is_folded_once_however_it_comes(service: Served) -> None:
    """What is folded in two steps cannot be folded with other pushes."""
    head = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (3 * len(LINES))
    pushes = service.service.group_commit
    async with service.connect() as raw:
        await raw.send(head + LINES)
        await until(lambda: pushes.pending_bytes > 0)
        for _ in range(2):
            await raw.send(LINES)
            await service.clock.advance(0)
        assert (await raw.answer()).json()["accepted"] == 9
    (*_, (_, folds)) = service.service.fold_pool.fold_time.buckets()
    assert folds == 1


# Senders that leave


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_push_that_breaks_off_does_not_count(service: Served, framing: str) -> None:
    head = b"POST /ingest HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    async with service.connect() as raw:
        if framing == "length":
            await raw.send(head + b"Content-Length: %d\r\n\r\n" % (len(LINES) + 1))
            await raw.reader.readuntil(b"100 Continue\r\n\r\n")
            await raw.send(LINES)
        else:
            await raw.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
            await raw.reader.readuntil(b"100 Continue\r\n\r\n")
            await raw.send(b"%x\r\n%b\r\n" % (len(LINES), LINES))
    await until(lambda: not service.service.server.connections)

    assert await counted(service) == 0
    assert service.service.totals.accepted == 0


async def test_a_push_that_breaks_off_does_not_disturb_others(service: Served) -> None:
    async with service.connect() as leaves:
        await leaves.send(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n" + LINES)
        assert (await service.push(*THREE))["accepted"] == 3
    await until(lambda: len(service.service.server.connections) == 1)
    assert await counted(service) == 3


async def test_a_sender_that_stalls_is_disconnected_and_its_push_does_not_count(service: Served) -> None:
    async with service.connect() as raw:
        await raw.send(b"POST /ingest HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n")
        await raw.reader.readuntil(b"100 Continue\r\n\r\n")
        await raw.send(LINES)
        await service.to(30)
        assert service.service.server.connections
        await service.to(32)
        assert await raw.is_over()
    assert await counted(service) == 0


async def test_a_slow_sender_is_not_disconnected(service: Served) -> None:
    async with service.connect() as raw:
        await raw.send(b"POST /ingest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(4):
            await raw.send(b"%x\r\n%b\r\n" % (len(LINES), LINES))
            await service.clock.advance(25)
        answer = await raw.ask(b"0\r\n\r\n")
    assert answer.json()["accepted"] == 12


async def test_concurrent_pushes_count(service: Served) -> None:
    bodies = [ndjson([record(0, domain=f"{number}.example", weight=number + 1)] * 50) for number in range(20)]
    answers = await asyncio.gather(*(service.client.post("/ingest", content=body) for body in bodies))
    await service.to(2)

    (entry,) = await service.entries()

    assert {answer.status_code for answer in answers} == {200}
    requests = Counter({domain: measured["requests"] for domain, measured in entry["aggregated"].items()})
    assert requests == {f"{number}.example": 50 * (number + 1) for number in range(20)}


# Fastly's log streaming


async def test_the_logging_challenge_of_fastly_is_answered(service: Served) -> None:
    answer = await service.client.get("/.well-known/fastly/logging/challenge")
    assert (answer.status_code, answer.text) == (200, "*\n")
    assert answer.headers["Content-Type"].startswith("text/plain")


async def test_a_push_must_be_post_or_put(service: Served) -> None:
    for method in ("GET", "HEAD", "DELETE", "PATCH"):
        answer = await service.client.request(method, "/ingest/svc")
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST, PUT, OPTIONS"


OTHER_LOG = b'{"level":"error","ts":1,"logger":"http.log.error","msg":"x"}\n'
CADDY = b'{"ts":%d,"request":{"host":"a.example","proto":"HTTP/2.0"},"size":5,"status":200}\n' % START


async def test_lines_of_other_logs_are_no_errors(service: Served) -> None:
    for lines, status, accepted, rejected, errors in [
        (OTHER_LOG * 3, 200, 0, 3, 0),
        (OTHER_LOG * 3 + CADDY, 200, 1, 3, 0),
        (OTHER_LOG * 3 + b"nonsense\n", 400, 0, 4, 1),
    ]:
        answer = await service.client.post("/ingest?format=caddy", content=lines)
        report = answer.json()
        assert (answer.status_code, report["accepted"], report["rejected"]) == (status, accepted, rejected)
        assert len(report["errors"]) == errors

    assert service.service.totals.rejected == {"other_log": 9, "not_json": 1}
    assert [one["reason"] for one in (await service.client.get("/rejected")).json()] == ["not_json"]
