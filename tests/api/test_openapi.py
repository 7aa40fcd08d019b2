"""The OpenAPI document: valid, complete, and true of real answers."""

import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from edgetally.api.compat.openapi import OPERATIONS
from edgetally.api.compat.paths import OPENID
from edgetally.model import DATASETS, measurements
from tests.support.clock import START
from tests.support.served import Json, Served, record, served
from tests.support.tokens import access, bearer

SCHEMAS = {"channel": "Channel", "domains": "Domains", "origins": "Origins", "origin_insights": "OriginInsights"}


@pytest.fixture
async def document(service: Served) -> Json:
    return await service.get("/openapi.json")


def answers_to(document: Json, path: str, status: str, method: str = "get") -> Draft202012Validator:
    """Return a validator of the answers of a path."""
    answers = document["paths"][path][method]["responses"]
    schema = (answers.get(status) or answers["default"])["content"]["application/json"]["schema"]
    return Draft202012Validator({**schema, "components": document["components"]})


async def test_the_document_is_valid(document: Json) -> None:
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


async def test_every_schema_is_a_schema_and_every_reference_leads_somewhere(document: Json) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in re.findall(r"'\$ref': '#/components/schemas/(\w+)'", repr(document)):
        assert reference in document["components"]["schemas"]


@pytest.mark.parametrize("dataset", DATASETS)
async def test_every_measurement_is_there_with_its_description(document: Json, dataset: str) -> None:
    properties = document["components"]["schemas"][f"{SCHEMAS[dataset]}Measurements"]["properties"]
    rows = measurements(dataset)
    assert list(properties) == [row.name for row in rows]
    assert [one["description"] for one in properties.values()] == [row.description for row in rows]
    assert [one["type"] for one in properties.values()] == [
        {"counter": "integer", "histogram": "object"}.get(row.kind, "number") for row in rows
    ]
    assert all(row.description for row in rows)


READ = [
    ("ts/{start_timestamp}", f"ts/{START}"),
    ("ts/{start_timestamp}", "ts/0"),
    ("ts/{start_timestamp}/limit/{max_entries}", f"ts/{START}/limit/1"),
    ("ts/h", "ts/h"),
    ("ts/h/limit/{max_entries}", "ts/h/limit/2"),
]


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize(("template", "asked"), READ, ids=[asked for _, asked in READ])
async def test_real_answers_are_what_the_document_says(
    service: Served, document: Json, dataset: str, template: str, asked: str
) -> None:
    compute = {"compute": True, "compute_request_time_ms": 70, "origin_ttfb_ms": 12}
    await service.push(
        *(record(second, cache=cache, proto="h3", tls="TLSv1.3") for second in (0, 1) for cache in ("HIT", "MISS")),
        *(record(1, origin_status=status, status=status, pop="FRA") for status in (206, 304, 404, 503)),
        record(1, **compute),
    )
    await service.to(3)
    segment = "channel" if dataset == "origin_insights" else dataset
    kind = "?kind=origin_insights" if dataset == "origin_insights" else ""

    answer = await service.get(f"/v1/{segment}/svc/{asked}{kind}")
    idle = await service.get(f"/v1/{segment}/idle/ts/0{kind}")

    check = answers_to(document, f"/v1/{segment}/{{service_id}}/{template}", "200")
    check.validate(answer)
    check.validate(idle)
    assert answer["Data"]
    assert list(check.iter_errors({**answer, "Extra": 1})), "the schema forbids other fields"


async def test_real_refusals_are_what_the_document_says(document: Json, client: httpx.AsyncClient) -> None:
    for path in document["paths"]:
        if not path.startswith("/v1/"):
            continue
        wrong = path.replace("ts/h", "ts/x").replace("/stream", "/stream?from=x")
        for method, concrete in (
            ("GET", path.format(service_id="a.b", start_timestamp=0, max_entries=1)),
            ("GET", wrong.format(service_id="a", start_timestamp="x", max_entries="x")),
            ("DELETE", path.format(service_id="a", start_timestamp=0, max_entries=1)),
        ):
            answer = await client.request(method, concrete)
            assert answer.status_code >= 400
            answers_to(document, path, str(answer.status_code)).validate(answer.json())


async def test_real_pushes_are_answered_as_the_document_says(document: Json, client: httpx.AsyncClient) -> None:
    pushes: list[tuple[int, Any]] = [
        (200, {"content": b""}),
        (200, {"content": b'{"status":200}\nno\n'}),
        (400, {"content": b"no\n" * 20}),
        (400, {"content": b"no", "headers": {"Content-Encoding": "gzip"}}),
        (415, {"content": b"no", "headers": {"Content-Encoding": "br"}}),
    ]
    for status, push in pushes:
        for path in ("/ingest", "/ingest/{service_id}"):
            answer = await client.post(path.format(service_id="svc"), **push)
            assert answer.status_code == status
            answers_to(document, path, str(status), "post").validate(answer.json())


async def test_every_path_says_whether_it_needs_a_token(document: Json) -> None:
    operations = {path: operation for path, of in document["paths"].items() for operation in of.values()}
    no_token = {path for path, operation in operations.items() if operation["security"] == []}

    assert no_token == {"/openapi.json", "/healthz", "/readyz", "/.well-known/fastly/logging/challenge", OPENID}
    assert set(document["components"]["securitySchemes"]) == {"FastlyKey", "Bearer"}
    async with served({"access": access(bearer("read", "svc"))}) as guarded:
        for path in operations.keys() - no_token:
            method = "POST" if path.startswith("/ingest") else "GET"
            asked = re.sub(r"\{\w+\}", "1", path)
            answer = await guarded.client.request(method, f"{asked}?kind=origin_insights")
            status = 401 if path in OPERATIONS else 403
            assert answer.status_code == status
            answers_to(document, path, str(status), method.lower()).validate(answer.json())


async def test_every_other_path_is_there_and_answers(document: Json, client: httpx.AsyncClient) -> None:
    await client.post("/ingest", content=b"no")
    for path in ("/", "/openapi.json", "/healthz", "/readyz", "/rejected", "/fastly/sd"):
        answers_to(document, path, "200").validate((await client.get(path)).json())
    for question in ("", "?focus=a.example", "?of=origins&focus=app"):
        ranking = answers_to(document, "/top/{service_id}", "200")
        ranking.validate((await client.get(f"/top/svc{question}")).json())
    for path in ("/.well-known/fastly/logging/challenge", "/metrics", "/fastly/metrics"):
        assert (await client.get(path)).status_code == 200
    described = {re.sub(r"\{\w+\}", "*", path) for path in document["paths"]}
    reading = ("ts/*", "ts/*/limit/*", "ts/h", "ts/h/limit/*", "stream")
    assert described == {
        "/",
        "/openapi.json",
        "/healthz",
        "/readyz",
        "/metrics",
        "/rejected",
        "/fastly/metrics",
        "/fastly/sd",
        "/.well-known/fastly/logging/challenge",
        "/ingest",
        "/ingest/*",
        "/top/*",
        *(f"/v1/{segment}/*/{rest}" for segment in ("domains", "origins", "channel") for rest in reading),
        *(re.sub(r"\{\w+\}", "*", path) for path in (OPENID, *OPERATIONS)),
    }
