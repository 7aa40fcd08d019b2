"""The OpenAPI document. Schemas come from the structs that handlers answer with, and from the core's measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from edgetally.api.answers import (
    Error,
    Health,
    IndexAnswer,
    PushAnswer,
    Readiness,
    ScrapeTargets,
)
from edgetally.api.compat import openapi as compat
from edgetally.api.ranking_answer import RankingAnswer
from edgetally.ingest.dead_letters import DeadLetter
from edgetally.model import MAX_POP_BYTES, MAX_WEIGHT
from edgetally.model import SERVICE_ID as SERVICE_ID_PATTERN
from edgetally.window.ranking import orders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgetally.model import Measurement

    Json = dict[str, Any]

SCHEMAS = "#/components/schemas/"

PREFIXES = {"channel": "Channel", "domains": "Domains", "origins": "Origins", "origin_insights": "OriginInsights"}
"""Prefix of the schemas of every dataset."""

PATHS = {
    "channel": ("the service as a whole, or origins by name and address", ("channel", "origin_insights")),
    "domains": ("requests by domain", ("domains",)),
    "origins": ("responses of origins by name", ("origins",)),
}
"""Description of what each path below `/v1` shows, and its datasets."""


def document(fields: Mapping[str, Sequence[Measurement]], version: str) -> Json:
    """Build the OpenAPI 3.1 document; `fields` are the measurements per dataset."""
    answers = [
        *(list[DeadLetter], list[ScrapeTargets]),
        *(Error, PushAnswer, IndexAnswer, Health, Readiness, RankingAnswer),
    ]
    (rejected, targets, *_), schemas = msgspec.json.schema_components(answers, ref_template=SCHEMAS + "{name}")
    schemas |= {"Rejected": rejected, "Targets": targets, "OpenApi": {"type": "object"}}
    compat_schemas, paths = compat.document(SCHEMAS + "{name}", SECURITY)
    schemas |= compat_schemas
    for dataset, measurements in fields.items():
        schemas |= _entry_schemas(dataset, PREFIXES[dataset], measurements)
    for path, (description, datasets) in PATHS.items():
        answers_of = [f"{PREFIXES[dataset]}Answer" for dataset in datasets]
        kind = [KIND] if path == "channel" else []
        for suffix, summary, parameters in READING:
            operation = _reading(f"{summary}: {description}.", [SERVICE_ID, *parameters, *kind], answers_of)
            paths[f"/v1/{path}/{{service_id}}/ts/{suffix}"] = {"get": _with_token(operation)}
        named = [NAMES[path]] if path in NAMES else []
        operation = _streaming(description, [SERVICE_ID, FROM, LAST_EVENT_ID, *kind, SPLIT, *named, FIELD])
        paths[f"/v1/{path}/{{service_id}}/stream"] = {"get": _with_token(operation)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Edgetally",
            "version": version,
            "summary": "Exact counters for every domain and every origin of your edge, one entry per second.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/": {"get": _with_token(_get("The services that the token may read, and the endpoints.", "IndexAnswer"))},
            "/openapi.json": {"get": _without_token(_get("This document.", "OpenApi"))},
            "/healthz": {"get": _without_token(_get("Liveness: 200 as long as the process answers.", "Health"))},
            "/readyz": {"get": _without_token(READY)},
            "/metrics": {"get": _with_token(METRICS)},
            "/rejected": {"get": _with_token(_get("The last 100 rejected lines, newest first.", "Rejected"))},
            "/fastly/metrics": {"get": _with_token(_scraping())},
            "/fastly/sd": {"get": _with_token(_get("The services that can be scraped.", "Targets"))},
            "/.well-known/fastly/logging/challenge": {"get": _without_token(CHALLENGE)},
            "/ingest": dict.fromkeys(("post", "put"), _with_token(_push(PUSHING))),
            "/ingest/{service_id}": dict.fromkeys(("post", "put"), _with_token(_push([SERVICE_ID, *PUSHING]))),
            "/top/{service_id}": {"get": _with_token(RANKING)},
            **paths,
        },
        "components": {"schemas": schemas, "securitySchemes": TOKENS},
    }


def _entry_schemas(dataset: str, prefix: str, measurements: Sequence[Measurement]) -> Json:
    """Describe what the core encodes: the measurements of one key, an entry, and an answer of entries."""
    fields = {one.name: KINDS[one.kind] | {"description": one.description} for one in measurements}
    always = [one.name for one in measurements if one.is_always_shown]
    keyed = _ref(f"{prefix}Measurements")
    for _ in range({"channel": 0, "origin_insights": 2}.get(dataset, 1)):
        keyed = _map(keyed)
    entry = {
        "recorded": {"type": "integer", "description": "The Unix second that the entry counts."},
        "aggregated": keyed,
        "datacenter": _map(keyed) | {"description": "The same by POP."},
    }
    answer = {
        "Data": {"type": "array", "items": _ref(f"{prefix}Entry")},
        "Timestamp": {"type": "integer", "description": "The next start_timestamp."},
        "AggregateDelay": {"type": "integer", "description": "Seconds between the start of a second and its seal."},
        "Error": {"type": "string", "description": "Present when a cursor got no entry."},
    }
    return {
        f"{prefix}Measurements": _object(fields, *always)
        | {"description": "Fields that are 0 are left out, except those that are required."},
        f"{prefix}Entry": _object(entry, *entry),
        f"{prefix}Answer": _object(answer, "Data", "Timestamp", "AggregateDelay"),
    }


def _object(properties: Json, *required: str) -> Json:
    return {"type": "object", "required": [*required], "additionalProperties": False, "properties": properties}


def _map(values: Json) -> Json:
    return {"type": "object", "additionalProperties": values}


def _ref(name: str) -> Json:
    return {"$ref": SCHEMAS + name}


def _json(description: str, schema: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _with_token(operation: Json) -> Json:
    """Require a token in one of two fields; `{}` because a server without tokens requires none."""
    responses = {**operation["responses"], "403": _json("The token is missing or does not permit this.", "Error")}
    return {**operation, "security": SECURITY, "responses": responses}


def _without_token(operation: Json) -> Json:
    return {**operation, "security": []}


def _get(summary: str, schema: str) -> Json:
    return {"summary": summary, "responses": {"200": _json(summary, schema), "default": REFUSED}}


def _text(summary: str, description: str, *types: str) -> Json:
    content = {content_type: {"schema": {"type": "string"}} for content_type in types}
    return {"summary": summary, "responses": {"200": {"description": description, "content": content}}}


def _reading(summary: str, parameters: list[Json], schemas: list[str]) -> Json:
    schema: Json = {"anyOf": [_ref(one) for one in schemas]} if len(schemas) > 1 else _ref(schemas[0])
    return {
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": "Entries, oldest first.", "content": {"application/json": {"schema": schema}}},
            "400": _json("A parameter is not valid.", "Error"),
            "default": REFUSED,
        },
    }


def _streaming(description: str, parameters: list[Json]) -> Json:
    return {
        "summary": f"A stream of entries: {description}.",
        "description": "Each `message` is what a long poll would have been answered. `gap`: seconds that are not kept "
        "any more. `clock`: there was nothing for 15 seconds.",
        "parameters": parameters,
        "responses": {
            "200": {"description": "Server-sent events, without an end.", "content": EVENT_STREAM},
            "400": _json("A parameter is not valid.", "Error"),
            "default": REFUSED,
        },
    }


def _push(parameters: list[Json]) -> Json:
    record = {"type": "object", "description": "See docs/record.md."}
    return {
        "summary": "Push records.",
        "description": "200 means that the accepted lines are counted. Content-Encoding may be gzip or zstd.",
        "parameters": parameters,
        "requestBody": {
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}},
                "application/json": {"schema": {"oneOf": [record, {"type": "array", "items": record}]}},
            },
        },
        "responses": {
            "200": _json("How many lines were accepted and rejected.", "PushAnswer"),
            "400": {
                "description": "Every line was rejected, or the body or a parameter is not valid.",
                "content": {"application/json": {"schema": {"anyOf": [_ref("PushAnswer"), _ref("Error")]}}},
            },
            "413": _json("The push is too large.", "Error"),
            "415": _json("The body is compressed in another way, or Content-Encoding is missing.", "Error"),
            "422": _json("The Idempotency-Key was used for other records.", "Error"),
            "429": _json("Backpressure: send the push again after Retry-After.", "Error"),
            "503": _json("The journal cannot be written: send the push again after Retry-After.", "Error"),
            "default": REFUSED,
        },
    }


def _scraping() -> Json:
    operation = _text(
        "What the edges did, with the names of fastly-exporter.",
        "Prometheus' text format, or OpenMetrics if `Accept` asks for it.",
        *("text/plain", "application/openmetrics-text"),
    )
    busy = _json("Too many scrapes are being answered: try again after Retry-After.", "Error")
    return {**operation, "parameters": [TARGET], "responses": {**operation["responses"], "503": busy}}


def _path(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": description}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


REFUSED = _json("The request was refused.", "Error")

SERVICE_ID = _path("service_id", {"type": "string", "pattern": f"^{SERVICE_ID_PATTERN}$"}, "The service.")
CURSOR = _path(
    "start_timestamp",
    {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    "The Timestamp of the previous answer; 0 for the last sealed second.",
)
MAX_ENTRIES = _path("max_entries", {"type": "integer", "minimum": 1}, "The most entries.")
KIND = _query(
    "kind", {"enum": ["", "origin_insights"]}, "`origin_insights`: responses of origins by name and address instead."
)

KINDS: dict[str, Json] = {
    "counter": {"type": "integer", "minimum": 0},
    "ratio": {"type": "number", "minimum": 0, "maximum": 1},
    "seconds": {"type": "number", "minimum": 0},
    "histogram": {
        "type": "object",
        "propertyNames": {"pattern": "^[1-9][0-9]*$"},
        "additionalProperties": {"type": "integer", "minimum": 1},
    },
}
"""The schema of a measurement by its kind."""

PUSHING = [
    _query(
        "pop",
        {"type": "string", "maxLength": MAX_POP_BYTES},
        f"POP of records that name none: printable, at most {MAX_POP_BYTES} bytes in UTF-8.",
    ),
    _query("format", {"type": "string"}, "How the lines are written: a name that `edgetally formats` lists."),
    _query(
        "weight",
        {"type": "integer", "minimum": 1, "maximum": MAX_WEIGHT},
        "How many requests a line stands for if it has no weight.",
    ),
    {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
        "description": "Pushes with the same key count once in ten minutes, and all get the first answer.",
    },
]

READING: list[tuple[str, str, list[Json]]] = [
    ("{start_timestamp}", "Entries newer than a cursor; waits for one", [CURSOR]),
    ("{start_timestamp}/limit/{max_entries}", "The oldest entries newer than a cursor", [CURSOR, MAX_ENTRIES]),
    ("h", "Entries of the last 120 seconds", []),
    ("h/limit/{max_entries}", "Entries of the last seconds", [MAX_ENTRIES]),
]

EVENT_STREAM: Json = {"text/event-stream": {"schema": {"type": "string"}}}

FROM = _query(
    "from", {"type": "string", "pattern": "^(h|[0-9]{1,18})$"}, "Where to begin: a Timestamp, or `h`; default: now."
)
SPLIT = _query("datacenter", {"enum": ["0", "1"]}, "0 leaves out the split by POP.")
FIELD = _query("field", {"type": "string"}, "Measurements to show, separated by commas; default: all.")
NAMES = {
    "domains": _query("domain", {"type": "string"}, "Domains to show, separated by commas; default: all."),
    "origins": _query("origin", {"type": "string"}, "Origins to show, separated by commas; default: all."),
    "channel": _query("origin", {"type": "string"}, "The same, with `kind=origin_insights`."),
}
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "description": "The id of the last event, to resume behind it: it wins over `from`.",
}

ORDERS = list(dict.fromkeys([*orders("domains"), *orders("origins")]))

RANKING: Json = {
    "summary": "The names that matter most in one second.",
    "parameters": [
        SERVICE_ID,
        _query("of", {"enum": ["domains", "origins"], "default": "domains"}, "Which names."),
        _query("by", {"enum": ORDERS, "default": "trouble"}, "What they are ordered by: `trouble`, or a column."),
        _query("rows", {"type": "integer", "minimum": 1, "maximum": 200, "default": 40}, "The most names."),
        _query("pop", {"type": "string"}, "That POP alone."),
        _query("match", {"type": "string"}, "Rows are only names that contain this, in upper or lower case."),
        _query(
            "focus", {"type": "string"}, "A whole name: it has a row in any case, and `focus` has everything of it."
        ),
        _query(
            "at",
            {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
            "A second; default: the newest. One that is not on the shelf any more is answered from the history.",
        ),
        _query(
            "downsample",
            {"enum": ["second", "minute", "hour", "day"], "default": "second"},
            "The second, or the minute, hour or day in which it lies; the times of the answer are longer by as much.",
        ),
    ],
    "responses": {
        "200": _json(
            "The ranking; for `Accept: text/event-stream` a stream of them, one at every seal.", "RankingAnswer"
        ),
        "400": _json("A parameter is unknown or not valid.", "Error"),
        "404": _json("The second `at` is not kept.", "Error"),
        "503": _json("Too many different rankings in this second.", "Error"),
        "default": REFUSED,
    },
}

TOKENS: Json = {
    "FastlyKey": {"type": "apiKey", "in": "header", "name": "Fastly-Key", "description": "A token of this server."},
    "Bearer": {"type": "http", "scheme": "bearer", "description": "The same token in the Authorization field."},
}

SECURITY: list[Json] = [*({name: []} for name in TOKENS), {}]

READY: Json = {
    "summary": "Readiness: whether the server takes records and shows entries.",
    "responses": {
        "200": _json("Ready.", "Readiness"),
        "503": _json("Not ready; the failing checks say why.", "Readiness"),
    },
}

CHALLENGE = _text("Permits Fastly's log streaming to push here.", "`*`: any service may push.", "text/plain")

TARGET = _query("target", {"type": "string"}, "A service; all that the token may read if it is missing or empty.")

METRICS = _text(
    "Metrics of the server.",
    "Prometheus' text format, or OpenMetrics if `Accept` asks for it.",
    *("text/plain", "application/openmetrics-text"),
)
