"""
Access: who may read and who may push, by the token that they show.

A token is 160 random bits, and only its SHA-256 is kept. A slow hash would guard what people make up, which can be
guessed; nobody guesses 160 random bits, however fast the hash is. A token is found by looking up its hash. How long
that takes can depend on the hashes that are known, but nobody can choose a token whose hash begins as they like
better than by trying, and knowing all of a hash would not help: what has to be shown is the token.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

TOKEN = "edgetally_"  # noqa: S105 - how every token begins
"""So that whoever finds one, a person or a scanner, knows what it is."""

TOKEN_BYTES = 20

ANY = "*"
"""In a list of services: all of them, those too that are not there yet."""


def new_token() -> str:
    """Make a token that nobody can guess."""
    return TOKEN + secrets.token_hex(TOKEN_BYTES)


def hashed(token: str) -> str:
    """Return what is kept of a token."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Grant:
    """What the bearer of one token may do."""

    def __init__(self, scopes: Iterable[str], services: Iterable[str]) -> None:
        self.withdrawn = False
        """Set once it is no longer so; what has not ended by then must not succeed."""
        self._scopes = frozenset(scopes)
        self._services = frozenset(services)
        self._using: dict[object, Callable[[], object]] = {}

    @property
    def services(self) -> list[str] | None:
        """The services that it is for; None for all."""
        return None if ANY in self._services else sorted(self._services)

    @property
    def only_service(self) -> str | None:
        """The service that it is for, if that is exactly one."""
        services = self.services or ()
        return services[0] if len(services) == 1 else None

    def may(self, scope: str, service_id: str | None = None) -> bool:
        """Whether it admits `scope` (`read`, `ingest`): on this service, or at all."""
        on_service = service_id is None or ANY in self._services or service_id in self._services
        return scope in self._scopes and on_service

    def is_like(self, other: Grant) -> bool:
        """Whether the other one admits exactly the same."""
        return (self._scopes, self._services) == (other._scopes, other._services)

    def when_withdrawn(self, call: Callable[[], object]) -> Callable[[], None]:
        """Make this call if the grant is withdrawn. Returns what takes that back."""
        use = object()
        self._using[use] = call

        def over() -> None:
            self._using.pop(use, None)

        return over

    def withdraw(self) -> None:
        """End it, and tell everybody who is using it."""
        self.withdrawn = True
        for call in list(self._using.values()):
            call()


def everything() -> Grant:
    """Return what anybody may do where there are no tokens."""
    return Grant(("read", "ingest"), (ANY,))


class Keys:
    """The grants, by the hash of their token. As long as none was ever given, anybody may do everything."""

    def __init__(self, grants: Mapping[str, Grant] | None = None) -> None:
        self._anybody: Grant | None = everything()
        self._grants: dict[str, Grant] = {}
        self.replace(grants)

    def grant(self, token: str) -> Grant | None:
        """Return what the bearer of `token` may do; None: nothing."""
        return self._anybody or self._grants.get(hashed(token))

    def replace(self, grants: Mapping[str, Grant] | None) -> None:
        """
        Let these be the grants from now on; None: anybody may do everything.

        Who is using a grant that is no longer there, or is another now, is told.
        """
        before = self._grants
        # One that stays as it is stays the same, for those who are using it.
        self._grants = {
            key: before[key] if key in before and before[key].is_like(grant) else grant
            for key, grant in (grants or {}).items()
        }
        gone = [grant for key, grant in before.items() if self._grants.get(key) is not grant]
        if grants is None:
            self._anybody = self._anybody or everything()
        elif self._anybody:
            gone.append(self._anybody)
            self._anybody = None
        for grant in gone:
            grant.withdraw()
