"""Routes of api.fastly.com: documented answers, and refusals in the form and with the statuses that clients know."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from edgetally.access.grants import Keys
from edgetally.api.authorization import Authorization
from edgetally.api.compat.openapi import OPERATIONS
from edgetally.api.compat.paths import OPENID
from edgetally.api.compat.routes import Compat
from edgetally.api.history.asking import Asking
from edgetally.api.history.openapi import HISTORY
from edgetally.config.descriptions import Descriptions
from edgetally.config.validation import check
from edgetally.http.connection import Connection
from edgetally.http.server import Client
from edgetally.window.shelf import Shelf
from tests.support.clock import ManualClock, until
from tests.support.served import Json, Served, record, served
from tests.support.tokens import access, bearer

EVERY_READER = bearer("read", "*")
READER = bearer("read", "svc")
OTHER = bearer("read", "other")
SENDER = bearer("ingest", "*")
OWN_SENDER = bearer("ingest", "svc")
UNKNOWN = bearer("read", "*")
REVOKED = bearer("read", "*", revoked=True)

MISSING = {"msg": "Provided credentials are missing or invalid"}
FORBIDDEN = {"msg": "You are not authorized to perform this action"}

ALL = [*OPERATIONS]

V1_FIELDS = ["Error", "Timestamp", "msg"]


def concrete(template: str, service_id: str = "svc") -> str:
    path = template.format(service_id=service_id, version=1, product="origin_inspector", field="requests")
    return f"{path}?name={service_id}" if path == "/service/search" else path


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Served]:
    """A service with tokens, an entry and a history."""
    settings: dict[str, Json] = {
        "access": access(EVERY_READER, READER, OTHER, SENDER, OWN_SENDER, REVOKED),
        "journal": {"kind": "memory", "data_dir": str(tmp_path)},
    }
    async with served(settings) as running:
        pushed = await running.client.post("/ingest", json=[record(0)], headers=SENDER.header)
        assert pushed.json()["accepted"] == 1
        await running.to(2)
        yield running


def test_every_handler_is_documented() -> None:
    shelf, descriptions, keys = Shelf(keep=1, cache_bytes=0), Descriptions(check({})), Keys()
    asking = Asking(None, max_questions=1)
    handlers = Compat(
        Authorization(keys),
        shelf,
        list,
        descriptions,
        asking=asking,
        clock=ManualClock(),
        scheme="http",
        max_domains=1,
    ).handlers

    assert sorted(handlers) == sorted(ALL)


@pytest.mark.parametrize("template", ALL)
async def test_answers_are_what_the_document_says(service: Served, template: str) -> None:
    document: Json = await service.get("/openapi.json")
    responses = document["paths"][template]["get"]["responses"]

    answer = await service.client.get(concrete(template), headers=READER.header)

    assert answer.status_code == 200
    schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    if answer.status_code == 200:
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("template", [*ALL, OPENID])
async def test_methods(service: Served, template: str) -> None:
    path = concrete(template)
    get = await service.client.get(path, headers=READER.header)
    head = await service.client.head(path, headers=READER.header)
    options = await service.client.options(path)

    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert options.status_code == 204
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        refused = await service.client.request(method, path)
        assert refused.status_code == 405
        assert refused.headers["allow"] == options.headers["allow"] == "GET, HEAD, OPTIONS"
        assert refused.json() == {"msg": f"method {method} not allowed (allowed: GET, HEAD, OPTIONS)"}


async def test_the_metadata_of_openid_needs_no_token(service: Served) -> None:
    found = await service.get(OPENID)

    assert found == {"authorization_endpoint": "", "token_endpoint": "", "jwks_uri": ""}


@pytest.mark.parametrize("template", [*ALL, "/service/svc/nothing", "/stats/nothing", "/metrics/nothing", "/realms/x"])
async def test_a_missing_or_wrong_token_is_401(service: Served, template: str) -> None:
    for header in ({}, UNKNOWN.header, REVOKED.header, {"Fastly-Key": ""}):
        answer = await service.client.get(concrete(template), headers=header)
        assert (answer.status_code, answer.json()) == (401, MISSING)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("template", ALL)
async def test_a_token_that_is_not_for_this_is_403(service: Served, template: str) -> None:
    for sender in (SENDER, OWN_SENDER):
        for service_id in ("svc", "nothing"):
            refused = await service.client.get(concrete(template, service_id), headers=sender.header)
            assert refused.status_code == 403
            assert refused.json() == {**FORBIDDEN, "detail": "the token does not permit this"}

    if "{service_id}" in template:
        answers = [
            await service.client.get(concrete(template, service_id), headers=OTHER.header)
            for service_id in ("svc", "nothing", "no.id")
        ]
        assert {(answer.status_code, answer.content) for answer in answers} == {(403, answers[0].content)}
        assert answers[0].json() == {**FORBIDDEN, "detail": "the token is not for this service"}


@pytest.mark.parametrize(
    "path", ["/service/svc/nothing", "/service/svc/version/1/dictionary/x/info", "/stats/nothing", "/metrics/nothing"]
)
async def test_other_paths_are_not_found_in_the_form_of_clients(service: Served, path: str) -> None:
    answer = await service.client.get(path, headers=READER.header)

    assert answer.status_code == 404
    assert answer.json() == {
        "msg": "Record not found",
        "detail": "no such endpoint (see /openapi.json for the list)",
    }


LONG = b"a" * 70_000

UNROUTED = {
    "a long field": (b"GET %b HTTP/1.1\r\nHost: x\r\nX: " + LONG + b"\r\n\r\n", 431),
    "a long field without an end": (b"GET %b HTTP/1.1\r\nX: " + LONG * 3, 431),
    "a long query": (b"GET %b?" + LONG, 414),
    "no Host": (b"GET %b HTTP/1.1\r\n\r\n", 400),
    "a field without a colon": (b"GET %b HTTP/1.1\r\nHost\r\n\r\n", 400),
    "a broken chunk": (b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    "a body for another protocol": (
        b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\n",
        400,
    ),
}


@pytest.mark.parametrize("name", UNROUTED)
@pytest.mark.parametrize("path", ["/service", "/stats/%73ervice", "/metrics/x", "http://api.fastly.com/verify"])
async def test_what_cannot_be_routed_is_refused_in_the_form_of_its_path(service: Served, path: str, name: str) -> None:
    sent, status = UNROUTED[name]
    for target, fields in ((path, ["msg"]), ("/v1/x", V1_FIELDS), ("/metrics", V1_FIELDS)):
        async with service.connect() as raw:
            raw.writer.write(sent.replace(b"%b", target.encode()))
            answer = await raw.answer()
            assert (answer.status, list(answer.json())) == (status, fields)


def is_receiving(client: Client) -> bool:
    return isinstance(client, Connection) and client.is_receiving


async def test_a_slow_header_is_refused_in_the_form_of_its_path(service: Served) -> None:
    for sent, fields in ((b"GET /stats HTTP/1.1\r\n", ["msg"]), (b"GET /st", V1_FIELDS)):
        async with service.connect() as raw:
            await raw.send(sent)
            await until(lambda: any(is_receiving(one) for one in service.service.server.connections))
            await service.clock.advance(25)
            answer = await raw.answer()
            assert (answer.status, list(answer.json())) == (408, fields)


async def test_what_is_not_http_has_not_the_form_of_the_request_before(service: Served) -> None:
    async with service.connect() as raw:
        assert (await raw.ask(b"GET /service HTTP/1.1\r\nHost: x\r\n\r\n")).status == 401
        answer = await raw.ask(b"nonsense\r\n\r\n")
        assert (answer.status, list(answer.json())) == (400, V1_FIELDS)


async def test_a_handler_that_fails_is_answered_in_the_form_of_its_path(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compat, "answer", lambda *_: 1 // 0)

    answer = await service.client.get("/service")

    assert (answer.status_code, answer.json()) == (500, {"msg": "internal error; see the server log"})


async def test_the_metrics_of_the_server_are_where_they_were(service: Served) -> None:
    answer = await service.client.get("/metrics", headers=EVERY_READER.header)

    assert answer.status_code == 200
    assert answer.text.startswith("# HELP")
    assert (await service.client.get("/metrics")).json()["Error"] == "invalid authentication"


async def test_the_certificates_are_none_and_no_403(service: Served) -> None:
    path = "/tls/certificates?page[number]=1&page[size]=200&sort=created_at"

    assert await service.get(path, **READER.header) == {"data": [], "links": {}}


async def test_the_regions_of_history() -> None:
    async with served() as running:
        found = await running.get("/stats/regions")

    assert len(found["data"]) == len(set(found["data"])) == 9
    assert (found["status"], found["msg"]) == ("success", None)


@pytest.mark.parametrize("template", HISTORY)
async def test_without_a_directory_there_is_no_history_and_the_answer_says_so(template: str) -> None:
    async with served() as running:
        answer = await running.client.get(concrete(template), params={"metric": "", "datacenter": ""})

    assert answer.status_code == 404
    assert answer.json() == {
        "msg": "there is no history: it needs a data directory, and a tier that is kept for a day or more",
        "status": "error",
    }


@pytest.mark.parametrize(("header", "status"), [({}, 401), (SENDER.header, 403)])
async def test_the_refusal_of_a_token_is_delayed_and_others_are_not(header: dict[str, str], status: int) -> None:
    """A client that guesses tokens gets one guess at a time and connection; all others come back by a timer."""
    settings: dict[str, Json] = {"access": access(READER, SENDER), "api": {"error_delay": 1.0}}
    async with served(settings) as running:
        refused = asyncio.create_task(running.client.get("/service", headers=header))
        found = [
            (await running.client.get(path, headers=READER.header)).status_code
            for path in ("/service/svc", "/service?page=0", "/stats", "/service/svc/nothing")
        ]
        await running.clock.advance(0.9)
        assert not refused.done()
        await running.clock.advance(0.2)

        assert (await refused).status_code == status
        assert found == [404, 400, 404, 404]


@pytest.mark.parametrize("path", ["/v1/domains/svc/ts/x", "/v1/nothing", "/nothing", "/ingest/a.b"])
async def test_every_other_refusal_has_its_reason_as_msg_too(path: str) -> None:
    async with served() as running:
        body = (await running.client.get(path)).json()

    assert list(body) == ["Error", "Timestamp", "msg"]
    assert body["msg"] == body["Error"] != ""


async def test_extra_slashes_and_percent_signs_are_read_as_everywhere(service: Served) -> None:
    for path in ("//service", "/service/", "/%73ervice", "/service/%73vc/details/"):
        assert (await service.client.get(path, headers=READER.header)).status_code == 200


def test_no_template_hides_another() -> None:
    """Of two that fit a path, only the words of the one may fit a name of the other."""
    shapes = [re.sub(r"\{\w+\}", "*", template) for template in ALL]

    assert len(shapes) == len(set(shapes))
