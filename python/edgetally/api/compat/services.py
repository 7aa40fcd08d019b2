"""Services: those of which anything is kept, and those in the settings."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from edgetally.api.base_address import base_address
from edgetally.api.compat.answers import (
    DetailedService,
    DetailedVersion,
    DomainAnswer,
    ListedService,
    ShownService,
    VersionAnswer,
)
from edgetally.api.compat.paging import Page
from edgetally.api.compat.responses import in_thread, not_found, respond
from edgetally.api.errors import ApiRefusal
from edgetally.model import domain_names

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from edgetally.access.grants import Grant
    from edgetally.config.descriptions import Descriptions
    from edgetally.http.messages import Request, Response
    from edgetally.window.shelf import Shelf

ONLY_VERSION = "1"

INLINE_SERVICES = 1_000
"""Services up to which an answer is made on the event loop, in a millisecond or two; beyond, in a thread."""


class Services:
    """Answers what clients ask about services."""

    def __init__(
        self,
        shelf: Shelf,
        descriptions: Descriptions,
        past: Callable[[], frozenset[str]],
        *,
        scheme: str,
        max_domains: int,
    ) -> None:
        """`past` returns the services of the history, the same object while they are the same."""
        self._shelf = shelf
        self._past = past
        self._descriptions = descriptions
        self._scheme = scheme
        self._max_domains = max_domains
        self._all: list[str] = []
        self._all_of: tuple[int, int, frozenset[str]] = (-1, -1, frozenset())
        """What the list was made of: turnover of the shelf, version of the descriptions, services of the history."""

    def visible(self, grant: Grant) -> Sequence[str]:
        """Return the ids of the services that there are and that a token may read, in alphabetical order."""
        if grant.services is not None:
            return [service_id for service_id in grant.services if self._exists(service_id)]
        of = (self._shelf.turnover, self._descriptions.version, self._past())
        if self._all_of != of:
            self._all_of = of
            self._all = sorted({*self._shelf.services, *self._descriptions.services, *of[-1]})
        return self._all

    def names(self, grant: Grant) -> dict[str, str]:
        """Return the names of these services by id."""
        return {service_id: self._descriptions.service_name(service_id) for service_id in self.visible(grant)}

    def page(self, request: Request, grant: Grant) -> Response | asyncio.Future[Response]:
        """Answer `/service`."""
        query = request.query
        page = Page.of(query)
        ids = self._sorted(self.visible(grant), query.get("sort", ""), query.get("direction", ""))
        shown = page.cut(ids)
        links = page.links(f"{base_address(request, self._scheme)}/service", len(ids))
        fields = [b"Link: " + links.encode(), b"Access-Control-Expose-Headers: Link"] if links else []
        has_versions = query.get("filter[include_versions]") != "false"

        def make() -> Response:
            parts = []
            for start in range(0, len(shown), INLINE_SERVICES):
                some = [self._listed(one, has_versions=has_versions) for one in shown[start : start + INLINE_SERVICES]]
                parts.append(msgspec.json.encode(some)[1:-1])
            return respond(msgspec.Raw(b"[" + b",".join(parts) + b"]"), *fields)

        if len(shown) > INLINE_SERVICES:
            return in_thread(make)
        return make()

    def service(self, service_id: str) -> Response:
        """Answer `/service/{id}`."""
        self.require(service_id)
        shown = ShownService(**self._fields(service_id), versions=[VersionAnswer(service_id=service_id)])
        return respond(shown)

    def details(self, service_id: str) -> Response:
        """Answer `/service/{id}/details`."""
        self.require(service_id)
        version = DetailedVersion(service_id=service_id)
        versions = [VersionAnswer(service_id=service_id)]
        fields = self._fields(service_id)
        return respond(DetailedService(**fields, versions=versions, version=version, active_version=version))

    def named(self, name: str, grant: Grant) -> Response:
        """Answer `/service/search`: the service with this name, if the token may read it."""
        if not name:
            raise ApiRefusal(HTTPStatus.BAD_REQUEST, "the parameter name is missing")
        service_id = self._descriptions.service_named(name)
        if not grant.may("read", service_id) or self._descriptions.service_name(service_id) != name:
            raise not_found("Cannot load service")
        return self.service(service_id)

    def versions(self, service_id: str) -> Response:
        """Answer `/service/{id}/version`."""
        self.require(service_id)
        return respond([VersionAnswer(service_id=service_id)])

    def version(self, service_id: str, version: str) -> Response:
        """Answer `/service/{id}/version/{n}`."""
        self._require_version(service_id, version)
        return respond(VersionAnswer(service_id=service_id))

    def dictionaries(self, service_id: str, version: str) -> Response:
        """Answer `/service/{id}/version/{n}/dictionary`: there are none."""
        self._require_version(service_id, version)
        return respond([])

    def domains(self, service_id: str, version: str = ONLY_VERSION) -> asyncio.Future[Response]:
        """Answer `/service/{id}/domain`: the domains that are kept or, if they are too many, the newest of them."""
        self._require_version(service_id, version)
        sealed = self._shelf.sealed(service_id)

        def make() -> Response:
            names = domain_names(sealed, self._max_domains)
            return respond([DomainAnswer(name=name, service_id=service_id) for name in names])

        return in_thread(make)

    def require(self, service_id: str) -> None:
        """Raise ApiRefusal unless there is this service."""
        if not self._exists(service_id):
            raise not_found("Cannot load service")

    def _require_version(self, service_id: str, version: str) -> None:
        self.require(service_id)
        if version != ONLY_VERSION:
            raise not_found("Cannot load version")

    def _exists(self, service_id: str) -> bool:
        return (
            self._shelf.has_service(service_id)
            or service_id in self._descriptions.services
            or service_id in self._past()
        )

    def _fields(self, service_id: str) -> dict[str, Any]:
        """Return what every answer says of a service."""
        one = self._descriptions.service(service_id)
        return {"id": service_id, "name": one.name, "type": one.type, "comment": one.comment}

    def _listed(self, service_id: str, *, has_versions: bool) -> ListedService:
        versions = [VersionAnswer(service_id=service_id)] if has_versions else UNSET
        return ListedService(**self._fields(service_id), versions=versions)

    def _sorted(self, ids: Sequence[str], sort: str, direction: str) -> Sequence[str]:
        """Sort by name or, for any other field, by id: nothing else tells services apart."""
        if direction not in ("", "ascend", "descend"):
            problem = f"direction must be one of: ascend, descend (got {direction[:40]!r})"
            raise ApiRefusal(HTTPStatus.BAD_REQUEST, problem)
        if sort == "name":
            ids = sorted(ids, key=lambda service_id: (self._descriptions.service_name(service_id), service_id))
        return ids[::-1] if direction == "descend" else ids
