"""The answers of the API except entries. Handlers encode these structs, and the OpenAPI document describes them."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Count = Annotated[int, Meta(ge=0)]


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """Base of every answer: it has the declared fields and no others."""


class Error(Answer):
    """Why a request was refused. `Timestamp` is there because clients take their next cursor from it even here."""

    error: str = msgspec.field(name="Error")
    timestamp: int = msgspec.field(name="Timestamp")
    msg: Annotated[str, Meta(description="The same as `Error`: some clients show only this.")]
    outcome: Annotated[
        Literal["unknown"] | UnsetType,
        Meta(description="The push may count later. Repeat it with its key, at any node."),
    ] = UNSET


class ApiError(Answer):
    """The same on a path of api.fastly.com."""

    msg: str
    detail: str | UnsetType = UNSET


class HistoryError(Answer):
    """Why a question to history was refused."""

    msg: str
    status: Literal["error"] = "error"


class RejectedLine(Answer):
    """A rejected line of a push."""

    line: Annotated[int, Meta(ge=1, description="The line's number in the push, from 1.")]
    reason: str


class PushAnswer(Answer):
    """The report of a push: how many of its lines count."""

    accepted: Count
    rejected: Count
    errors: Annotated[list[RejectedLine], Meta(max_length=10, description="The first rejected lines.")]
    hint: Annotated[
        str | UnsetType,
        Meta(description="The lines look like another format than the one that they were read as."),
    ] = UNSET


ForAll = Annotated[str, Meta(description="Only for a token that may read every service.")]


class Links(Answer, kw_only=True):
    """The endpoints. The first four lead to the first of the services."""

    channel: str
    domains: str
    origins: str
    origin_insights: str
    push: str
    fastly_metrics: str
    openapi: str
    healthz: str
    readyz: str
    metrics: ForAll | UnsetType = UNSET
    rejected: ForAll | UnsetType = UNSET


class IndexAnswer(Answer):
    """What this server is, and its endpoints."""

    name: Literal["edgetally"]
    version: str
    about: str
    services: Annotated[list[str], Meta(description="Services with recent entries that the token may read.")]
    links: Links


class Health(Answer):
    """The process is alive."""

    alive: Annotated[bool, Meta(extra_json_schema={"const": True})]


class ScrapeTargets(Answer):
    """The services that can be scraped, as HTTP service discovery wants them."""

    targets: list[str]


class Check(Answer):
    """One condition of readiness."""

    ok: bool
    problem: str | None


class Readiness(Answer):
    """Whether the server takes records and shows entries."""

    ready: bool
    checks: dict[str, Check]
