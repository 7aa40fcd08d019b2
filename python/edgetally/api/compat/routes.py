"""Which handler answers which path of api.fastly.com."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, get_args

from edgetally.api.authorization import refuse_when_withdrawn, unauthorized
from edgetally.api.compat.answers import Certificates, OpenIdMetadata, RegionsAnswer
from edgetally.api.compat.datacenters import Datacenters
from edgetally.api.compat.paths import OPENID
from edgetally.api.compat.products import Products
from edgetally.api.compat.responses import not_found, respond
from edgetally.api.compat.services import Services
from edgetally.api.compat.tokens import Tokens
from edgetally.api.errors import ApiRefusal, response_to
from edgetally.api.history.metrics import MetricsHistory
from edgetally.api.history.stats import Stats
from edgetally.config.regions import StatsRegion

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Sequence

    from edgetally.access.grants import Grant
    from edgetally.api.authorization import Authorization
    from edgetally.api.history.asking import Asking
    from edgetally.clock import Clock
    from edgetally.config.descriptions import Descriptions
    from edgetally.http.messages import Request, Response
    from edgetally.window.shelf import Shelf

    Answers = Response | asyncio.Future[Response]


class Asked(NamedTuple):
    """A request that is permitted."""

    request: Request
    grant: Grant
    names: dict[str, str]
    """The parts of its path that the template has in braces."""

    @property
    def service_id(self) -> str:
        """The service that the path names."""
        return self.names["service_id"]


class Compat:
    """Routes the requests for api.fastly.com to handlers."""

    def __init__(
        self,
        authorization: Authorization,
        shelf: Shelf,
        kept_pops: Callable[[Sequence[str]], list[str]],
        descriptions: Descriptions,
        *,
        asking: Asking,
        clock: Clock,
        scheme: str,
        max_domains: int,
    ) -> None:
        """`kept_pops` returns the POPs that are kept of some services; `max_domains` of a service are listed."""
        self._authorization = authorization
        self._clock = clock
        services = Services(shelf, descriptions, lambda: asking.services, scheme=scheme, max_domains=max_domains)
        datacenters = Datacenters(kept_pops, descriptions, services)
        products = Products(services)
        tokens = Tokens(services)
        metrics = MetricsHistory(asking, descriptions, clock)
        stats = Stats(asking, descriptions, clock)
        # Of two templates that fit, the first one counts.
        self.handlers: dict[str, Callable[[Asked], Answers]] = {
            "/service": lambda asked: services.page(asked.request, asked.grant),
            "/service/search": lambda asked: services.named(asked.request.query.get("name", ""), asked.grant),
            "/service/{service_id}": lambda asked: services.service(asked.service_id),
            "/service/{service_id}/details": lambda asked: services.details(asked.service_id),
            "/service/{service_id}/domain": lambda asked: services.domains(asked.service_id),
            "/service/{service_id}/version": lambda asked: services.versions(asked.service_id),
            "/service/{service_id}/version/{version}": lambda asked: services.version(**asked.names),
            "/service/{service_id}/version/{version}/domain": lambda asked: services.domains(**asked.names),
            "/service/{service_id}/version/{version}/dictionary": lambda asked: services.dictionaries(**asked.names),
            "/datacenters": lambda asked: datacenters.all(asked.grant),
            "/entitled-products/{product}": lambda asked: products.entitled(**asked.names),
            "/enabled-products/v1/{product}/services": lambda asked: products.services(
                grant=asked.grant, **asked.names
            ),
            "/enabled-products/v1/{product}/services/{service_id}": lambda asked: products.enabled(**asked.names),
            "/tls/certificates": lambda _: respond(Certificates()),
            "/tokens/self": lambda asked: tokens.own(asked.grant),
            "/verify": lambda asked: tokens.verify(asked.grant),
            "/stats/regions": lambda _: respond(RegionsAnswer([*get_args(StatsRegion)])),
            "/stats": lambda asked: stats.every(asked.grant, asked.request),
            "/stats/aggregate": lambda asked: stats.aggregate(asked.grant, asked.request),
            "/stats/field/{field}": lambda asked: stats.every(asked.grant, asked.request, **asked.names),
            "/stats/service/{service_id}": lambda asked: stats.service(asked.service_id, asked.request),
            "/stats/service/{service_id}/field/{field}": lambda asked: stats.service(
                request=asked.request, **asked.names
            ),
            "/stats/usage": lambda asked: stats.usage(asked.grant, asked.request),
            "/stats/usage_by_month": lambda asked: stats.usage_by_month(asked.grant, asked.request),
            "/stats/usage_by_service": lambda asked: stats.usage_by_service(asked.grant, asked.request),
            "/metrics/domains/services/{service_id}": lambda asked: metrics.answer(
                "domains", asked.service_id, asked.request
            ),
            "/metrics/origins/services/{service_id}": lambda asked: metrics.answer(
                "origins", asked.service_id, asked.request
            ),
        }
        """By template, as in the OpenAPI document."""
        self._templates = [(_parts(template), handler) for template, handler in self.handlers.items()]

    def answer(self, request: Request, path: list[str]) -> Answers:
        """Answer a request whose path `is_compat`; raise ApiRefusal when it is refused."""
        if request.method not in ("GET", "HEAD"):
            problem = f"method {request.method} not allowed (allowed: GET, HEAD, OPTIONS)"
            raise ApiRefusal(HTTPStatus.METHOD_NOT_ALLOWED, problem, b"Allow: GET, HEAD, OPTIONS")
        if path == _parts(OPENID):
            return respond(OpenIdMetadata())
        for handler, names in self._found(path):
            grant = self._authorization.require_reader(request, names.get("service_id"))
            return refuse_when_withdrawn(handler(Asked(request, grant, names)), grant, self._unauthorized)
        self._authorization.require_reader(request)
        raise not_found("no such endpoint (see /openapi.json for the list)")

    def _unauthorized(self) -> Response:
        return response_to(unauthorized(), self._clock.now())

    def _found(self, path: list[str]) -> Iterator[tuple[Callable[[Asked], Answers], dict[str, str]]]:
        """Yield the handlers whose templates fit, and the parts of the path that these name."""
        for template, handler in self._templates:
            if len(template) == len(path):
                named = {part[1:-1]: given for part, given in zip(template, path, strict=True) if part[0] == "{"}
                if all(part == given or part[1:-1] in named for part, given in zip(template, path, strict=True)):
                    yield handler, named


def _parts(template: str) -> list[str]:
    return template.strip("/").split("/")
