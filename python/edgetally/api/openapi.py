"""The OpenAPI document: everything that the API answers, with the measurements of the core's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Json = dict[str, Any]

WHAT = {
    "domains": ("Domains", "requests by domain"),
    "origins": ("Origins", "responses of origins by name"),
    "origin_insights": ("OriginInsights", "responses of origins by name and address"),
}
"""Schema name and sentence of every dataset."""


def document(fields: Mapping[str, Iterable[tuple[str, str, bool]]], version: str) -> Json:
    """Build the OpenAPI 3.1 document; `fields` are name, description and is-ratio of the measurements per dataset."""
    schemas: Json = {
        "Error": ERROR,
        "PushAnswer": PUSH_ANSWER,
        "Index": INDEX,
        "OpenApi": {"type": "object"},
        "Health": HEALTH,
        "Readiness": READINESS,
        "Rejected": REJECTED,
    }
    paths: Json = {}
    for dataset, rows in fields.items():
        name, what = WHAT[dataset]
        schemas |= _schemas(dataset, name, rows)
        room = "channel" if dataset == "origin_insights" else dataset
        for path, summary, parameters in READING:
            operation = _reading(name, f"{summary}: {what}.", parameters, dataset)
            paths[f"/v1/{room}/{{service_id}}/ts/{path}"] = {"get": _guarded(operation)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Edgetally",
            "version": version,
            "summary": "Exact counters for every domain and every origin of your edge, one entry per second.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/": {"get": _guarded(_get("What this is and where to look.", "Index"))},
            "/openapi.json": {"get": _open(_get("This document.", "OpenApi"))},
            "/healthz": {"get": _open(_get("Tells that the process is alive.", "Health"))},
            "/readyz": {"get": _open(READY)},
            "/metrics": {"get": _guarded(METRICS)},
            "/rejected": {
                "get": _guarded(_get("The last 100 lines that did not count, the newest first.", "Rejected"))
            },
            "/.well-known/fastly/logging/challenge": {"get": _open(CHALLENGE)},
            "/ingest": dict.fromkeys(("post", "put"), _guarded(_push(PUSHING))),
            "/ingest/{service_id}": dict.fromkeys(("post", "put"), _guarded(_push([SERVICE_ID, *PUSHING]))),
            **paths,
        },
        "components": {"schemas": schemas, "securitySchemes": TOKENS},
    }


def _schemas(dataset: str, name: str, rows: Iterable[tuple[str, str, bool]]) -> Json:
    measurements = {
        "type": "object",
        "description": "Fields that are 0 are left out.",
        "additionalProperties": False,
        "properties": {
            field: {"type": "number", "minimum": 0, "maximum": 1, "description": description}
            if is_ratio
            else {"type": "integer", "minimum": 0, "description": description}
            for field, description, is_ratio in rows
        },
    }
    keyed: Json = {"type": "object", "additionalProperties": _ref(f"{name}Measurements")}
    if dataset == "origin_insights":
        keyed = {"type": "object", "additionalProperties": keyed}
    entry = {
        "type": "object",
        "required": ["recorded", "aggregated", "datacenter"],
        "additionalProperties": False,
        "properties": {
            "recorded": {"type": "integer", "description": "The Unix second that this counts."},
            "aggregated": keyed,
            "datacenter": {"type": "object", "description": "The same by POP.", "additionalProperties": keyed},
        },
    }
    answer = {
        "type": "object",
        "required": ["Data", "Timestamp", "AggregateDelay"],
        "additionalProperties": False,
        "properties": {
            "Data": {"type": "array", "items": _ref(f"{name}Entry")},
            "Timestamp": {"type": "integer", "description": "The start_timestamp to go on with."},
            "AggregateDelay": {"type": "integer", "description": "Seconds from a second's begin to its seal."},
            "Error": {"type": "string", "description": "Present when there is no data."},
        },
    }
    return {f"{name}Measurements": measurements, f"{name}Entry": entry, f"{name}Answer": answer}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(description: str, schema: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _guarded(operation: Json) -> Json:
    """Ask for a token, in one place or the other; without any tokens, none is needed."""
    responses = {**operation["responses"], "403": _json("A token for this is missing.", "Error")}
    return {**operation, "security": [*({name: []} for name in TOKENS), {}], "responses": responses}


def _open(operation: Json) -> Json:
    return {**operation, "security": []}


def _get(summary: str, schema: str) -> Json:
    return {"summary": summary, "responses": {"200": _json("It.", schema), "default": _json("A refusal.", "Error")}}


def _reading(name: str, summary: str, parameters: list[Json], dataset: str) -> Json:
    kind = [KIND] if dataset == "origin_insights" else []
    return {
        "summary": summary,
        "parameters": [SERVICE_ID, *parameters, *kind],
        "responses": {
            "200": _json("The entries, oldest first.", f"{name}Answer"),
            "400": _json("Something in the question is wrong.", "Error"),
            "default": _json("A refusal.", "Error"),
        },
    }


def _push(parameters: list[Json]) -> Json:
    record = {"type": "object", "description": "See docs/record.md."}
    return {
        "summary": "Push records.",
        "description": "200 means that they are counted. Content-Encoding may be gzip or zstd.",
        "parameters": parameters,
        "requestBody": {
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}},
                "application/json": {"schema": {"oneOf": [record, {"type": "array", "items": record}]}},
            },
        },
        "responses": {
            "200": _json("What became of the lines.", "PushAnswer"),
            "400": {
                "description": "No line counts, the body cannot be read, or there is no such parameter.",
                "content": {"application/json": {"schema": {"anyOf": [_ref("PushAnswer"), _ref("Error")]}}},
            },
            "413": _json("Too much at once.", "Error"),
            "415": _json("A Content-Encoding that is not understood.", "Error"),
            "422": _json("The Idempotency-Key came with other records before.", "Error"),
            "429": _json("Pushes come faster than they are counted: send it again after Retry-After.", "Error"),
            "503": _json("The journal cannot be written now: send it again after Retry-After.", "Error"),
            "default": _json("A refusal.", "Error"),
        },
    }


def _path(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": description}


SERVICE_ID = _path("service_id", {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}, "The service.")
CURSOR = _path(
    "start_timestamp",
    {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    "The Timestamp of the answer before; 0 for the last sealed second.",
)
MAX_ENTRIES = _path(
    "max_entries", {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}, "How many entries at most."
)
KIND = {"name": "kind", "in": "query", "required": True, "schema": {"const": "origin_insights"}}
POP = {
    "name": "pop",
    "in": "query",
    "schema": {"type": "string", "maxLength": 64},
    "description": "POP of records that name none, of at most 64 bytes in UTF-8, all of them printable.",
}
FORMAT = {
    "name": "format",
    "in": "query",
    "schema": {"type": "string"},
    "description": "How lines are written, by a name that `edgetally formats` lists.",
}
WEIGHT = {
    "name": "weight",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": 1 << 32},
    "description": "How many requests each line stands for that does not say so.",
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
    "description": "Within ten minutes, pushes with the same key count once, and all get the first one's answer.",
}
PUSHING = [POP, FORMAT, WEIGHT, KEY]

READING: list[tuple[str, str, list[Json]]] = [
    ("{start_timestamp}", "Entries that are newer than a cursor, waiting for one", [CURSOR]),
    ("{start_timestamp}/limit/{max_entries}", "The oldest of these", [CURSOR, MAX_ENTRIES]),
    ("h", "Entries of the last 120 seconds", []),
    ("h/limit/{max_entries}", "Entries of the last seconds", [MAX_ENTRIES]),
]

TOKENS: Json = {
    "FastlyKey": {"type": "apiKey", "in": "header", "name": "Fastly-Key", "description": "A token of this server."},
    "Bearer": {"type": "http", "scheme": "bearer", "description": "The same in another place."},
}

ERROR: Json = {
    "type": "object",
    "required": ["Error", "Timestamp"],
    "properties": {"Error": {"type": "string"}, "Timestamp": {"type": "integer"}},
}

PUSH_ANSWER: Json = {
    "type": "object",
    "required": ["accepted", "rejected", "errors"],
    "properties": {
        "accepted": {"type": "integer", "minimum": 0},
        "rejected": {"type": "integer", "minimum": 0},
        "errors": {
            "type": "array",
            "maxItems": 10,
            "items": {
                "type": "object",
                "required": ["line", "reason"],
                "properties": {"line": {"type": "integer", "minimum": 1}, "reason": {"type": "string"}},
            },
        },
    },
}

INDEX: Json = {
    "type": "object",
    "required": ["name", "version", "about", "services", "links"],
    "properties": {
        "name": {"const": "edgetally"},
        "version": {"type": "string"},
        "about": {"type": "string"},
        "services": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The services of the last minutes that the token may read.",
        },
        "links": {
            "type": "object",
            "required": ["domains", "origins", "origin_insights", "push", "openapi", "healthz", "readyz"],
            "properties": {
                name: {"type": "string", "description": "Only for who may read every service."}
                for name in ("metrics", "rejected")
            },
            "additionalProperties": {"type": "string"},
            "description": "Where to look; the first three lead to the first of the services.",
        },
    },
    "additionalProperties": False,
}

HEALTH: Json = {"type": "object", "required": ["alive"], "properties": {"alive": {"const": True}}}

READINESS: Json = {
    "type": "object",
    "required": ["ready", "checks"],
    "properties": {
        "ready": {"type": "boolean"},
        "checks": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["ok", "problem"],
                "properties": {"ok": {"type": "boolean"}, "problem": {"type": ["string", "null"]}},
            },
        },
    },
}

READY: Json = {
    "summary": "Tells whether it takes records and shows them.",
    "responses": {
        "200": _json("It does.", "Readiness"),
        "503": _json("It does not; the checks that fail say why.", "Readiness"),
    },
}

REJECTED: Json = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["time", "source", "line", "reason", "problem", "at", "sample"],
        "properties": {
            "time": {"type": "string", "format": "date-time"},
            "source": {"type": "string"},
            "line": {"type": "integer", "minimum": 1, "description": "Its number in its input."},
            "reason": {"type": "string"},
            "problem": {"type": "string"},
            "at": {"type": "integer", "minimum": 0, "description": "The byte at which it was found out."},
            "sample": {"type": "string", "description": "How it begins; what is no printable letter is escaped."},
        },
        "additionalProperties": False,
    },
}

METRICS: Json = {
    "summary": "What the server has counted about itself.",
    "responses": {
        "200": {
            "description": "The text format of Prometheus.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
}

CHALLENGE: Json = {
    "summary": "Tells Fastly's log streaming that it may push here.",
    "responses": {
        "200": {"description": "`*`: any service may.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
}
