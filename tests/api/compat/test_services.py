"""Services: the exact shapes that clients need, who sees what, and how pages are walked."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetally.api.compat import services
from edgetally.api.compat.paging import Page
from edgetally.api.compat.services import INLINE_SERVICES
from edgetally.config.validation import check
from tests.support.clock import TIMEOUT_SECONDS, until
from tests.support.served import Json, Served, record, served
from tests.support.shapes import Optional, differences
from tests.support.tokens import access, bearer

DATES = {"created_at": "1970-01-01T00:00:00Z", "updated_at": "1970-01-01T00:00:00Z", "deleted_at": None}

VERSION = {
    "number": 1,
    "active": True,
    "locked": True,
    "deployed": False,
    "staging": False,
    "testing": False,
    "comment": str,
    "service_id": str,
    **DATES,
}

FIELDS = {"id": str, "name": str, "type": "vcl", "customer_id": str, "comment": str, "paused": False, **DATES}

LISTED = {**FIELDS, "version": 1, "versions": Optional([VERSION])}

SHOWN = {**FIELDS, "versions": [VERSION], "publish_key": ""}

LISTS = (
    "acls backends cache_settings conditions dictionaries directors domains gzips headers healthchecks "
    "request_settings response_objects snippets vcls wordpress"
)

DETAILED: Json = {**VERSION, **{key: [] for key in LISTS.split()}, "settings": {}}

DOMAIN = {"name": str, "service_id": str, "version": 1, "comment": str, "locked": True, **DATES}

NO_SERVICE = {"msg": "Record not found", "detail": "Cannot load service"}
NO_VERSION = {"msg": "Record not found", "detail": "Cannot load version"}


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    """A service with entries of two services, and a third one in its settings."""
    async with served({"services": {"shop": {"name": "Web shop", "comment": "x"}, "blog": {}}}) as running:
        await running.push(record(0, service_id="shop"), record(0, service_id="news", domain="n.example"))
        await running.to(2)
        yield running


async def test_services_that_are_only_in_the_history_are_listed(tmp_path: Path) -> None:
    settings: dict[str, Json] = {"journal": {"kind": "memory", "data_dir": str(tmp_path)}}
    async with served(settings) as before:
        await before.push(record(0, service_id="old"))
        await before.to(2)
    async with served(settings) as now:
        await now.push(record(0, service_id="young"))
        await now.to(2)
        # They are found in a thread.
        while (listed := [one["id"] for one in (await now.client.get("/service")).json()]) != ["old", "young"]:
            assert listed == ["young"]
        assert (await now.get("/service/old"))["id"] == "old"
        assert (await now.get("/"))["services"] == ["old", "young"]


async def test_services_are_listed(service: Served) -> None:
    found = (await service.client.get("/service")).json()

    assert differences(found, [LISTED]) == []
    assert [(one["id"], one["name"], one["comment"]) for one in found] == [
        *[("blog", "blog", ""), ("news", "news", ""), ("shop", "Web shop", "x")]
    ]
    assert all(one["versions"][0]["service_id"] == one["id"] for one in found)


async def test_an_idle_server_has_no_services() -> None:
    async with served() as running:
        answer = await running.client.get("/service?page=1&per_page=1000&filter[include_versions]=false")

    assert (answer.status_code, answer.json()) == (200, [])
    assert "link" not in answer.headers


async def test_versions_may_be_left_out(service: Served) -> None:
    for value, has_versions in (("false", False), ("true", True), ("", True)):
        found = (await service.client.get(f"/service?filter[include_versions]={value}")).json()
        assert ["versions" in one for one in found] == [has_versions] * 3


async def test_a_service_is_listed_as_long_as_anything_of_it_is_kept() -> None:
    async def listed() -> list[str]:
        return [one["id"] for one in (await running.client.get("/service")).json()]

    async with served({"shelf": {"keep": 120}}) as running:
        await running.push(record(0))
        assert await listed() == []
        await running.to(2)
        assert await listed() == ["svc"]
        await running.to(121)
        assert await listed() == ["svc"]
        assert await running.entries()
        await running.to(122)
        assert await listed() == []


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["blog", "news", "shop"]),
        ("sort=created&direction=ascend", ["blog", "news", "shop"]),
        ("sort=created&direction=descend", ["shop", "news", "blog"]),
        ("sort=name", ["shop", "blog", "news"]),
        ("sort=&direction=&page=&per_page=", ["blog", "news", "shop"]),
        ("page=2&per_page=2", ["shop"]),
        ("page=3&per_page=2", []),
        ("page=2", []),
        ("per_page=999999999999999999", ["blog", "news", "shop"]),
        ("page=999999999999999999&per_page=999999999999999999", []),
        ("per_page=" + "1" * 21, ["blog", "news", "shop"]),
        ("page=" + "1" * 21, []),
        ("unknown=1", ["blog", "news", "shop"]),
    ],
)
async def test_a_query_sorts_and_cuts(service: Served, query: str, ids: list[str]) -> None:
    assert [one["id"] for one in (await service.client.get(f"/service?{query}")).json()] == ids


@pytest.mark.parametrize(
    ("query", "msg"),
    [
        ("page=0", "page must be an integer of at least 1 (got '0')"),
        ("page=-1", "page must be an integer of at least 1 (got '-1')"),
        ("page=x&per_page=y", "page must be an integer of at least 1 (got 'x')"),
        ("per_page=1.5", "per_page must be an integer of at least 1 (got '1.5')"),
        ("direction=up", "direction must be one of: ascend, descend (got 'up')"),
    ],
)
async def test_a_query_that_is_wrong_is_named(service: Served, query: str, msg: str) -> None:
    answer = await service.client.get(f"/service?{query}")

    assert (answer.status_code, answer.json()) == (400, {"msg": msg})


LINK = re.compile(r'<(?P<url>https?://[^>,]+)>; rel="(?P<relation>\w+)"')


def links(answer: httpx.Response) -> dict[str, str]:
    """Read the links of a page as clients do."""
    return {found["relation"]: found["url"] for found in LINK.finditer(answer.headers.get("link", ""))}


async def test_links_are_absolute_and_in_the_words_of_the_request(service: Served) -> None:
    query = {"page": "1", "per_page": "2", "filter[include_versions]": "false", "sort": "created", "cursor": "x"}

    answer = await service.client.get("/service", params=query)

    end = "per_page=2&sort=created&filter%5Binclude_versions%5D=false"
    assert links(answer) == dict.fromkeys(("last", "next"), f"{service.url}/service?page=2&{end}")
    assert answer.headers["access-control-expose-headers"] == "Link"


@pytest.mark.parametrize(
    ("forwarded", "scheme"),
    [("https", "https"), ("HTTPS, http", "https"), ("http", "http"), ("", "http"), ("x", "http")],
)
async def test_behind_a_proxy_that_speaks_tls_links_are_https(service: Served, forwarded: str, scheme: str) -> None:
    headers = {"Host": "api.fastly.com", "X-Forwarded-Proto": forwarded}

    answer = await service.client.get("/service?per_page=2", headers=headers)

    assert links(answer)["next"] == f"{scheme}://api.fastly.com/service?page=2&per_page=2"


@pytest.mark.parametrize("host", ["", "x,y", "(x)", "x%2Fy"])
async def test_no_link_starts_with_a_host_that_is_none(service: Served, host: str) -> None:
    async with service.connect() as raw:
        answer = await raw.ask(f"GET /service?per_page=2 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert answer.headers["link"].startswith("</service?page=2&per_page=2>; ")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 100])
@pytest.mark.parametrize("direction", ["ascend", "descend"])
async def test_pages_have_every_service_once(size: int, direction: str) -> None:
    ids = [f"s{number}" for number in range(8)]
    async with served({"services": {service_id: {} for service_id in ids}}) as running:

        def ids_of(answer: httpx.Response) -> list[str]:
            assert answer.status_code == 200
            return [one["id"] for one in answer.json()]

        first = await running.client.get(f"/service?page=1&per_page={size}&direction={direction}")

        by_next, answer = ids_of(first), first
        while following := links(answer).get("next"):
            answer = await running.client.get(following)
            by_next += ids_of(answer)

        by_last = ids_of(first)
        if last := links(first).get("last"):
            for number in range(2, int(httpx.URL(last).params["page"]) + 1):
                by_last += ids_of(
                    await running.client.get(f"/service?page={number}&per_page={size}&direction={direction}")
                )

        assert by_next == by_last == (ids if direction == "ascend" else ids[::-1])


@given(st.lists(st.integers(0, 99), max_size=40), st.integers(1, 12))
def test_pages_are_the_list_cut_into_pieces(items: list[int], size: int) -> None:
    pages: list[int] = []
    number = 1
    while True:
        page = Page.of({"page": str(number), "per_page": str(size)})
        pages += map(int, page.cut([str(item) for item in items]))
        if not page.links("x", len(items)):
            break
        number += 1

    assert pages == items
    assert number == max(1, -(-len(items) // size))


async def test_a_long_list_is_made_in_a_thread_and_complete() -> None:
    ids = sorted(f"s{number}" for number in range(2 * INLINE_SERVICES + 1))
    async with served({"services": {service_id: {} for service_id in ids}}) as running:
        found = (await running.client.get("/service")).json()

    assert [one["id"] for one in found] == ids
    assert differences(found, [LISTED]) == []


async def test_a_service_is_shown(service: Served) -> None:
    shown = await service.get("/service/shop")
    details = await service.get("/service/shop/details")

    assert differences(shown, SHOWN) == []
    assert differences(details, {**SHOWN, "version": DETAILED, "active_version": DETAILED}) == []
    assert (shown["id"], shown["name"]) == (details["id"], details["name"]) == ("shop", "Web shop")
    assert details["active_version"]["service_id"] == "shop"


async def test_the_type_of_a_service_is_that_of_the_settings() -> None:
    async with served({"services": {"app": {"type": "wasm"}}}) as running:
        assert (await running.get("/service/app"))["type"] == "wasm"
        assert (await running.client.get("/service")).json()[0]["type"] == "wasm"


async def test_a_service_is_found_by_its_name(service: Served) -> None:
    assert (await service.get("/service/search?name=Web shop"))["id"] == "shop"
    assert differences(await service.get("/service/search?name=news"), SHOWN) == []
    for name in ("shop", "nothing", "web shop"):
        answer = await service.client.get(f"/service/search?name={name}")
        assert (answer.status_code, answer.json()) == (404, NO_SERVICE)
    for query in ("", "?name="):
        answer = await service.client.get(f"/service/search{query}")
        assert (answer.status_code, answer.json()) == (400, {"msg": "the parameter name is missing"})


async def test_a_service_has_one_version(service: Served) -> None:
    versions = (await service.client.get("/service/news/version")).json()
    version = await service.get("/service/news/version/1")

    assert differences(versions, [VERSION]) == []
    assert versions == [version]
    assert version["service_id"] == "news"
    assert (await service.client.get("/service/news/version/1/dictionary")).json() == []


async def test_the_domains_of_a_service_are_those_that_are_kept() -> None:
    async with served({"shelf": {"keep": 120}}) as running:
        await running.push(record(0), record(0, domain="b.example"), record(0, service_id="x", domain="x.example"))
        await running.to(2)
        await running.push(record(2, domain="c.example", pop="FRA"))
        await running.to(4)

        async def domains(path: str = "/service/svc/domain") -> list[str]:
            found = (await running.client.get(path)).json()
            assert differences(found, [DOMAIN]) == []
            assert {one["service_id"] for one in found} <= {"svc"}
            return [one["name"] for one in found]

        assert await domains() == ["a.example", "b.example", "c.example"]
        assert await domains("/service/svc/version/1/domain") == await domains()
        await running.to(122)
        assert await domains() == ["c.example"]


async def test_lists_that_take_long_hold_up_nothing_else(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def slow(*_: object) -> list[str]:
        go.wait()
        return []

    monkeypatch.setattr(services, "domain_names", slow)
    asked = [asyncio.create_task(service.client.get("/service/shop/domain")) for _ in range(50)]
    try:
        await until(lambda: len(service.service.server.connections) >= 50)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await asyncio.to_thread(int)  # as files do, and the journal
    finally:
        go.set()
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}


async def test_beyond_the_limit_the_newest_domains_are_listed() -> None:
    async with served({"window": {"max_domains": 2}}) as running:
        for second in range(4):
            await running.to(second)
            await running.push(record(second, domain=f"{second}.example"))
        await running.to(6)

        found = (await running.client.get("/service/svc/domain")).json()

    assert [one["name"] for one in found] == ["2.example", "3.example"]


async def test_a_service_in_the_settings_has_no_domains_without_entries(service: Served) -> None:
    assert (await service.client.get("/service/blog/domain")).json() == []


@pytest.mark.parametrize(
    "path", ["", "/details", "/domain", "/version", "/version/1", "/version/1/domain", "/version/1/dictionary"]
)
@pytest.mark.parametrize("service_id", ["nothing", "a.b", "%0a", "..%2F..%2Fetc"])
async def test_what_there_is_not_is_not_found(service: Served, service_id: str, path: str) -> None:
    answer = await service.client.get(f"/service/{service_id}{path}")

    assert answer.status_code == 404
    assert answer.json()["msg"] == "Record not found"
    assert set(answer.json()) == {"msg", "detail"}


@pytest.mark.parametrize("path", ["version/2", "version/01", "version/x", "version/2/domain", "version/0/dictionary"])
async def test_there_is_no_other_version(service: Served, path: str) -> None:
    answer = await service.client.get(f"/service/shop/{path}")

    assert (answer.status_code, answer.json()) == (404, NO_VERSION)


async def test_names_are_reloaded() -> None:
    reader = bearer("read", "*")
    settings: Json = {"access": access(reader), "services": {"shop": {"name": "Web shop"}}}
    async with served(settings) as running:

        async def names() -> list[str]:
            return [one["name"] for one in (await running.client.get("/service", headers=reader.header)).json()]

        assert await names() == ["Web shop"]
        running.service.reload(check({**settings, "services": {"shop": {"name": "Shop"}, "blog": {}}}))
        assert await names() == ["blog", "Shop"]
