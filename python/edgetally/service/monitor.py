"""
The panel: what the rooms of a process have counted, and whether all is well, read when somebody asks.

Nothing is counted here. Rooms count in plain attributes, because an addition must cost nothing where records pass.
"""

import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edgetally.api.idempotency import Once
from edgetally.api.long_poll import Poll
from edgetally.api.push import Ingest
from edgetally.clock import Clock
from edgetally.http.server import Server
from edgetally.ingest.worker import Worker
from edgetally.journal.base import Journal
from edgetally.model import reasons
from edgetally.sources.file import FollowedFile
from edgetally.sources.syslog import SyslogDatagrams, SyslogListener
from edgetally.telemetry import metrics
from edgetally.telemetry.histogram import Histogram
from edgetally.telemetry.process import process
from edgetally.telemetry.prometheus import Reading, exposition
from edgetally.window.sealer import Sealer
from edgetally.window.shelf import Shelf

MAX_LAG = 5.0
"""Seconds after which a second that was due and is not sealed means that something is wrong."""

ROOMS = ("read", "push", "other")
CODES = (200, 400, 403, 413, 429, 500, 503)
"""Responses that are shown before there were any: what begins at 1 has never risen, in the eyes of an alarm."""


LIMITS = (
    "api.idempotency_keys",
    "api.max_push_bytes",
    "api.max_push_decompressed_bytes",
    "api.max_push_tally_bytes",
    "api.max_pending_bytes",
    "clients.max_connections",
    "clients.max_target_bytes",
    "clients.max_header_bytes",
    "clients.handshake_timeout",
    "clients.header_timeout",
    "clients.stall_timeout",
    "clients.max_unread_bytes",
    "api.max_answer_bytes",
    "shelf.max_bytes",
    "sources.max_syslog_connections",
)
"""Limits on whoever sends and reads. Those on lines and keys have metrics of their own."""


class Rooms(NamedTuple):
    """What is looked at."""

    worker: Worker
    sealer: Sealer
    shelf: Shelf
    server: Server
    ingest: Ingest
    poll: Poll
    once: Once
    journal: Journal
    files: Sequence[FollowedFile]
    datagrams: Sequence[SyslogDatagrams]
    listeners: Sequence[SyslogListener]
    loop_lag: Histogram


