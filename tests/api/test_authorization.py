"""Tokens: which requests may read, which may push, and that refusals tell nothing else."""

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from edgetally.api.compat import services
from edgetally.config.validation import check
from edgetally.http.messages import MAX_BUFFERED, Body, ByteBudget
from tests.support.clock import START, TIMEOUT_SECONDS, until
from tests.support.served import Answer, Served, ndjson, record, served
from tests.support.tokens import Bearer, access, bearer

READER = bearer("read", "svc")
SENDER = bearer("ingest", "svc")
OTHER = bearer("read", "other")
BOTH = bearer("ingest", "svc", "other")
EVERY_READER = bearer("read", "*")
EVERY_SENDER = bearer("ingest", "*")
REVOKED = bearer("read", "svc", revoked=True)
UNKNOWN = bearer("read", "*")
"""A token that the server does not know."""

KNOWN = [READER, SENDER, OTHER, BOTH, EVERY_READER, EVERY_SENDER, REVOKED]
NO_TOKEN: dict[str, str] = {}
REFUSED = {"Error": "invalid authentication", "Timestamp": START + 2, "msg": "invalid authentication"}


def guarded(*known: Bearer, error_delay: float = 0.0) -> dict[str, dict[str, object]]:
    return {"access": access(*known), "api": {"error_delay": error_delay}}


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    """A service with tokens, and an entry each of `svc` and `secret`."""
    async with served(guarded(*KNOWN)) as running:
        lines = ndjson([record(0), record(0, service_id="secret")])
        pushed = await running.client.post("/ingest", content=lines, headers=EVERY_SENDER.header)
        assert pushed.json()["accepted"] == 2
        await running.to(2)
        yield running


def settings(*known: Bearer) -> dict[str, object]:
    """Return the settings of a running service, with other tokens."""
    return {"access": access(*known), "api": {"listen": "127.0.0.1:0", "error_delay": 0.0}}


# --- reading -------------------------------------------------------------------------------------------------------

