"""Who may do what, and what becomes of it when that changes."""

import re
from typing import NamedTuple

import pytest

from edgetally.access.grants import Grant, Keys, hashed, new_token

READER = Grant(["read"], ["shop", "blog"])


class Question(NamedTuple):
    name: str
    grant: Grant
    scope: str
    service_id: str | None
    may: bool


QUESTIONS = [
    Question("its service", READER, "read", "shop", may=True),
    Question("another of its services", READER, "read", "blog", may=True),
    Question("a service that is not its own", READER, "read", "other", may=False),
    Question("a service whose name begins like its own", READER, "read", "sho", may=False),
    Question("its service in capitals", READER, "read", "SHOP", may=False),
    Question("no service in particular", READER, "read", None, may=True),
    Question("every service", READER, "read", "*", may=False),
    Question("another scope", READER, "ingest", "shop", may=False),
    Question("another scope, in general", READER, "ingest", None, may=False),
    Question("any service, with all of them", Grant(["read"], ["*"]), "read", "shop", may=True),
    Question("every service, with all of them", Grant(["read"], ["*"]), "read", "*", may=True),
    Question("another scope, with all services", Grant(["read"], ["*"]), "ingest", "shop", may=False),
    Question("nothing", Grant([], []), "read", None, may=False),
]


@pytest.mark.parametrize("case", QUESTIONS, ids=lambda case: case.name)
def test_a_grant_admits_its_scopes_on_its_services(case: Question) -> None:
    assert case.grant.may(case.scope, case.service_id) is case.may


def test_a_token_is_long_random_and_known_by_how_it_begins() -> None:
    made = {new_token() for _ in range(1000)}

    assert len(made) == 1000
    assert all(re.fullmatch("edgetally_[0-9a-f]{40}", token) for token in made)


def test_what_is_kept_of_a_token_is_its_sha256() -> None:
    assert hashed("abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_without_tokens_anybody_may_do_everything() -> None:
    for token in ("", "made up"):
        grant = Keys().grant(token)
        assert grant
        assert grant.may("read", "*")
        assert grant.may("ingest", "shop")
        assert grant.services is None


@pytest.mark.parametrize("token", ["", "made up", hashed("good"), "GOOD", "good ", "g\udcffd", "góod"])
def test_with_tokens_nobody_may_anything_without_one(token: str) -> None:
    assert Keys({hashed("good"): READER}).grant(token) is None
    assert Keys({}).grant(token) is None


def test_a_grant_is_found_by_its_token() -> None:
    other = Grant(["ingest"], ["*"])
    keys = Keys({hashed("good"): READER, hashed("better"): other})

    assert keys.grant("good") is READER
    assert keys.grant("better") is other


def test_who_uses_a_grant_hears_when_it_ends_and_nobody_else_does() -> None:
    heard = []
    grants = {name: Grant(["read"], [name]) for name in ("gone", "changed", "same")}
    keys = Keys({hashed(name): grant for name, grant in grants.items()})
    for name, grant in grants.items():
        grant.when_withdrawn(lambda name=name: heard.append(name))  # type: ignore[misc]
    grants["gone"].when_withdrawn(lambda: heard.append("who has left"))()

    keys.replace({hashed("changed"): Grant(["read"], ["less"]), hashed("same"): Grant(["read"], ["same"])})

    assert sorted(heard) == ["changed", "gone"]
    assert [name for name, grant in grants.items() if grant.withdrawn] == ["gone", "changed"]
    assert keys.grant("gone") is None
    assert keys.grant("same") is grants["same"]
    changed = keys.grant("changed")
    assert changed
    assert not changed.may("read", "changed")


def test_the_first_token_ends_what_anybody_may() -> None:
    heard = []
    keys = Keys()
    anybody = keys.grant("")
    assert anybody
    anybody.when_withdrawn(lambda: heard.append("anybody"))

    keys.replace(None)
    assert heard == []
    assert keys.grant("") is anybody
    keys.replace({hashed("good"): READER})

    assert heard == ["anybody"]
    assert anybody.withdrawn
    assert keys.grant("") is None


def test_without_tokens_again_anybody_may_again() -> None:
    grant = Grant(["read"], ["shop"])
    keys = Keys({hashed("good"): grant})

    keys.replace(None)

    assert grant.withdrawn
    anybody = keys.grant("good")
    assert anybody
    assert anybody.may("ingest", "other")
