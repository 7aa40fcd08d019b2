"""Clients that wait for an entry. Those of the same query are woken, and their answer is made, as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edgetally.http.pending import PendingResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgetally.access.grants import Grant
    from edgetally.api.query import Query
    from edgetally.http.messages import Response


class Host(Protocol):
    """Where readers wait."""

    def refusal(self) -> Response:
        """Return the answer to a reader whose grant is withdrawn."""

    def remove(self, reader: Reader) -> None:
        """Forget a reader: it is answered, or its client has left."""


class Group:
    """The readers that wait with the same query."""

    __slots__ = ("answer", "leave", "query", "readers")

    def __init__(self, query: Query) -> None:
        self.query = query
        self.readers: dict[Reader, None] = {}  # a set would not keep their order
        self.answer: Response | None = None
        """Their answer, once it is made."""
        self.leave: Callable[[], None] | None = None
        """Ends the wait on the shelf, while they wait there."""

    def move(self, other: Group) -> None:
        """Let all readers wait in another group."""
        for reader in self.readers:
            reader.group = other
        other.readers |= self.readers
        self.readers.clear()


class Reader(PendingResponse):
    """A client that waits for the answer of its group, while its grant holds."""

    __slots__ = ("_grant", "_host", "deadline", "group")

    def __init__(self, host: Host, group: Group, grant: Grant | None, deadline: float) -> None:
        super().__init__()
        self._host = host
        self._grant = grant
        self.group = group
        self.deadline = deadline
        """When it is answered without an entry."""
        group.readers[self] = None
        if grant:
            grant.hold(self)

    def withdraw(self) -> None:
        """The grant no longer holds: refuse the request."""
        self.answer(self._host.refusal())

    def end(self) -> None:
        """Leave."""
        if self._grant:
            self._grant.release(self)
        self._host.remove(self)