class Panel:
    """Reads the rooms."""

    def __init__(self, rooms: Rooms, *, clock: Clock, aggregate_delay: int, version: str) -> None:
        self._rooms = rooms
        self._clock = clock
        self._delay = aggregate_delay
        self._version = version
        self._started = clock.now()

    def exposition(self) -> bytes:
        """Return every metric, as Prometheus reads it."""
        return exposition(self.readings())

    def rejected(self) -> bytes:
        """Return the last lines that did not count, as JSON."""
        return self._rooms.worker.rejects.recent()

    def readings(self) -> Iterator[Reading]:
        """Read every metric, in the order of their list."""
        for part in (self._records, self._window, self._readers, self._process):
            yield from part()

    def checks(self) -> dict[str, str]:
        """Return, by name, what has to be well for the service to be of use: its problem, empty if there is none."""
        return {
            "journal": self._rooms.journal.failing or "",
            "window": self._behind(),
            "server": "stopping" if self._rooms.server.closing else "",
        }

    @property
    def _lag(self) -> float:
        """Seconds since the newest sealed second was due."""
        return self._clock.now() - self._delay - self._rooms.shelf.newest

    def _behind(self) -> str:
        if not self._rooms.shelf.newest:
            return "starting: no second sealed yet"
        if self._lag > MAX_LAG:
            return f"no second sealed for {self._lag:.0f} seconds: readers see nothing new"
        return ""

    def _records(self) -> Iterator[Reading]:
        worker, journal = self._rooms.worker, self._rooms.journal
        brought = worker.brought.items()
        yield metrics.SOURCE_BYTES, {(source,): one.size for source, one in brought}
        yield metrics.SOURCE_ACCEPTED, {(source,): one.accepted for source, one in brought}
        yield metrics.SOURCE_REJECTED, {(source,): one.rejected for source, one in brought}
        yield metrics.SOURCE_DATAGRAMS_DROPPED, {(one.name,): one.dropped for one in self._rooms.datagrams}
        yield metrics.FILE_LAG, {(one.name,): one.behind for one in self._rooms.files}
        yield metrics.SYSLOG_CONNECTIONS, {(one.name,): len(one.connections) for one in self._rooms.listeners}
        yield metrics.ACCEPTED, {(): worker.accepted}
        yield metrics.REJECTED, {(reason,): worker.rejected[reason] for reason, _ in reasons()}
        yield metrics.UNKNOWN_CACHE_WORDS, {(word,): count for word, count in worker.unknown_cache_words.items()}
        yield metrics.REJECTED_DROPPED, {(): worker.rejects.unkept}
        yield metrics.FOLD_DURATION, {(): worker.fold_time}
        yield metrics.COMMIT_DURATION, {(): worker.commit_time}
        yield metrics.JOURNAL_FAILING, {(): int(journal.failing is not None)}
        yield metrics.COMMIT_FAILURES, {(): journal.failures}
        yield metrics.COMMITS, {(): journal.commits}
        yield metrics.JOURNAL_SIZE, {(): journal.size}
        yield metrics.PUSHES_REPEATED, {(): self._rooms.once.repeated}

    def _window(self) -> Iterator[Reading]:
        sealer, shelf = self._rooms.sealer, self._rooms.shelf
        yield metrics.MERGE_DURATION, {(): sealer.merge_time}
        yield metrics.SEAL_DURATION, {(): sealer.seal_time}
        yield metrics.LAST_SEALED, {(): shelf.newest}
        # Before the first seal nothing was due.
        yield metrics.SEAL_LAG, {(): self._lag if shelf.newest else 0.0}
        for metric, counts in (
            (metrics.SERVICE_RECORDS, sealer.records),
            (metrics.SERVICE_LATE, sealer.late),
            (metrics.SERVICE_OVERFLOWED, sealer.overflowed),
        ):
            yield metric, {(service_id,): counts[service_id] for service_id in sealer.records}

    def _readers(self) -> Iterator[Reading]:
        shelf, server = self._rooms.shelf, self._rooms.server
        yield metrics.SERVICES, {(): len(shelf.services)}
        yield metrics.SHELF_BYTES, {(): shelf.size}
        yield metrics.CACHE_BYTES, {(): shelf.cached_size}
        yield metrics.CACHE_HITS, {(): shelf.reused}
        yield metrics.CACHE_MISSES, {(): shelf.encoded}
        yield metrics.WAITING_READERS, {(): shelf.waiting}
        yield metrics.CONNECTIONS, {(): len(server.connections)}
        responses = Counter({(room, code): 0 for room in ROOMS for code in CODES})
        responses.update(server.responses)
        responses["read", 200] += server.repeated  # nothing else is ever at hand
        reached = server.refused + self._rooms.ingest.refused
        reached["api.idempotency_keys"] = self._rooms.once.forgotten
        reached["api.max_pending_bytes"] = self._rooms.worker.pushes.busy
        reached["sources.max_syslog_connections"] = sum(one.refused for one in self._rooms.listeners)
        reached["api.max_answer_bytes"] = self._rooms.poll.cut
        reached["shelf.max_bytes"] = shelf.dropped
        yield metrics.PENDING, {(): self._rooms.worker.pushes.pending}
        yield metrics.REQUEST_BUFFERED, {(): server.waiting_bytes}
        yield metrics.RESPONSE_BUFFERED, {(): server.unread_bytes}
        yield metrics.LIMIT_REACHED, {(name,): reached[name] for name in LIMITS}
        yield metrics.RESPONSES, {(room, str(code)): count for (room, code), count in responses.items()}

    def _process(self) -> Iterator[Reading]:
        yield metrics.LOOP_LAG, {(): self._rooms.loop_lag}
        yield from process()
        yield metrics.STARTED, {(): self._started}
        yield metrics.BUILD, {(self._version, platform.python_version()): 1}
