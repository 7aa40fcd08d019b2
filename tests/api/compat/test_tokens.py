"""Tokens, as clients ask about their own."""

from tests.support.served import Json, record, served
from tests.support.shapes import differences
from tests.support.tokens import access, bearer

DATE = "1970-01-01T00:00:00Z"

TOKEN = {
    "id": str,
    "user_id": str,
    "name": str,
    "scope": "global:read",
    "scopes": ["global:read"],
    "services": [str],
    "created_at": DATE,
}

VERIFICATION = {
    "customer": {"id": str, "name": str},
    "user": {"id": str, "name": str, "login": str},
    "token": {"id": str, "name": str, "created_at": DATE, "scope": "global:read"},
}


async def test_a_token_says_its_name_and_its_services() -> None:
    one, every = bearer("read", "shop", "idle"), bearer("read", "*")
    async with served({"access": access(one, every)}) as running:
        found = await running.get("/tokens/self", **one.header)
        of_all = await running.get("/tokens/self", **every.header)

    assert differences(found, TOKEN) == differences(of_all, TOKEN) == []
    assert (found["name"], found["services"]) == (one.line["name"], ["idle", "shop"])
    assert of_all["services"] == []
    assert str(one.line["hash"]).startswith(f"sha256:{found['id']}")
    assert found["id"] != of_all["id"]
    assert one.token not in repr(found)


async def test_a_server_without_tokens_has_one_for_all() -> None:
    async with served() as running:
        found = await running.get("/tokens/self")

    assert differences(found, TOKEN) == []
    assert (found["name"], found["services"]) == ("anonymous", [])


async def test_verify_says_who_the_bearer_is_and_which_services_there_are() -> None:
    one = bearer("read", "shop", "idle", "blog")
    settings: dict[str, Json] = {
        "access": access(one),
        "services": {"shop": {"name": "Web shop"}, "secret": {}, "blog": {}},
    }
    async with served(settings) as running:
        found = await running.get("/verify", **one.header)

    assert differences(found, {**VERIFICATION, "services": {"blog": "blog", "shop": "Web shop"}}) == []
    assert found["user"]["name"] == found["token"]["name"] == one.line["name"]
    assert one.token not in repr(found)


async def test_a_service_with_entries_is_verified_too() -> None:
    async with served() as running:
        await running.push(record(0))
        await running.to(2)

        assert (await running.get("/verify"))["services"] == {"svc": "svc"}
