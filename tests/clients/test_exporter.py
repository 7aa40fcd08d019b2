"""fastly-exporter, which cannot be installed here: its requests one by one, decoded as strictly as Go does."""

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import pytest
from msgspec import UNSET, Struct, UnsetType

from tests.support.clients import TRAFFIC
from tests.support.served import Served, served

Decoded = TypeVar("Decoded")

FLOATS = {"hits_time", "miss_time", "pass_time", "edge_hit_ratio", "origin_offload", "hit_ratio"}
"""All other measurements are unsigned: one fraction, and the exporter drops the whole answer."""


class Service(Struct):
    id: str
    name: str
    version: int


class Coordinates(Struct):
    latitude: float
    longitude: float


class Datacenter(Struct):
    code: str
    name: str
    group: str
    coordinates: Coordinates | UnsetType = UNSET


class Product(Struct):
    id: str


class Entitlement(Struct):
    product: Product
    has_access: bool


class Certificates(Struct):
    data: list[object]
    links: dict[str, str]


class Token(Struct):
    id: str
    user_id: str


async def fetched(running: Served, path: str, shape: type[Decoded]) -> Decoded:
    answer = await running.client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return msgspec.json.decode(answer.content, type=shape)


async def test_what_it_asks_about_services() -> None:
    async with served({"services": {"shop": {"name": "Web shop"}}}) as running:
        await running.push(*TRAFFIC, path="/ingest/shop")
        await running.to(2)
        services = "/service?page=1&per_page=1000&filter%5Binclude_versions%5D=false"
        (service,) = await fetched(running, services, list[Service])
        (found,) = (await running.client.get(services)).headers.get_list("link") or [""]
        pops = await fetched(running, "/datacenters", list[Datacenter])
        certificates = "/tls/certificates?page%5Bnumber%5D=1&page%5Bsize%5D=200&sort=created_at"

        assert service == Service("shop", "Web shop", 1)
        assert "next" not in found
        assert {pop.code for pop in pops} == {"AMS", "FRA"}
        for product in ("origin_inspector", "domain_inspector"):
            entitlement = await fetched(running, f"/entitled-products/{product}", Entitlement)
            assert entitlement == Entitlement(Product(product), has_access=True)
        assert await fetched(running, certificates, Certificates) == Certificates([], {})
        assert await fetched(running, "/service/shop/version/1/dictionary", list[object]) == []
        await fetched(running, "/tokens/self", Token)


async def test_it_reads_every_page_of_services() -> None:
    """By the address in `Link`, as long as there is one with `rel="next"`."""
    async with served({"services": {f"s{number}": {} for number in range(5)}}) as running:
        names, path = [], "/service?page=1&per_page=2"
        while path:
            answer = await running.client.get(path)
            names += [service.name for service in msgspec.json.decode(answer.content, type=list[Service])]
            path = answer.links.get("next", {}).get("url", "")

    assert names == [f"s{number}" for number in range(5)]


def leaves(counted: Any, levels: int) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """Yield the measurements below so many levels of keys, such as POPs and domains."""
    if not levels:
        yield counted
        return
    for below in counted.values():
        yield from leaves(below, levels - 1)


def check(measured: Any) -> None:  # noqa: ANN401 - JSON
    """Check that Go decodes these measurements."""
    for name, value in measured.items():
        if name == "miss_histogram":
            assert all(type(count) is int and count >= 0 and int(bound) >= 0 for bound, count in value.items())
        else:
            assert type(value) is int or name in FLOATS, name
            assert value >= 0, name


@pytest.mark.parametrize(
    ("endpoint", "levels", "total"),
    [("channel", 0, "requests"), ("domains", 1, "requests"), ("origins", 1, "responses")],
)
async def test_what_it_adds_up_is_what_was_pushed(endpoint: str, levels: int, total: str) -> None:
    """By POP; it starts at `ts/0` and chains `Timestamp`."""
    async with served() as running:
        sum_of_pops, cursor = 0, 0
        for second in range(7):
            await running.to(second)
            if second < 5:
                await running.push(*TRAFFIC, path="/ingest/shop")
            if second < 2:
                continue  # nothing is sealed yet
            answer = await running.get(f"/v1/{endpoint}/shop/ts/{cursor}")
            cursor = answer["Timestamp"]
            for entry in answer["Data"]:
                for measured in leaves(entry["datacenter"], 1 + levels):
                    check(measured)
                    sum_of_pops += measured[total]
                for measured in leaves(entry["aggregated"], levels):
                    check(measured)

    assert sum_of_pops == 5 * len(TRAFFIC)
