"""Products of Fastly: the two that this server stands in for are there and enabled, no others are."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from edgetally.api.compat.answers import (
    CustomerLink,
    EnabledProduct,
    EnabledServices,
    EntitledProduct,
    NoProduct,
    ProductLink,
    ServiceLink,
)
from edgetally.api.compat.responses import not_found, respond

if TYPE_CHECKING:
    from edgetally.access.grants import Grant
    from edgetally.api.compat.services import Services
    from edgetally.http.messages import Response

PRODUCT = "[a-z0-9_-]{1,64}"
"""A regular expression that matches all of a product's name."""

PRODUCTS = frozenset({"domain_inspector", "origin_inspector"})


class Products:
    """Answers what clients ask about products."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def entitled(self, product: str) -> Response:
        """Answer `/entitled-products/{product}`."""
        _require_name(product)
        return respond(EntitledProduct(ProductLink(product), has_access=product in PRODUCTS))

    def enabled(self, product: str, service_id: str) -> Response:
        """Answer `/enabled-products/v1/{product}/services/{id}`: any status but 200 means that it is not."""
        self._services.require(service_id)
        _require_name(product)
        if product not in PRODUCTS:
            return respond(NoProduct(), status=HTTPStatus.BAD_REQUEST)
        return respond(EnabledProduct(ProductLink(product), ServiceLink(service_id)))

    def services(self, product: str, grant: Grant) -> Response:
        """Answer `/enabled-products/v1/{product}/services`."""
        _require_name(product)
        ids = [*self._services.visible(grant)] if product in PRODUCTS else []
        return respond(EnabledServices(ProductLink(product), CustomerLink(), ids))


def _require_name(product: str) -> None:
    """Raise ApiRefusal unless this may name a product."""
    if not re.fullmatch(PRODUCT, product):
        raise not_found("Cannot load product")
