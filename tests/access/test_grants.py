"""Grants: what each token allows, and what happens when that changes."""

import re
from typing import NamedTuple

import pytest

from edgetally.access.grants import Grant, Keys, hashed, new_token

READER = Grant(["read"], ["shop", "blog"])


class Check(NamedTuple):
    name: str
    grant: Grant
    scope: str
    service_id: str | None
    may: bool


CHECKS = [
    Check("its service", READER, "read", "shop", may=True),
    Check("another of its services", READER, "read", "blog", may=True),
    Check("a service that is not its own", READER, "read", "other", may=False),
    Check("a service whose name begins like its own", READER, "read", "sho", may=False),
    Check("its service in capitals", READER, "read", "SHOP", may=False),
    Check("no service in particular", READER, "read", None, may=True),
    Check("every service", READER, "read", "*", may=False),
    Check("another scope", READER, "ingest", "shop", may=False),
    Check("another scope, in general", READER, "ingest", None, may=False),
    Check("any service, with all of them", Grant(["read"], ["*"]), "read", "shop", may=True),
    Check("every service, with all of them", Grant(["read"], ["*"]), "read", "*", may=True),
    Check("another scope, with all services", Grant(["read"], ["*"]), "ingest", "shop", may=False),
    Check("nothing", Grant([], []), "read", None, may=False),
]


@pytest.mark.parametrize("case", CHECKS, ids=lambda case: case.name)
def test_a_grant_admits_its_scopes_on_its_services(case: Check) -> None:
    assert case.grant.may(case.scope, case.service_id) is case.may


def test_a_token_is_long_and_random_with_a_fixed_prefix() -> None:
    made = {new_token() for _ in range(1000)}

    assert len(made) == 1000
    assert all(re.fullmatch("edgetally_[0-9a-f]{40}", token) for token in made)


def test_a_token_is_stored_as_its_sha256() -> None:
    assert hashed("abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_without_tokens_every_request_may_do_everything() -> None:
    for token in ("", "made up"):
        grant = Keys().grant(token)
        assert grant
        assert grant.may("read", "*")
        assert grant.may("ingest", "shop")
        assert grant.services is None


@pytest.mark.parametrize("token", ["", "made up", hashed("good"), "GOOD", "good ", "g\udcffd", "góod"])
def test_with_tokens_a_request_without_one_may_do_nothing(token: str) -> None:
    assert Keys({hashed("good"): READER}).grant(token) is None
    assert Keys({}).grant(token) is None


def test_a_grant_is_found_by_its_token() -> None:
    other = Grant(["ingest"], ["*"])
    keys = Keys({hashed("good"): READER, hashed("better"): other})

    assert keys.grant("good") is READER
    assert keys.grant("better") is other


class Held:
    """A request that notes when its grant is withdrawn."""

    def __init__(self, grant: Grant, name: str, notified: list[str]) -> None:
        self.name = name
        self.notified = notified
        grant.hold(self)

    def withdraw(self) -> None:
        self.notified.append(self.name)


def test_only_withdrawn_grants_notify_the_requests_that_use_them() -> None:
    notified: list[str] = []
    grants = {name: Grant(["read"], [name]) for name in ("gone", "changed", "same")}
    keys = Keys({hashed(name): grant for name, grant in grants.items()})
    for name, grant in grants.items():
        Held(grant, name, notified)
    grants["gone"].release(Held(grants["gone"], "a request that has ended", notified))

    keys.replace({hashed("changed"): Grant(["read"], ["less"]), hashed("same"): Grant(["read"], ["same"])})

    assert sorted(notified) == ["changed", "gone"]
    assert [name for name, grant in grants.items() if grant.withdrawn] == ["gone", "changed"]
    assert keys.grant("gone") is None
    assert keys.grant("same") is grants["same"]
    changed = keys.grant("changed")
    assert changed
    assert not changed.may("read", "changed")


def test_the_first_token_withdraws_the_anonymous_grant() -> None:
    notified: list[str] = []
    keys = Keys()
    anonymous = keys.grant("")
    assert anonymous
    Held(anonymous, "anonymous", notified)

    keys.replace(None)
    assert notified == []
    assert keys.grant("") is anonymous
    keys.replace({hashed("good"): READER})

    assert notified == ["anonymous"]
    assert anonymous.withdrawn
    assert keys.grant("") is None


def test_without_tokens_again_requests_are_anonymous_again() -> None:
    grant = Grant(["read"], ["shop"])
    keys = Keys({hashed("good"): grant})

    keys.replace(None)

    assert grant.withdrawn
    anonymous = keys.grant("good")
    assert anonymous
    assert anonymous.may("ingest", "other")
