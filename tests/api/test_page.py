"""The files of the live page, as the server serves them."""

import gzip
import re
from importlib import resources

import httpx
import pytest

from edgetally.api import page
from tests.support.served import Served, served
from tests.support.tokens import access, bearer

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FILES = sorted(file.name for file in resources.files(page).joinpath("static").iterdir() if file.name[-5:] != ".d.ts")


async def test_a_browser_gets_the_page_and_others_the_index(client: httpx.AsyncClient) -> None:
    shown = await client.get("/", headers=BROWSER)
    index = await client.get("/")

    assert shown.status_code == 200
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert index.json()["name"] == "edgetally"
    assert "Accept" in index.headers["vary"]
    assert "Accept" in shown.headers["vary"]


@pytest.mark.parametrize("name", FILES)
async def test_files_are_served_as_they_are(client: httpx.AsyncClient, name: str) -> None:
    content = resources.files(page).joinpath("static", name).read_bytes()

    plain = await client.get(f"/page/{name}", headers={"Accept-Encoding": "identity"})
    packed = await client.get(f"/page/{name}", headers={"Accept-Encoding": "gzip"})

    assert plain.content == packed.content == content
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.headers["content-type"].split(";")[0] in {"text/html", "text/javascript", "text/css", "image/svg+xml"}


async def test_a_file_that_did_not_change_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/page/view.js")
    assert first.headers["cache-control"] == "no-cache"

    again = await client.get("/page/view.js", headers={"If-None-Match": first.headers["etag"]})
    other = await client.get("/page/view.js", headers={"If-None-Match": '"other"'})

    assert (again.status_code, again.content) == (304, b"")
    assert (other.status_code, other.content) == (200, first.content)


async def test_nothing_but_the_files_of_the_page_is_served(client: httpx.AsyncClient) -> None:
    for path in ("/page/", "/page/types.d.ts", "/page/__init__.py", "/page/..%2f__init__.py", "/page/a/view.js"):
        assert (await client.get(path)).status_code == 404
    assert (await client.post("/page/view.js")).status_code == 405


async def test_the_browser_is_told_to_run_nothing_else(client: httpx.AsyncClient) -> None:
    for path in ("/", "/page/view.js"):
        headers = (await client.get(path, headers=BROWSER)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


async def test_the_page_needs_no_token_and_names_no_service() -> None:
    async with served({"access": access(bearer("read", "svc"))}) as running:
        shown = await running.client.get("/", headers=BROWSER)
        index = await running.client.get("/")

    assert (shown.status_code, index.status_code) == (200, 403)


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    for name in FILES:
        text = resources.files(page).joinpath("static", name).read_text("utf-8")
        addresses = set(re.findall(r"""(?:https?:)?//[a-z][^\s"'`)]+""", text))
        assert {one for one in addresses if "www.w3.org" not in one and "html.spec.whatwg.org" not in one} == set()
        assert re.findall(r"""(?:src|href)="/""", text) == [], "an absolute address breaks behind a path prefix"


def test_the_page_is_small() -> None:
    packed = [gzip.compress(resources.files(page).joinpath("static", name).read_bytes(), 9) for name in FILES]
    assert sum(map(len, packed)) <= 30_000


async def test_a_head_has_no_body(service: Served) -> None:
    answer = await service.client.head("/", headers=BROWSER)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0
