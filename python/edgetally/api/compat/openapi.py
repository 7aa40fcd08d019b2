"""The paths of api.fastly.com in the OpenAPI document. Schemas come from the structs that handlers answer with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from edgetally.api.answers import ApiError
from edgetally.api.compat.answers import (
    Certificates,
    Datacenter,
    DetailedService,
    DomainAnswer,
    EnabledProduct,
    EnabledServices,
    EntitledProduct,
    ListedService,
    NoProduct,
    Nothing,
    OpenIdMetadata,
    RegionsAnswer,
    ShownService,
    TokenAnswer,
    Verification,
    VersionAnswer,
)
from edgetally.api.compat.paths import OPENID
from edgetally.api.compat.products import PRODUCT
from edgetally.api.history.openapi import FIELD, HISTORY, HistoryOperation
from edgetally.model import SERVICE_ID

if TYPE_CHECKING:
    Json = dict[str, Any]


class Operation(NamedTuple):
    """What a path answers."""

    summary: str
    answer: Any
    """A type."""
    parameters: tuple[Json, ...] = ()
    others: dict[str, tuple[str, Any]] = {}  # noqa: RUF012 - none of them changes
    """Descriptions and types of other answers by status."""


def _query(name: str, schema: Json, description: str, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description, "required": required}


POSITIVE = {"anyOf": [{"type": "integer", "minimum": 1}, {"const": ""}]}

PAGING = (
    _query("page", POSITIVE, "Which page, from 1."),
    _query("per_page", POSITIVE, "Services on a page. Default: all."),
    _query("sort", {"type": "string"}, "`name`; every other field sorts by id."),
    _query("direction", {"enum": ["ascend", "descend", ""]}, "Default: `ascend`."),
    _query("filter[include_versions]", {"type": "string"}, "`false` leaves `versions` out."),
)

NAME = _query("name", {"type": "string", "minLength": 1}, "The name of a service.", required=True)

OPERATIONS: dict[str, Operation | HistoryOperation] = {
    "/service": Operation("The services that the token may read.", list[ListedService], PAGING),
    "/service/search": Operation("The service with this name.", ShownService, (NAME,)),
    "/service/{service_id}": Operation("A service.", ShownService),
    "/service/{service_id}/details": Operation("A service with its version.", DetailedService),
    "/service/{service_id}/domain": Operation(
        "The domains of the entries of a service that are kept.", list[DomainAnswer]
    ),
    "/service/{service_id}/version": Operation("The versions of a service: one.", list[VersionAnswer]),
    "/service/{service_id}/version/{version}": Operation("The version of a service.", VersionAnswer),
    "/service/{service_id}/version/{version}/domain": Operation("The same domains.", list[DomainAnswer]),
    "/service/{service_id}/version/{version}/dictionary": Operation("The dictionaries of a service: none.", Nothing),
    "/datacenters": Operation("The POPs in the settings, and those of the entries that are kept.", list[Datacenter]),
    "/entitled-products/{product}": Operation("Whether there is a product.", EntitledProduct),
    "/enabled-products/v1/{product}/services": Operation("The services that have a product.", EnabledServices),
    "/enabled-products/v1/{product}/services/{service_id}": Operation(
        "A service has this product.",
        EnabledProduct,
        others={"400": ("The service does not have this product.", NoProduct)},
    ),
    "/tls/certificates": Operation("The certificates of the edge, which are not known.", Certificates),
    "/tokens/self": Operation("The token of the request.", TokenAnswer),
    "/verify": Operation("The bearer of the token, and the services that it may read.", Verification),
    "/stats/regions": Operation("The regions by which history is split.", RegionsAnswer),
    **HISTORY,
}
"""By template: every path but those without a token."""

PARTS: dict[str, Json] = {
    "service_id": {"type": "string", "pattern": f"^{SERVICE_ID}$"},
    "version": {"type": "integer", "minimum": 1},
    "product": {"type": "string", "pattern": f"^{PRODUCT}$"},
    "field": FIELD,
}
"""Schemas of the parts of paths that templates have in braces."""


def document(ref_template: str, security: list[Json]) -> tuple[Json, Json]:
    """Return the schemas and the paths; `security` is that of a path that needs a token."""
    types = [one.answer for one in OPERATIONS.values()]
    types += [answer for one in OPERATIONS.values() for _, answer in one.others.values()]
    shown, schemas = msgspec.json.schema_components([*types, ApiError, OpenIdMetadata], ref_template=ref_template)
    schema_of = dict(zip(map(repr, [*types, ApiError, OpenIdMetadata]), shown, strict=True))
    for schema in schemas.values():
        _require_defaults(schema)

    def json(description: str, answer: Any) -> Json:  # noqa: ANN401 - a type
        return {"description": description, "content": {"application/json": {"schema": schema_of[repr(answer)]}}}

    refusals = {
        "401": json("The token is missing or not valid.", ApiError),
        "403": json("The token does not permit this.", ApiError),
        "default": json("The request was refused.", ApiError),
    }
    paths: Json = {OPENID: {"get": _without_token(json("Where to log in: nowhere.", OpenIdMetadata))}}
    for path, one in OPERATIONS.items():
        responses = {"200": json(one.summary, one.answer), **refusals}
        responses |= {status: json(*other) for status, other in one.others.items()}
        if one.parameters is PAGING:
            responses["200"]["headers"] = {"Link": LINK}
        paths[path] = {"get": _operation(path, one.summary, one.parameters, responses, security)}
    return schemas, paths


LINK = {"schema": {"type": "string"}, "description": "The last page and the next one, unless this is the last."}


def _operation(path: str, summary: str, parameters: tuple[Json, ...], responses: Json, security: list[Json]) -> Json:
    named = [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in PARTS.items()
        if f"{{{name}}}" in path
    ]
    return {"summary": summary, "parameters": [*named, *parameters], "responses": responses, "security": security}


def _without_token(response: Json) -> Json:
    return {"summary": response["description"], "responses": {"200": response}, "security": []}


def _require_defaults(schema: Json) -> None:
    """Say that fields with a default are always there: it spares the handlers, not the clients."""
    properties: Json = schema.get("properties", {})
    given = [name for name, one in properties.items() if "default" in one]
    for name in given:
        del properties[name]["default"]
    schema["required"] = [name for name in properties if name in given or name in schema.get("required", [])]
