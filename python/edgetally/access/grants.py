"""
Grants: what the bearer of a token may do.

A token is 160 random bits, and only its SHA-256 is kept. A slow hash protects passwords, because they can be guessed;
160 random bits cannot. A token is found by looking up its hash. How long the lookup takes may depend on the hashes that
are stored, but that does not help an attacker, who cannot choose the hash of a guess.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOKEN = "edgetally_"  # noqa: S105 - how every token begins
"""Prefix of every token, by which people and scanners recognize one."""

TOKEN_BYTES = 20

ANY = "*"
"""In a list of services: all of them, future ones too."""


ANONYMOUS = "anonymous"
"""What requests are called where no tokens are needed."""

SHOWN_DIGITS = 12
"""Digits of a hash that name its token. They reveal nothing: a token is random."""


def new_token() -> str:
    """Return a random token."""
    return TOKEN + secrets.token_hex(TOKEN_BYTES)


def hashed(token: str) -> str:
    """Return the hash that is kept of a token."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def short(hash_of_token: str) -> str:
    """Return the start of a hash, as `edgetally token list` shows it."""
    return hash_of_token.partition(":")[2][:SHOWN_DIGITS]


class Holder(Protocol):
    """A request that uses a grant until it has ended."""

    def withdraw(self) -> None:
        """The grant no longer holds: refuse the request, or end what it gets."""


class Grant:
    """What the bearer of one token may do."""

    def __init__(
        self, scopes: Iterable[str], services: Iterable[str], *, name: str = ANONYMOUS, token_id: str = ANONYMOUS
    ) -> None:
        self.name = name
        """Of the token."""
        self.token_id = token_id
        """The start of the token's hash."""
        self.withdrawn = False
        """Set once it no longer holds. Requests that have not ended by then must not succeed."""
        self._scopes = frozenset(scopes)
        self._services = frozenset(services)
        self._holders: dict[Holder, None] = {}

    @property
    def services(self) -> list[str] | None:
        """The services that it covers; None for all."""
        return None if ANY in self._services else sorted(self._services)

    @property
    def only_service(self) -> str | None:
        """The service that it covers, if that is exactly one."""
        services = self.services or ()
        return services[0] if len(services) == 1 else None

    def may(self, scope: str, service_id: str | None = None) -> bool:
        """Whether it allows `scope` (`read`, `ingest`), on this service or on any."""
        on_service = service_id is None or ANY in self._services or service_id in self._services
        return scope in self._scopes and on_service

    def is_like(self, other: Grant) -> bool:
        """Whether the other one allows exactly the same under the same name."""
        return (self.name, self._scopes, self._services) == (other.name, other._scopes, other._services)

    def hold(self, holder: Holder) -> None:
        """Tell `holder` if the grant is withdrawn."""
        self._holders[holder] = None

    def release(self, holder: Holder) -> None:
        """Do not tell it any more, because it has ended."""
        self._holders.pop(holder, None)

    def withdraw(self) -> None:
        """End it, and tell all requests that use it."""
        self.withdrawn = True
        for holder in list(self._holders):
            holder.withdraw()


def everything() -> Grant:
    """Return the grant of every request where no tokens are needed."""
    return Grant(("read", "ingest"), (ANY,))


class Keys:
    """The grants by the hash of their token, or one grant for all requests while no tokens are needed."""

    def __init__(self, grants: Mapping[str, Grant] | None = None) -> None:
        self._anonymous: Grant | None = everything()
        self._grants: dict[str, Grant] = {}
        self.replace(grants)

    def grant(self, token: str) -> Grant | None:
        """Return the grant of `token`; None if it has none."""
        return self._anonymous or self._grants.get(hashed(token))

    def replace(self, grants: Mapping[str, Grant] | None) -> None:
        """
        Replace all grants; None: no tokens are needed.

        A grant that is gone or changed is withdrawn. One that is the same stays the same object, for the requests that
        use it.
        """
        before = self._grants
        self._grants = {
            key: before[key] if key in before and before[key].is_like(grant) else grant
            for key, grant in (grants or {}).items()
        }
        gone = [grant for key, grant in before.items() if self._grants.get(key) is not grant]
        if grants is None:
            self._anonymous = self._anonymous or everything()
        elif self._anonymous:
            gone.append(self._anonymous)
            self._anonymous = None
        for grant in gone:
            grant.withdraw()
