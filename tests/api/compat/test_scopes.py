"""Nothing in an answer names a service, a domain or a POP outside the scope of its token, whatever the scopes are."""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from edgetally._core import Fold, Window
from edgetally.access.grants import Grant, Keys, hashed
from edgetally.api.authorization import Authorization
from edgetally.api.compat.routes import Compat
from edgetally.api.errors import ApiRefusal
from edgetally.api.history.asking import Asking
from edgetally.api.history.openapi import HISTORY
from edgetally.config.descriptions import Descriptions
from edgetally.config.validation import check
from edgetally.history.question import HistoryAnswer, HistoryQuestion
from edgetally.http.messages import Request, Response
from edgetally.window.shelf import Shelf
from tests.support.clock import START, ManualClock

SERVICES = ("alpha", "bravo", "charlie", "delta")

TOKEN = "token-of-the-test"


class World(NamedTuple):
    """Which services have entries and are in the settings, and which of them the token may read."""

    kept: set[str]
    described: set[str]
    scope: set[str]

    def has(self, service_id: str) -> bool:
        return service_id in self.kept | self.described


def shelf_of(services: set[str]) -> Shelf:
    """Return a shelf with an entry of each, with a domain and a POP of its own."""
    fold, window, shelf = Fold(), Window(), Shelf(keep=300, cache_bytes=0)
    for one in services:
        line = {"ts": START, "service_id": one, "pop": f"{one}-pop", "domain": f"{one}.example", "status": 200}
        fold.feed(json.dumps(line).encode() + b"\n", START)
    if partial := fold.drain():
        window.merge(partial)
    shelf.put(START, window.seal(START))
    return shelf


class Past:
    """A history in which each of some services did the same."""

    def __init__(self, services: set[str]) -> None:
        self._services = services

    def services(self) -> list[str]:
        return sorted(self._services)

    def answer(self, question: HistoryQuestion) -> HistoryAnswer:
        kept = self._services.intersection(question.services)
        series = {
            "dimensions": dict.fromkeys(question.group_by, "usa"),
            "values": [{"timestamp": START, **dict.fromkeys(question.metrics, len(kept))}],
        }
        return HistoryAnswer(json.dumps([series] if kept else []).encode(), None, [])

    def close(self) -> None:
        pass


def compat_of(world: World) -> Compat:
    def kept_pops(services: Sequence[str]) -> list[str]:
        return [f"{service_id}-pop" for service_id in services if service_id in world.kept]

    given = {one: {"name": f"Name of {one}", "comment": f"about {one}"} for one in world.described}
    keys = Keys({hashed(TOKEN): Grant(["read"], world.scope, name="grafana", token_id="0123")})
    descriptions = Descriptions(check({"services": given}))
    shelf = shelf_of(world.kept)
    return Compat(
        Authorization(keys),
        shelf,
        kept_pops,
        descriptions,
        asking=Asking(Past(world.kept), max_questions=1),
        clock=ManualClock(),
        scheme="https",
        max_domains=10,
    )


def ask(compat: Compat, path: str, query: dict[str, str]) -> tuple[int, bytes, bytes]:
    """Return status, header and body."""
    request = Request(
        method="GET",
        path=path,
        query=query,
        headers={b"fastly-key": TOKEN.encode(), b"host": b"api.fastly.com"},
        body=None,  # type: ignore[arg-type]
        keep_alive=True,
        http10=False,
    )

    async def answer() -> Response:
        found = compat.answer(request, path.strip("/").split("/"))
        return found if isinstance(found, Response) else await found

    try:
        response = asyncio.run(answer())
    except ApiRefusal as refusal:
        return refusal.status, b"", refusal.body(START)
    return response.status, response.head, response.body


PATHS = [path for path in compat_of(World(set(), set(), set())).handlers if "{service_id}" not in path]
OF_SERVICES = [path for path in compat_of(World(set(), set(), set())).handlers if "{service_id}" in path]

worlds = st.builds(World, *(st.sets(st.sampled_from(SERVICES)) for _ in range(3)))
others = st.fixed_dictionaries({"product": st.sampled_from(["domain_inspector", "waf"])}) | st.just({"product": "x"})


@given(worlds, st.sampled_from(PATHS), others, st.sampled_from(SERVICES), st.integers(1, 3))
@settings(deadline=None)
def test_lists_name_no_service_outside_the_scope(
    world: World, path: str, parts: dict[str, str], named: str, size: int
) -> None:
    query = {"page": "1", "per_page": str(size), "name": f"Name of {named}"}

    status, head, body = ask(compat_of(world), path.format(field="requests", **parts), query)

    for one in SERVICES:
        if one not in world.scope:
            assert one.encode() not in head + body
    assert status != 401
    if path == "/service/search":
        assert status == (200 if named in world.scope & world.described else 404)


@given(worlds, st.sampled_from(OF_SERVICES), st.sampled_from(SERVICES))
@settings(deadline=None)
def test_a_service_outside_the_scope_might_as_well_not_exist(world: World, template: str, service_id: str) -> None:
    path = template.format(service_id=service_id, version="1", product="origin_inspector", field="requests")
    nowhere = template.format(service_id="nothing", version="1", product="origin_inspector", field="requests")
    compat = compat_of(world)

    status, _, body = ask(compat, path, {})

    if service_id not in world.scope:
        assert status == 403
        assert (status, body) == ask(compat, nowhere, {})[::2]
    elif template in HISTORY:
        assert status == 200
        assert ("[]" in body.decode()) == (service_id not in world.kept)
    else:
        assert status == (200 if world.has(service_id) else 404)
    for one in SERVICES:
        if one != service_id:
            assert one.encode() not in body


@given(worlds)
@settings(deadline=None)
def test_every_list_has_all_that_the_token_may_read(world: World) -> None:
    compat = compat_of(world)
    visible = sorted(one for one in SERVICES if one in world.scope and world.has(one))

    def found(path: str) -> str:
        return ask(compat, path, {})[2].decode()

    assert [one["id"] for one in json.loads(found("/service"))] == visible
    assert sorted(json.loads(found("/verify"))["services"]) == visible
    assert json.loads(found("/enabled-products/v1/domain_inspector/services"))["services"] == visible
    assert json.loads(found("/tokens/self"))["services"] == sorted(world.scope)
    past = sorted(world.scope & world.kept)
    assert list(json.loads(found("/stats"))["data"]) == past
    assert list(json.loads(found("/stats/usage_by_service"))["data"]["usa"]) == past
    assert json.loads(found("/stats/usage"))["data"]["usa"]["requests"] == len(past)
    assert [one["requests"] for one in json.loads(found("/stats/aggregate"))["data"]] == [len(past)] * bool(past)
    pops = re.findall(r'"code":"(\w+)-pop"', found("/datacenters"))
    assert pops == sorted(world.kept & world.scope)


@given(worlds)
@settings(deadline=None)
def test_a_token_for_all_sees_all(world: World) -> None:
    compat = compat_of(world._replace(scope={"*"}))

    listed = [one["id"] for one in json.loads(ask(compat, "/service", {})[2])]

    assert listed == sorted(world.kept | world.described)
    assert json.loads(ask(compat, "/tokens/self", {})[2])["services"] == []
