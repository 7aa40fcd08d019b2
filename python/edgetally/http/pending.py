"""
A response that comes later, without a future or a task: one call hands it to the connection.

A handler returns a `PendingResponse`, and the connection calls `wait`. The first call of `answer`, `fail` or `cancel`
settles it; later calls do nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from edgetally.http.messages import Response


class Recipient(Protocol):
    """Who waits for a response."""

    def take(self, response: Response) -> None:
        """Take it."""

    def fail(self, error: BaseException) -> None:
        """There will be none, because of `error`."""


class Nobody:
    """Ignores the response."""

    def take(self, response: Response) -> None:
        """Drop it."""

    def fail(self, error: BaseException) -> None:
        """Nothing was expected."""


NOBODY = Nobody()


class PendingResponse:
    """A response that comes later."""

    __slots__ = ("_recipient",)

    def __init__(self) -> None:
        self._recipient: Recipient | None = NOBODY

    def wait(self, recipient: Recipient) -> None:
        """Let `recipient` wait for it."""
        self._recipient = recipient

    def future(self) -> asyncio.Future[Response]:
        """Return a future of it; nobody waits any more when that is cancelled."""
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.wait(FutureRecipient(future))
        future.add_done_callback(lambda future: self.cancel() if future.cancelled() else None)
        return future

    def answer(self, response: Response) -> None:
        """Hand over the response, if somebody waits for it."""
        if recipient := self._recipient:
            self._recipient = None
            self.end()
            recipient.take(response)

    def fail(self, error: BaseException) -> None:
        """Say that there will be no response, if somebody waits for it."""
        if recipient := self._recipient:
            self._recipient = None
            self.end()
            recipient.fail(error)

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        if self._recipient:
            self._recipient = None
            self.end()

    def end(self) -> None:
        """Forget it; called once, before the response is handed over. For subclasses."""


class FutureRecipient:
    """Waits by a future."""

    def __init__(self, future: asyncio.Future[Response]) -> None:
        self._future = future

    def take(self, response: Response) -> None:
        """Set the result."""
        if not self._future.done():
            self._future.set_result(response)

    def fail(self, error: BaseException) -> None:
        """Set the exception."""
        if not self._future.done():
            self._future.set_exception(error)
