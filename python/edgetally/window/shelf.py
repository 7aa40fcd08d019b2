"""
The shelf: where the entries of the recent seconds stand, and where readers wait for the next one.

Things are put here once, in order, and fall off the end. An entry is encoded when somebody asks for it first, and
from then on every reader is handed the same bytes.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from edgetally.telemetry import metrics
from edgetally.telemetry.prometheus import Family


class Sealed(Protocol):
    """One sealed second of one service: what the shelf needs of it."""

    @property
    def service_id(self) -> str:
        """The service."""

    @property
    def second(self) -> int:
        """The Unix second."""

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""

    def has(self, dataset: str, /) -> bool:
        """Whether `dataset` has an entry for it."""

    def entry(self, dataset: str, /) -> bytes:
        """Encode the entry of `dataset` as JSON."""


class Entry:
    """One sealed second of one service, and its JSON per dataset once somebody has asked."""

    __slots__ = ("bodies", "sealed", "second")

    def __init__(self, sealed: Sealed) -> None:
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

    Encoded entries take at most `cache_bytes`; beyond that the ones that were encoded first are forgotten, and
    encoded again when they are asked for.
    """

    def __init__(self, *, keep: int, cache_bytes: int, max_bytes: int = 1_000_000_000) -> None:
        self._keep = keep
        self._max_bytes = max_bytes
        self.dropped = 0
        """Seconds that had to go before their time because all together took too much memory."""
        self._services: dict[str, deque[Entry]] = {}
        # Per service and dataset; dicts serve as sets that keep their order.
        self._waiters: dict[str, dict[str, dict[Waiter, None]]] = {}
        self._cache_bytes = cache_bytes
        self._cached: dict[tuple[Entry, str], None] = {}
        self.cached_size = 0
        """Bytes of the encoded entries at hand."""
        self.size = 0
        """Bytes of what stands here, about, encoded entries not included."""
        self.encoded = 0
        """How often an entry had to be encoded."""
        self.reused = 0
        """How often it was encoded already."""
        self.newest = 0
        """The newest sealed second, whether or not anybody had traffic in it; 0 before the first."""

    @property
    def services(self) -> list[str]:
        """The services that had traffic, in alphabetical order."""
        return sorted(self._services)

    @property
    def seconds(self) -> int:
        """How many seconds somebody had traffic in. Looks at every entry."""
        return len({entry.second for entries in self._services.values() for entry in entries})

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"shelf.max_bytes": self.dropped}

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.SERVICES.sample(len(self._services))
        yield metrics.SHELF_BYTES.sample(self.size)
        yield metrics.CACHE_BYTES.sample(self.cached_size)
        yield metrics.CACHE_HITS.sample(self.reused)
        yield metrics.CACHE_MISSES.sample(self.encoded)
        yield metrics.WAITING_READERS.sample(self.waiting)

    @property
    def waiting(self) -> int:
        """How many readers wait."""
        return sum(len(waiters) for datasets in self._waiters.values() for waiters in datasets.values())

    def put(self, newest: int, sealed: Sequence[Sealed]) -> None:
        """Stand `sealed` on the shelf, oldest first; every second up to `newest` is sealed. Wakes who waited for it."""
        self.newest = newest
        for one in sealed:
            entries = self._services.setdefault(one.service_id, deque())
            assert not entries or one.second > entries[-1].second, "seconds are sealed in order"
            entries.append(Entry(one))
            self.size += one.size
        self._drop_old()
        for one in sealed:
            self._wake(one)

    def entries(self, service_id: str, dataset: str, *, after: int) -> list[Entry]:
        """Return the entries that `dataset` has for seconds after `after`, oldest first."""
        found = []
        for entry in reversed(self._services.get(service_id, ())):
            if entry.second <= after:
                break
            if entry.sealed.has(dataset):
                found.append(entry)
        found.reverse()
        return found

    def body(self, entry: Entry, dataset: str) -> bytes:
        """Return the JSON of `entry` in `dataset`."""
        body = entry.bodies.get(dataset)
        if body is None:
            body = entry.sealed.entry(dataset)
            self.keep(entry, dataset, body)
        else:
            self.reused += 1
        return body

    def keep(self, entry: Entry, dataset: str, body: bytes) -> None:
        """Keep at hand the JSON of `entry` in `dataset`, wherever it was encoded."""
        if dataset in entry.bodies:
            self.reused += 1
            return
        self.encoded += 1
        if entry.second <= self.newest - self._keep:
            return  # it has fallen off meanwhile
        entry.bodies[dataset] = body
        self._cached[entry, dataset] = None
        self.cached_size += len(body)
        # The one that is asked for stays, however large.
        while self.cached_size > self._cache_bytes and len(self._cached) > 1:
            old, of = next(iter(self._cached))
            del self._cached[old, of]
            self.cached_size -= len(old.bodies.pop(of))

    def wait(self, service_id: str, dataset: str, *, after: int, wake: Callable[[], object]) -> Callable[[], None]:
        """
        Call `wake` when an entry after `after` is put here.

        Returns what takes the wish back; whoever was woken calls it too.
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

    def _wake(self, sealed: Sealed) -> None:
        for dataset, waiters in list(self._waiters.get(sealed.service_id, {}).items()):
            if sealed.has(dataset):
                # Whoever is woken leaves, so this walks over a copy.
                for waiter in list(waiters):
                    if waiter.after < sealed.second:
                        waiter.wake()

    def _drop_old(self) -> None:
        self._drop(self.newest - self._keep)
        while self.size > self._max_bytes:
            oldest = min(entries[0].second for entries in self._services.values())
            if oldest >= self.newest:
                return
            self.dropped += 1
            self._drop(oldest)

    def _drop(self, oldest: int) -> None:
        """Drop all seconds up to `oldest`, itself included."""
        for service_id, entries in list(self._services.items()):
            while entries and entries[0].second <= oldest:
                self._forget(entries.popleft())
            if not entries:
                del self._services[service_id]

    def _forget(self, entry: Entry) -> None:
        self.size -= entry.sealed.size
        for dataset, body in entry.bodies.items():
            self.cached_size -= len(body)
            del self._cached[entry, dataset]
        entry.bodies.clear()
