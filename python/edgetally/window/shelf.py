"""
The shelf holds the recent entries: a ring of sealed seconds, where readers wait for the next one.

Seconds are put here once, in order, and the oldest are evicted. An entry is encoded when it is first asked for. From
then on every reader gets the same bytes.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from edgetally.telemetry import metrics
from edgetally.telemetry.prometheus import Family


class SealedSecond(Protocol):
    """One sealed second of one service: what the shelf needs of it."""

    @property
    def service_id(self) -> str:
        """The service."""

    @property
    def second(self) -> int:
        """The Unix second."""

    @property
    def size(self) -> int:
        """About how many bytes it takes."""

    def has(self, dataset: str, /) -> bool:
        """Whether `dataset` has an entry for it."""

    def entry(self, dataset: str, /) -> bytes:
        """Encode the entry of `dataset` as JSON."""


class ShelvedSecond:
    """One sealed second of one service, and the entries of it that are encoded, by dataset."""

    __slots__ = ("bodies", "sealed", "second")

    def __init__(self, sealed: SealedSecond) -> None:
        self.second = sealed.second
        self.sealed = sealed
        self.bodies: dict[str, bytes] = {}


class Waiter:
    """A reader who waits for an entry after `after`."""

    __slots__ = ("after", "wake")

    def __init__(self, after: int, wake: Callable[[], object]) -> None:
        self.after = after
        self.wake = wake


class Shelf:
    """
    The entries of the last `keep` sealed seconds of every service.

    Encoded entries take at most `cache_bytes`. Beyond that, those that were encoded first are evicted, and encoded
    again when they are asked for.
    """

    def __init__(self, *, keep: int, cache_bytes: int, max_bytes: int = 1_000_000_000) -> None:
        self.keep = keep
        """How many sealed seconds of every service are kept."""
        self._max_bytes = max_bytes
        self.evicted = 0
        """Seconds that were evicted early because all together took more than `max_bytes`."""
        self._services: dict[str, deque[ShelvedSecond]] = {}
        self.turnover = 0
        """How often a service came or left."""
        # Per service and dataset. Dicts, because sets do not keep their order.
        self._waiters: dict[str, dict[str, dict[Waiter, None]]] = {}
        self._watchers: list[Callable[[], object]] = []
        self._cache_bytes = cache_bytes
        self._cached: dict[tuple[ShelvedSecond, str], None] = {}
        self.cached_size = 0
        """Bytes of the encoded entries."""
        self.size = 0
        """About how many bytes the seconds take, without encoded entries."""
        self.encoded = 0
        """How often an entry had to be encoded."""
        self.reused = 0
        """How often it was encoded already."""
        self.newest = 0
        """The newest sealed second, with or without traffic; 0 before the first."""
        self.oldest = 0
        """The oldest second of which everything is kept; of what was before, nothing is known."""

    @property
    def services(self) -> list[str]:
        """The services that have entries, in alphabetical order."""
        return sorted(self._services)

    def has_service(self, service_id: str) -> bool:
        """Whether there are entries of this service."""
        return service_id in self._services

    def sealed(self, service_id: str) -> list[SealedSecond]:
        """Return the seconds of a service, the newest first."""
        return [one.sealed for one in reversed(self._services.get(service_id, ()))]

    @property
    def seconds(self) -> int:
        """How many seconds have entries. Looks at all of them."""
        return len({one.second for seconds in self._services.values() for one in seconds})

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"shelf.max_bytes": self.evicted}

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.SERVICES.sample(len(self._services))
        yield metrics.SHELF_BYTES.sample(self.size)
        yield metrics.CACHE_BYTES.sample(self.cached_size)
        yield metrics.CACHE_HITS.sample(self.reused)
        yield metrics.CACHE_MISSES.sample(self.encoded)

    @property
    def waiting(self) -> int:
        """How many wait, each perhaps for several readers."""
        return sum(len(waiters) for datasets in self._waiters.values() for waiters in datasets.values())

    def put(self, newest: int, sealed: Sequence[SealedSecond], *, complete_after: int = 0) -> None:
        """
        Add `sealed`, oldest first; every second up to `newest` is sealed now. Wakes the readers that waited.

        Of seconds up to `complete_after`, nothing is known any more.
        """
        if not self.newest:
            # Seconds without traffic that are sealed with the first were before the start.
            self.oldest = min([newest, *(one.second for one in sealed)])
        self.oldest = max(self.oldest, complete_after + 1)
        self.newest = newest
        for one in sealed:
            seconds = self._services.get(one.service_id)
            if seconds is None:
                seconds = self._services[one.service_id] = deque()
                self.turnover += 1
            assert not seconds or one.second > seconds[-1].second, "seconds are sealed in order"
            seconds.append(ShelvedSecond(one))
            self.size += one.size
        self._evict()
        for one in sealed:
            self._wake(one)
        for watcher in self._watchers:
            watcher()

    def entries(self, service_id: str, dataset: str, *, after: int) -> list[ShelvedSecond]:
        """Return the seconds after `after` for which `dataset` has an entry, oldest first."""
        found = []
        for one in reversed(self._services.get(service_id, ())):
            if one.second <= after:
                break
            if one.sealed.has(dataset):
                found.append(one)
        found.reverse()
        return found

    def kept(self, service_id: str, first: int, last: int) -> list[ShelvedSecond]:
        """Return the seconds with traffic from `first` to `last`, oldest first, whatever their datasets."""
        found = []
        for one in reversed(self._services.get(service_id, ())):
            if one.second < first:
                break
            if one.second <= last:
                found.append(one)
        found.reverse()
        return found

    def body(self, second: ShelvedSecond, dataset: str) -> bytes:
        """Return the entry of `second` in `dataset` as JSON."""
        body = second.bodies.get(dataset)
        if body is None:
            body = second.sealed.entry(dataset)
            self.cache(second, dataset, body)
        else:
            self.reused += 1
        return body

    def cache(self, second: ShelvedSecond, dataset: str, body: bytes) -> None:
        """Keep the entry of `second` in `dataset`, which may have been encoded elsewhere."""
        if dataset in second.bodies:
            self.reused += 1
            return
        self.encoded += 1
        if second.second <= self.newest - self.keep:
            return  # it was evicted meanwhile
        second.bodies[dataset] = body
        self._cached[second, dataset] = None
        self.cached_size += len(body)
        # The newest stays, however large it is.
        while self.cached_size > self._cache_bytes and len(self._cached) > 1:
            old, of = next(iter(self._cached))
            del self._cached[old, of]
            self.cached_size -= len(old.bodies.pop(of))

    def wait(self, service_id: str, dataset: str, *, after: int, wake: Callable[[], object]) -> Callable[[], None]:
        """
        Call `wake` when an entry after `after` is put here.

        Returns what ends the wait. It has to be called after `wake`, too.
        """
        waiter = Waiter(after, wake)
        self._waiters.setdefault(service_id, {}).setdefault(dataset, {})[waiter] = None

        def leave() -> None:
            datasets = self._waiters.get(service_id, {})
            waiters = datasets.get(dataset, {})
            waiters.pop(waiter, None)
            if not waiters:
                datasets.pop(dataset, None)
            if not datasets:
                self._waiters.pop(service_id, None)

        return leave

    def watch(self, call: Callable[[], object]) -> None:
        """Make this call whenever a second was sealed, with or without traffic."""
        self._watchers.append(call)

    def _wake(self, sealed: SealedSecond) -> None:
        for dataset, waiters in list(self._waiters.get(sealed.service_id, {}).items()):
            if sealed.has(dataset):
                # A copy, because a reader leaves when it wakes.
                for waiter in list(waiters):
                    if waiter.after < sealed.second:
                        waiter.wake()

    def _evict(self) -> None:
        self._drop(self.newest - self.keep)
        while self.size > self._max_bytes:
            oldest = min(seconds[0].second for seconds in self._services.values())
            if oldest >= self.newest:
                return
            self.evicted += 1
            self._drop(oldest)

    def _drop(self, last: int) -> None:
        """Drop all seconds up to `last`, itself included."""
        self.oldest = max(self.oldest, last + 1)
        for service_id, seconds in list(self._services.items()):
            while seconds and seconds[0].second <= last:
                self._forget(seconds.popleft())
            if not seconds:
                del self._services[service_id]
                self.turnover += 1

    def _forget(self, second: ShelvedSecond) -> None:
        self.size -= second.sealed.size
        for dataset, body in second.bodies.items():
            self.cached_size -= len(body)
            del self._cached[second, dataset]
        second.bodies.clear()
