"""
Where sealed seconds go: the shelf, the POPs that it has, the history, and the series that Prometheus scrapes.

`Shelving.put` is the only way there. It is called for one seal after the other, in the order of their seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, ParamSpec, TypeVar

from edgetally import _core
from edgetally.window.series import ExportedSeries
from edgetally.window.shelf import Shelf

P = ParamSpec("P")
T = TypeVar("T")


class SealedSeconds(NamedTuple):
    """What a seal has made final."""

    newest: int
    """Every second up to this one is sealed."""
    sealed: Sequence[_core.Sealed]
    """Those that were not before, oldest first, and in a second by service."""
    complete_after: int
    """Seconds up to this one are incomplete, and not shown."""
    is_new: bool
    """Whether no process before has counted them."""


Put = Callable[[SealedSeconds], Awaitable[None]]
"""Takes sealed seconds; their order is that in which it is called."""


class Shelving:
    """Puts sealed seconds where readers find them."""

    def __init__(
        self,
        shelf: Shelf,
        series: ExportedSeries | None = None,
        record: Callable[[SealedSeconds], None] = lambda _: None,
        record_part: Callable[[int, SealedSeconds], None] = lambda *_: None,
    ) -> None:
        """`record` adds them to the history, or `record_part` those of each partition."""
        self._record = record
        self.record_part = record_part
        self._shelf = shelf
        self._series = series
        self._kept_pops = _core.KeptPops()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shelving")

    async def put(self, seconds: SealedSeconds) -> None:
        """Show sealed seconds."""
        newest, sealed, complete_after, is_new = seconds
        shown = [one for one in sealed if one.second > complete_after]
        await self._call(self._kept_pops.add, shown, self._gone)
        self._shelf.put(newest, shown, complete_after=complete_after)
        self._record(seconds)
        if self._series and is_new:
            await self._call(self._series.add, newest, shown)

    def kept_pops(self, services: Sequence[str]) -> list[str]:
        """Return the POPs that the entries of these services have, in alphabetical order, each once."""
        return self._kept_pops.of(services, self._gone)

    def close(self) -> None:
        """Wait for what is being added."""
        self._thread.shutdown()

    @property
    def _gone(self) -> int:
        """The newest second of which nothing is kept any more; 0 if there is none."""
        return max(self._shelf.oldest - 1, 0)

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in the thread. It is made even if the caller is cancelled."""
        return await asyncio.shield(asyncio.wrap_future(self._thread.submit(function, *args, **kwargs)))
