"""Products: those that this server stands in for are there and enabled, no others are."""

import pytest

from tests.support.served import served
from tests.support.shapes import differences

OURS = ("domain_inspector", "origin_inspector")
OTHERS = ("bot_management", "brotli_compression", "image_optimizer", "log_explorer_insights", "ngwaf", "websockets")


@pytest.mark.parametrize("product", [*OURS, *OTHERS])
async def test_the_products_of_a_customer(product: str) -> None:
    async with served() as running:
        found = await running.get(f"/entitled-products/{product}")

    assert found == {"product": {"id": product, "object": "product"}, "has_access": product in OURS}


@pytest.mark.parametrize("product", OURS)
async def test_an_enabled_product(product: str) -> None:
    async with served({"services": {"shop": {}, "blog": {}}}) as running:
        enabled = await running.get(f"/enabled-products/v1/{product}/services/shop")
        services = await running.get(f"/enabled-products/v1/{product}/services")

    named = {"product": {"id": product, "object": "product"}}
    assert differences(enabled, {**named, "service": {"id": "shop", "object": "service"}}) == []
    assert differences(services, {**named, "customer": {"id": str, "object": "customer"}, "services": [str]}) == []
    assert services["services"] == ["blog", "shop"]


@pytest.mark.parametrize("product", OTHERS)
async def test_a_product_that_is_not_enabled(product: str) -> None:
    async with served({"services": {"shop": {}}}) as running:
        answer = await running.client.get(f"/enabled-products/v1/{product}/services/shop")
        services = await running.get(f"/enabled-products/v1/{product}/services")

    assert answer.status_code == 400
    assert answer.json() == {"title": "no product on service", "status": 400, "detail": ""}
    assert services["services"] == []


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/enabled-products/v1/domain_inspector/services/nothing", "Cannot load service"),
        ("/enabled-products/v1/Domain Inspector/services/shop", "Cannot load product"),
        ("/enabled-products/v1/a.b/services", "Cannot load product"),
        ("/entitled-products/%0A", "Cannot load product"),
        ("/entitled-products/" + "x" * 65, "Cannot load product"),
    ],
)
async def test_what_there_is_not_is_not_found(path: str, detail: str) -> None:
    async with served({"services": {"shop": {}}}) as running:
        answer = await running.client.get(path)

    assert (answer.status_code, answer.json()) == (404, {"msg": "Record not found", "detail": detail})
