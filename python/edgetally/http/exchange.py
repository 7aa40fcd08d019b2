"""
An exchange: one request, and its answer as soon as there is one.

Answers leave in the order of the requests. Of pushes, several are worked on at a time: while one is committed, the next
is folded, and a third is on its way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from edgetally.http.messages import Request, Response

PUSHING = ("POST", "PUT")
"""What has a body that counts."""

PUSHES_AT_ONCE = 4
"""How many pushes of one connection are worked on at a time."""


class Exchange:
    """A request that was handed over, and its answer as soon as there is one."""

    __slots__ = ("request", "response", "work")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.response: Response | None = None
        self.work: asyncio.Future[Response] | None = None

    @property
    def admits_another(self) -> bool:
        """
        Whether the next push may be worked on before this one is answered.

        Not behind one that is refused: whoever tries tokens has one try at a time.
        """
        request, body = self.request, self.request.body
        return request.method in PUSHING and body.complete and request.keep_alive and not body.unwanted