PATHS = [
    "/v1/domains/svc/ts/h",
    "/v1/domains/svc/ts/0",
    f"/v1/domains/svc/ts/{START}",
    f"/v1/domains/svc/ts/{START}/limit/1",
    "/v1/origins/svc/ts/h/limit/1",
    "/v1/channel/svc/ts/h",
    "/v1/channel/svc/ts/h?kind=origin_insights",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_service_is_read_with_a_token_for_it(service: Served, path: str) -> None:
    shown = (await service.client.get(path, headers=READER.header)).json()
    assert [entry["recorded"] for entry in shown["Data"]] == [START]

    for header in ({"Authorization": f"Bearer {READER.token}"}, {"authorization": f"bearer  {READER.token}"}):
        assert (await service.client.get(path, headers=header)).json() == shown
    assert (await service.client.get(path, headers=EVERY_READER.header)).json() == shown
    head = await service.client.head(path, headers=READER.header)
    assert (head.status_code, head.content) == (200, b"")


class Wrong(NamedTuple):
    name: str
    header: dict[str, str]


WRONG = [
    Wrong("no token", NO_TOKEN),
    Wrong("an empty token", {"Fastly-Key": ""}),
    Wrong("an unknown token", UNKNOWN.header),
    Wrong("a token for another service", OTHER.header),
    Wrong("a token for pushing", SENDER.header),
    Wrong("a revoked token", REVOKED.header),
    Wrong("a hash instead of the token", {"Fastly-Key": str(READER.line["hash"])}),
    Wrong("half a token", {"Fastly-Key": READER.token[:30]}),
    Wrong("the token by another scheme", {"Authorization": f"Basic {READER.token}"}),
    Wrong("a scheme and no token", {"Authorization": "Bearer"}),
    Wrong("the token in a cookie", {"Cookie": f"Fastly-Key={READER.token}"}),
    Wrong("a wrong key, and the right token behind it", {**OTHER.header, "Authorization": f"Bearer {READER.token}"}),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
async def test_refusals_without_a_valid_token_are_all_the_same(service: Served, wrong: Wrong) -> None:
    paths = [
        *PATHS,
        # Also for services of other tokens, services that do not exist, invalid ids and invalid queries.
        *(path.replace("/svc/", f"/{name}/") for path in PATHS for name in ("secret", "nothing", "no.id", "%0A")),
        "/v1/domains/svc/ts/abc",
        "/v1/domains/svc/ts/0/limit/0",
        "/v1/domains/svc/ts",
        "/v1/channel/svc/ts/h?kind=abc",
        "/metrics",
    ]
    for path in paths:
        answer = await service.client.get(path, headers=wrong.header)
        assert (answer.status_code, answer.json()) == (403, REFUSED), path
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert {name for name, _ in answer.headers.items()} == {
            *("date", "content-type", "content-length", "access-control-allow-origin"),
            *("access-control-allow-headers", "access-control-allow-methods", "x-content-type-options"),
        }


async def test_a_token_for_one_service_reveals_nothing_about_others(service: Served) -> None:
    found = [
        await service.client.get(f"/v1/{path}", headers=READER.header)
        for path in (
            "domains/secret/ts/h",
            "domains/nothing/ts/h",
            f"domains/secret/ts/{START + 2}",
            "domains/x.y/ts/h",
        )
    ]

    assert {(answer.status_code, answer.content) for answer in found} == {(403, found[0].content)}
    # No refused request became a long poll.
    assert service.waiting == 0


async def test_the_index_lists_the_services_that_the_token_may_read(service: Served) -> None:
    async def listed(who: Bearer) -> object:
        return (await service.client.get("/", headers=who.header)).json()["services"]

    assert await listed(READER) == ["svc"]
    assert await listed(OTHER) == []
    assert await listed(EVERY_READER) == ["secret", "svc"]
    for header in (NO_TOKEN, SENDER.header, EVERY_SENDER.header, UNKNOWN.header):
        assert (await service.client.get("/", headers=header)).json() == REFUSED


async def test_the_index_links_to_the_endpoints_that_the_token_may_read(service: Served) -> None:
    async def linked(who: Bearer) -> object:
        links = (await service.client.get("/", headers=who.header)).json()["links"]
        return links.keys() & {"healthz", "readyz", "metrics", "rejected"}

    assert await linked(READER) == {"healthz", "readyz"}
    assert await linked(EVERY_READER) == {"healthz", "readyz", "metrics", "rejected"}


async def test_metrics_need_a_token_for_every_service(service: Served) -> None:
    assert (await service.client.get("/metrics", headers=EVERY_READER.header)).status_code == 200
    for header in (NO_TOKEN, READER.header, EVERY_SENDER.header):
        assert (await service.client.get("/metrics", headers=header)).json() == REFUSED


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/.well-known/fastly/logging/challenge"])
async def test_endpoints_that_name_no_service_need_no_token(service: Served, path: str) -> None:
    answer = await service.client.get(path)

    assert answer.status_code == 200
    assert b"svc" not in answer.content
    assert b"secret" not in answer.content


async def test_preflight_requests_need_no_token_and_allow_its_headers(service: Served) -> None:
    answer = await service.client.options("/v1/domains/svc/ts/h")

    assert answer.status_code == 204
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"fastly-key", "authorization", "idempotency-key", "content-encoding", "last-event-id"} <= set(allowed)


@pytest.mark.parametrize("path", ["/service/svc/domain", "/metrics/domains/services/svc", "/stats/service/svc"])
async def test_an_answer_that_is_being_made_becomes_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    go, came = threading.Event(), threading.Event()

    def slow(*_: object) -> list[str]:
        came.set()
        go.wait()
        return []

    monkeypatch.setattr(services, "domain_names", slow)
    journal: dict[str, object] = {"kind": "memory", "data_dir": str(tmp_path)}
    async with served({**guarded(READER), "journal": journal, "services": {"svc": {}}}) as service:
        monkeypatch.setattr(service.service.history.reader, "answer", slow)
        asked = asyncio.create_task(service.client.get(path, headers=READER.header))
        await until(came.is_set)
        service.service.policy.keys.replace({})
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await asked
        finally:
            go.set()
        after = await service.client.get(path, headers=READER.header)
    assert answer.json() == after.json() == {"msg": "Provided credentials are missing or invalid"}
    assert answer.status_code == after.status_code == 401


# --- pushing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ingest", "/ingest/svc"])
async def test_records_of_a_foreign_service_are_rejected(service: Served, path: str) -> None:
    lines = [{"status": 200}, record(0, service_id="secret"), record(0), record(0, service_id="new"), {"status": 200}]

    answer = await service.client.post(path, content=ndjson(lines), headers=SENDER.header)

    assert answer.status_code == 200
    reason = "foreign_service: the token does not allow this service"
    assert answer.json() == {
        "accepted": 3,
        "rejected": 2,
        "errors": [{"line": 2, "reason": reason}, {"line": 4, "reason": reason}],
    }
    await service.to(10)
    shown = (await service.client.get("/", headers=EVERY_READER.header)).json()["services"]
    assert shown == ["secret", "svc"]
    secret = (await service.client.get("/v1/domains/secret/ts/h", headers=EVERY_READER.header)).json()["Data"]
    assert [entry["aggregated"]["a.example"]["requests"] for entry in secret] == [1]
    assert service.service.totals.rejected["foreign_service"] == 2


async def test_with_several_services_a_record_must_name_one(service: Served) -> None:
    lines = [{"status": 200}, record(0), record(0, service_id="other"), record(0, service_id="secret")]

    answer = await service.client.post("/ingest", content=ndjson(lines), headers=BOTH.header)
    assert (answer.json()["accepted"], [line["line"] for line in answer.json()["errors"]]) == (2, [1, 4])

    answer = await service.client.post("/ingest/other", content=ndjson(lines), headers=BOTH.header)
    assert (answer.json()["accepted"], [line["line"] for line in answer.json()["errors"]]) == (3, [4])


async def test_with_every_service_a_record_may_name_any(service: Served) -> None:
    lines = [{"status": 200}, record(0, service_id="new")]

    answer = await service.client.post("/ingest", content=ndjson(lines), headers=EVERY_SENDER.header)

    assert answer.json() == {"accepted": 2, "rejected": 0, "errors": []}


async def test_a_foreign_record_is_rejected_in_an_array_and_in_a_compressed_body(service: Served) -> None:
    body = gzip.compress(b'[{"status":200},{"status":200,"service_id":"\\u0073ecret"}]')

    answer = await service.client.post("/ingest", content=body, headers={**SENDER.header, "Content-Encoding": "gzip"})

    assert (answer.json()["accepted"], answer.json()["errors"][0]["line"]) == (1, 2)


PUSHES = [
    Wrong("no token", NO_TOKEN),
    Wrong("an unknown token", UNKNOWN.header),
    Wrong("a token for reading", READER.header),
    Wrong("a token for reading everything", EVERY_READER.header),
]


@pytest.mark.parametrize("wrong", PUSHES, ids=lambda wrong: wrong.name)
@pytest.mark.parametrize("path", ["/ingest", "/ingest/svc", "/ingest/no.id"])
async def test_pushes_without_a_valid_token_are_refused(service: Served, wrong: Wrong, path: str) -> None:
    before = service.service.totals.accepted

    answer = await service.client.post(path, content=ndjson([record(0)]), headers=wrong.header)

    assert (answer.status_code, answer.json()) == (403, REFUSED)
    assert service.service.totals.accepted == before


@pytest.mark.parametrize("path", ["/ingest/other", "/ingest/secret", "/ingest/nothing", "/ingest/no.id"])
async def test_a_token_for_one_service_may_not_push_to_others(service: Served, path: str) -> None:
    answer = await service.client.post(path, content=ndjson([record(0)]), headers=SENDER.header)

    assert (answer.status_code, answer.json()) == (403, REFUSED)


# --- delayed refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_line", [b"GET / ", b"GET /v1/domains/svc/ts/h ", b"GET /metrics ", b"POST /ingest "])
async def test_the_refusal_of_a_wrong_token_is_delayed(request_line: bytes) -> None:
    async with served(guarded(READER, error_delay=1.0)) as service, service.connect() as raw:
        asked = asyncio.create_task(raw.ask(request_line + b"HTTP/1.1\r\nHost: x\r\n\r\n"))
        await service.clock.advance(0.9)
        assert not asked.done()
        await service.clock.advance(0.2)
        assert (await asked).status == 403


@pytest.mark.parametrize("method", [b"GET /", b"POST /ingest"])
async def test_guesses_on_one_connection_are_delayed_one_after_the_other(method: bytes) -> None:
    async with served(guarded(READER, error_delay=1.0)) as service, service.connect() as raw:
        await raw.send(b"%b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % method * 3)
        for count in range(1, 4):
            await until(lambda: len(service.service.server.connections) == 1)
            answer = asyncio.create_task(raw.answer())
            await service.clock.advance(1)
            assert (await answer).json()["Timestamp"] == START + count


async def test_the_body_of_a_refused_push_is_not_buffered() -> None:
    body = b"x" * (32 << 20)
    head = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with served(guarded(SENDER, error_delay=1.0)) as service, service.connect() as raw:
        # More than may be buffered is received while the refusal is delayed.
        await raw.send(head + body)
        await until(lambda: not raw.writer.transport.get_write_buffer_size())
        asked = asyncio.create_task(raw.answer())
        await service.clock.advance(1)
        assert (await asked).status == 403


def test_a_discarded_body_is_not_buffered() -> None:
    buffered = ByteBudget(1 << 30)
    body = Body(flow=None, budget=buffered)  # type: ignore[arg-type]
    ahead = []
    for wanted in (True, False, False):
        if not wanted:
            body.discard()
        body.put(b"x" * (MAX_BUFFERED + 1))
        ahead.append((buffered.used, body.is_ahead))

    assert ahead == [(MAX_BUFFERED + 1, True), (0, False), (0, False)]


# --- revoked -------------------------------------------------------------------------------------------------------


def get(path: str, who: Bearer | None = None) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (path.encode(), who.field if who else b"")


async def test_a_cached_answer_is_sent_only_for_its_token(service: Served) -> None:
    asked = get("/v1/domains/svc/ts/h", READER)
    async with service.connect() as raw:
        good = [await raw.ask(asked) for _ in range(3)]
        assert service.service.server.cache.get(asked)
        assert {answer.status for answer in good} == {200}
        for who in (None, OTHER, SENDER, UNKNOWN):
            for _ in range(2):
                assert (await raw.ask(get("/v1/domains/svc/ts/h", who))).status == 403


async def test_a_revoked_token_is_refused_at_once(service: Served) -> None:
    asked = get("/v1/domains/svc/ts/h", READER)
    async with service.connect() as raw, service.connect() as other:
        for _ in range(2):
            assert (await raw.ask(asked)).status == 200
        assert service.service.server.cache.get(asked)

        service.service.reload(check(settings(EVERY_READER)))

        for one in (raw, other):
            assert (await one.ask(asked)).status == 403
            assert (await one.ask(get("/v1/domains/svc/ts/h", EVERY_READER))).status == 200


async def test_a_waiting_reader_is_refused_when_its_token_is_revoked(service: Served) -> None:
    asked = f"/v1/domains/svc/ts/{START + 2}"
    async with service.connect() as raw, service.connect() as other:
        await raw.send(get(asked, READER))
        await other.send(get(asked, EVERY_READER))
        await until(lambda: service.waiting == 2)

        service.service.reload(check(settings(EVERY_READER, EVERY_SENDER)))

        refused: Answer = await raw.answer()
        assert (refused.status, refused.json()) == (403, REFUSED)
        assert service.waiting == 1
        await service.client.post("/ingest", content=ndjson([record(1)]), headers=EVERY_SENDER.header)
        await service.to(3)
        # Readers with other tokens go on waiting.
        assert (await other.answer()).status == 200


async def test_a_push_in_progress_does_not_count_once_its_token_is_revoked(service: Served) -> None:
    line = ndjson([record(0)])
    before = service.service.totals.accepted
    async with service.connect() as raw:
        head = b"POST /ingest HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n" % (SENDER.field, 2 * len(line))
        await raw.send(head + line)
        await until(lambda: service.service.server.connections != set())
        service.service.reload(check(settings(READER)))
        answer = await raw.ask(line)

    assert (answer.status, answer.json()) == (403, REFUSED)
    assert service.service.totals.accepted == before


async def test_a_new_token_is_valid_after_a_reload(service: Served) -> None:
    assert (await service.client.get("/", headers=UNKNOWN.header)).status_code == 403

    service.service.reload(check(settings(UNKNOWN)))

    assert (await service.client.get("/", headers=UNKNOWN.header)).json()["services"] == ["secret", "svc"]
