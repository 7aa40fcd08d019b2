"""
The answers of the paths of api.fastly.com.

Generated clients refuse an answer that lacks a key or has null in it, so both are only where the real ones have them.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edgetally.api.answers import Answer
from edgetally.config.regions import BillingRegion, Region, StatsRegion

UNKNOWN_DATE = "1970-01-01T00:00:00Z"
"""No edge logs when its service was created."""

CUSTOMER = "edgetally"
"""There are no customers here, and clients need one."""

Date = Annotated[str, Meta(description="Unknown: always 1970.")]


Nothing = tuple[()]
"""An empty list."""


class Empty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class Dated(Answer, kw_only=True):
    """What was created at some time."""

    created_at: Date = UNKNOWN_DATE
    updated_at: Date = UNKNOWN_DATE
    deleted_at: None = None


class VersionAnswer(Dated, kw_only=True):
    """The only version of a service."""

    number: Literal[1] = 1
    active: bool = True
    locked: bool = True
    deployed: bool = False
    staging: bool = False
    testing: bool = False
    comment: str = ""
    service_id: str


class ServiceFields(Dated, kw_only=True):
    """What every answer says of a service."""

    id: str
    name: str
    type: Literal["vcl", "wasm"]
    comment: str
    customer_id: str = CUSTOMER
    paused: bool = False


class ListedService(ServiceFields, kw_only=True):
    """A service in a list."""

    version: Literal[1] = 1
    versions: list[VersionAnswer] | UnsetType = UNSET


class ShownService(ServiceFields, kw_only=True):
    """A service by itself."""

    versions: list[VersionAnswer]
    publish_key: str = ""


class DetailedVersion(VersionAnswer, kw_only=True):
    """A version with what it configures, which is nothing: an edge is configured elsewhere."""

    acls: Nothing = ()
    backends: Nothing = ()
    cache_settings: Nothing = ()
    conditions: Nothing = ()
    dictionaries: Nothing = ()
    directors: Nothing = ()
    domains: Nothing = ()
    gzips: Nothing = ()
    headers: Nothing = ()
    healthchecks: Nothing = ()
    request_settings: Nothing = ()
    response_objects: Nothing = ()
    snippets: Nothing = ()
    vcls: Nothing = ()
    wordpress: Nothing = ()
    settings: Empty = Empty()


class DetailedService(ShownService, kw_only=True):
    """A service with its version."""

    version: DetailedVersion
    active_version: DetailedVersion


class DomainAnswer(Dated, kw_only=True):
    """A domain of a service."""

    name: str
    service_id: str
    version: Literal[1] = 1
    comment: str = ""
    locked: bool = True


class PlaceAnswer(Answer):
    """Where a POP is, in degrees."""

    latitude: float
    longitude: float
    x: Literal[0] = 0
    y: Literal[0] = 0


class Datacenter(Answer):
    """A POP."""

    code: str
    name: str
    group: str
    region: Region
    stats_region: StatsRegion
    billing_region: BillingRegion
    coordinates: PlaceAnswer | UnsetType = UNSET


class ProductLink(Answer):
    """A product."""

    id: str
    object: Literal["product"] = "product"


class ServiceLink(Answer):
    """A service that has a product."""

    id: str
    object: Literal["service"] = "service"


class CustomerLink(Answer):
    """A customer that has a product."""

    id: str = CUSTOMER
    object: Literal["customer"] = "customer"


class EntitledProduct(Answer):
    """Whether there is a product."""

    product: ProductLink
    has_access: bool


class EnabledProduct(Answer):
    """A service has this product."""

    product: ProductLink
    service: ServiceLink


class EnabledServices(Answer):
    """The services that have a product."""

    product: ProductLink
    customer: CustomerLink
    services: list[str]


class NoProduct(Answer):
    """A service does not have this product."""

    title: Literal["no product on service"] = "no product on service"
    status: Literal[400] = 400
    detail: str = ""


class Certificates(Answer):
    """The certificates that an edge has, which are not known here."""

    data: Nothing = ()
    links: Empty = Empty()


class TokenAnswer(Answer, kw_only=True):
    """The token of a request."""

    id: str
    user_id: str
    name: str
    scope: Literal["global:read"] = "global:read"
    scopes: tuple[Literal["global:read"], ...] = ("global:read",)
    services: Annotated[list[str], Meta(description="The services that it is for. Empty: all.")]
    created_at: Date = UNKNOWN_DATE


class VerifiedCustomer(Answer):
    """The customer of a token."""

    id: str = CUSTOMER
    name: str = "Edgetally"


class VerifiedUser(Answer):
    """The bearer of a token."""

    id: str
    name: str
    login: str


class VerifiedToken(Answer):
    """A token that was verified."""

    id: str
    name: str
    created_at: Date = UNKNOWN_DATE
    scope: Literal["global:read"] = "global:read"


class Verification(Answer):
    """The bearer of a token, and what it may read."""

    customer: VerifiedCustomer
    user: VerifiedUser
    services: Annotated[dict[str, str], Meta(description="Names by id.")]
    token: VerifiedToken


class OpenIdMetadata(Answer):
    """Where to log in, which is nowhere: clients only need an answer."""

    authorization_endpoint: str = ""
    token_endpoint: str = ""
    jwks_uri: str = ""


class RegionsAnswer(Answer):
    """The regions by which history is split."""

    data: list[StatsRegion]
    status: Literal["success"] = "success"
    meta: Empty = Empty()
    msg: None = None
