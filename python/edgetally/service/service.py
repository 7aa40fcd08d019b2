"""
The composition root: the only module that knows every part.

It makes the parts in the order of the flow, and stops them in the order in which nothing is lost.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Self

import msgspec

from edgetally import __version__
from edgetally.access.policy import Policy
from edgetally.api.admin import Admin
from edgetally.api.app import App, Handlers, endpoint
from edgetally.api.authorization import Authorization
from edgetally.api.doors import Doors
from edgetally.api.fastly_metrics import FastlyMetrics
from edgetally.api.history.asking import Asking
from edgetally.api.index import Index
from edgetally.api.long_poll import LongPoll
from edgetally.api.page import LivePage
from edgetally.api.push import BodyLimits, Ingest, PushParameters
from edgetally.api.streams import Streams
from edgetally.api.top import Rankings
from edgetally.clock import Clock, SystemClock, sleep_until
from edgetally.config.descriptions import Descriptions
from edgetally.config.log_sections import RecordsSettings
from edgetally.config.sections import Config, FollowSettings, SourcesSettings, SyslogSettings
from edgetally.errors import ConfigError, EdgetallyError, Unavailable, reason
from edgetally.history.collector import HistoryCollector
from edgetally.history.history import ServerHistory, has_history
from edgetally.history.no_history import NoHistory
from edgetally.http.connection import Connection
from edgetally.http.rounds import Rounds
from edgetally.http.server import Limits, Server
from edgetally.ingest.committer import Committer
from edgetally.ingest.dead_letters import DeadLetters
from edgetally.ingest.fold_pool import FoldPool, RecordLimits
from edgetally.ingest.group_commit import GroupCommit, Push, PushLimits, SharedPushes
from edgetally.ingest.idempotency import IdempotencyKeys
from edgetally.ingest.totals import Totals
from edgetally.ingest.worker import Worker
from edgetally.journal.base import Journal, JournalCollector
from edgetally.journal.kafka.address import is_kafka
from edgetally.journal.memory import MemoryJournal
from edgetally.journal.retention import Retention
from edgetally.journal.sqlite import SqliteJournal
from edgetally.model import DATASETS, Defaults, measurements, wrong_lines
from edgetally.service.cluster import ClusterMonitor, join_history, open_topic
from edgetally.service.monitor import HttpCollector, Limited, Monitor, SourceCollector
from edgetally.snippets import format_of
from edgetally.sources import syslog_address
from edgetally.sources.base import Source
from edgetally.telemetry.events import (
    DescriptionsReloaded,
    JournalInMemory,
    JournalJoined,
    JournalOpened,
    TaskFailed,
    say,
)
from edgetally.telemetry.label_limit import LabelLimit
from edgetally.window.series import ExportedSeries
from edgetally.window.shelf import Shelf
from edgetally.window.shelving import Shelving
from edgetally.window.windows import Windows

if TYPE_CHECKING:
    from edgetally.api.compat.routes import Compat
    from edgetally.http.tls_listener import TlsListener
    from edgetally.telemetry.prometheus import Collector

BACKLOG = 4096
"""Connections that may wait to be accepted: thousands of readers reconnect at the same instant."""

STOP_SECONDS = 3.0
"""Time for requests in progress when the process stops."""


class Service:
    """All parts of one process. Use it as an async context manager."""

    def __init__(self, config: Config, clock: Clock | None = None, *, stopping: asyncio.Event | None = None) -> None:
        """
        Check settings, open the journal, and make the other parts in the order of the flow; raise ConfigError.

        Once `stopping` is set, a start ends early, without listening.
        """
        self.config = config
        self.clock = clock or SystemClock()
        self.policy = Policy(config)
        self.descriptions = Descriptions(config)
        self.journal = _journal(config, self.clock)

        # From bytes to the journal.
        self.sources = SourceCollector()
        self.dead_letters = _dead_letters(config, self.clock)
        self.totals = Totals()
        records = config.records
        rounds = Rounds(self.clock)
        self.fold_pool = FoldPool(
            self.clock,
            RecordLimits(records.max_line, records.max_lateness, records.max_ahead),
            pause=rounds.pause,
        )
        committer = Committer(self.journal, self.totals, self.dead_letters, self.clock)
        shared = SharedPushes(self.clock, config.journal.patience) if self.journal.is_shared else None
        self.worker = Worker(
            self.fold_pool,
            committer,
            self.journal,
            self.clock,
            fold_on_bytes=config.journal.max_pending if shared else 0,
        )
        self.idempotency_keys = IdempotencyKeys(
            self.journal.checkpoints(), self.clock, limit=config.api.idempotency_keys
        )
        push_limits = PushLimits(config.api.max_push_tally_bytes, config.api.max_pending_bytes)
        self.group_commit = GroupCommit(self.fold_pool, committer, self.idempotency_keys, push_limits, shared)

        # From the journal to entries.
        self.shelf = Shelf(
            keep=config.shelf.keep, cache_bytes=config.shelf.cache_bytes, max_bytes=config.shelf.max_bytes
        )
        exported = config.fastly_metrics
        self.exported_series = ExportedSeries(
            series=exported.max_series,
            domains=exported.max_domains,
            origins=exported.max_origins,
            split_by_pop=exported.split_by_pop,
        )
        name_series(self.exported_series, self.descriptions)
        self.history = _history(config, self.journal, self.clock)
        self.shelving = Shelving(
            self.shelf, self.exported_series, record=self.history.record, record_part=self.history.record_part
        )
        self.windows = Windows(
            journal=self.journal,
            shelf=self.shelf,
            shelving=self.shelving,
            clock=self.clock,
            limits=config.window.limits,
            aggregate_delay=config.window.aggregate_delay,
            retention=partial(
                Retention,
                keep=config.shelf.keep,
                max_bytes=config.journal.max_bytes,
                needed_from=lambda: self.history.needed_from,
            ),
            labels=LabelLimit(config.metrics.services),
        )

        # From entries to readers, over HTTP. Pushes arrive here, too.
        self.long_poll = LongPoll(
            shelf=self.shelf,
            clock=self.clock,
            aggregate_delay=config.window.aggregate_delay,
            poll_timeout=config.api.poll_timeout,
            max_answer_bytes=config.api.max_answer_bytes,
        )
        self.rankings = Rankings(
            shelf=self.shelf,
            aggregate_delay=config.window.aggregate_delay,
            rejected=lambda: wrong_lines(self.totals.rejected).total(),
            max_rankings=config.api.max_rankings,
            past=partial(self.history.reader.ranking, aggregate_delay=config.window.aggregate_delay)
            if self.history.reader
            else None,
        )
        self.streams = Streams(
            shelf=self.shelf,
            long_poll=self.long_poll,
            rankings=self.rankings,
            clock=self.clock,
            aggregate_delay=config.window.aggregate_delay,
        )
        self.ingest = Ingest(
            self._open_push,
            BodyLimits(config.api.max_push_bytes, config.api.max_push_decompressed_bytes),
            format=format_of(records.format),
        )
        self.fastly_metrics = FastlyMetrics(self.exported_series, self.shelf, max_scrapes=exported.max_scrapes)
        self.asking = Asking(self.history.reader, max_questions=config.history.max_questions)
        self.monitor = Monitor(__version__)
        authorization = Authorization(self.policy.keys)
        app = App(
            authorization=authorization,
            doors=Doors(ingests=config.node.ingests, reads=config.node.reads, starting=self._starting),
            handlers=Handlers(
                long_poll=self.long_poll,
                rankings=self.rankings,
                streams=self.streams,
                ingest=self.ingest,
                admin=Admin(self.monitor, self.dead_letters),
                root=Index(self.shelf, lambda: self.asking.services, version=__version__, scheme=self.policy.scheme),
                compat=cache(partial(self._compat, authorization)),
                fastly_metrics=self.fastly_metrics,
                page=LivePage(),
            ),
            openapi=openapi,
            clock=self.clock,
            error_delay=config.api.error_delay,
        )
        self.server = Server(
            app,
            error_response=app.error_response,
            # The newest sealed second: cached responses expire with the next one.
            cache_version=lambda: self.shelf.newest,
            endpoint=endpoint,
            clock=self.clock,
            limits=Limits(**config.clients.values()),
            rounds=rounds,
        )

        # The monitor is served by one of the parts that it watches.
        http = HttpCollector(self.server)
        self.cluster = ClusterMonitor(self.journal, self.clock)
        history = HistoryCollector(self.history.recorders)
        limited: list[Limited] = [
            self.sources,
            self.group_commit,
            self.idempotency_keys,
            self.ingest,
            self.long_poll,
            self.rankings,
            self.fastly_metrics,
            self.shelf,
            self.asking,
            history,
            http,
        ]
        collectors: list[Collector] = [
            *(self.sources, self.totals, self.fold_pool, committer, self.dead_letters),
            *(self.group_commit, self.idempotency_keys, JournalCollector(self.journal), self.cluster),
            *(self.windows, self.shelf, self.long_poll, self.exported_series, self.streams, history, http),
        ]
        self.monitor.watch(collectors=collectors, limited=limited, checks=self._checks)

        self.url = ""
        """Of the server, once it listens."""
        self.failed = asyncio.Event()
        """Set when a background task has failed, and the process should stop. Whoever runs it says an EdgetallyError in
        `failure`; others are logged."""
        self.failure: BaseException | None = None
        self._stopping = stopping or asyncio.Event()
        self._listener: asyncio.Server | TlsListener | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._followers: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> Self:
        """Replay the journal, then listen and open the sources; raise ConfigError when one cannot be opened."""
        if self.config.node.reads:
            await self._resume()
            self._tasks = [self._start(work) for work in self.windows.tasks()]
        if not self.journal.is_shared:
            for sealer in self.windows.sealers:
                await first([sealer.started, self.failed, self._stopping])
        if self._stopping.is_set():
            return self
        try:
            if isinstance(self.failure, EdgetallyError):
                raise self.failure
            if self.config.node.ingests:
                # Before anything is taken. Without brokers or seals, it goes on looking.
                await self.cluster.check_settings(once=True)
                self.cluster.start()
                self._tasks.append(self._start(self.cluster.check_settings()))
            await self._listen()
            await self._open_sources()
            self.asking.find_services()
            self._log_journal()
        except EdgetallyError:
            self.journal.release()
            await self._stop_sources()
            await self._stop_parts()
            raise
        self._tasks += [self._start(self._sweep()), self._start(self.dead_letters.write())]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop: finish requests in progress, answer waiting readers, commit everything that was received."""
        self.journal.release()
        await self._stop_sources()
        self.server.close()
        self.long_poll.release()
        self.streams.release()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.server.drained()
        except TimeoutError:
            self.server.abort()
        await self._stop_parts()

    def reload(self, config: Config) -> None:
        """Apply what can change while the server runs; after a ConfigError nothing has changed."""
        self.policy.reload(config)
        if self.descriptions.replace(config):
            say(DescriptionsReloaded(services=len(config.services), pops=len(config.pops)))
            name_series(self.exported_series, self.descriptions)
        # Clients may no longer be permitted to see what is cached.
        self.server.cache.clear()

    def _checks(self) -> dict[str, str]:
        """Return the problem of each part that has to be ready, empty if there is none."""
        checks = {"journal": self.journal.failing or ""}
        if self.config.node.reads:
            checks["window"] = self.windows.problem or self._starting()
        if self.config.node.ingests:
            checks["files"] = self.sources.problem
        if self.history.reader:
            checks["history"] = self.history.problem
        if self.journal.is_shared:
            checks["clock"] = self.cluster.problem
        return {**checks, "server": "stopping" if self.server.closing else ""}

    async def _resume(self) -> None:
        """Continue the time where the journal left it, or begin a new one if the clock was set back."""
        pairs = zip(self.windows.sealers, self.journal.partitions, strict=True)
        set_back = [partition for sealer, partition in pairs if sealer.is_set_back]
        for partition in set_back:
            await self.history.rescue(partition)
        self.windows.resume()
        if set_back:
            self.history.start_over(self.journal.id)

    def _starting(self) -> str:
        """Return why no entry can be shown yet. A journal of one process is read before the server listens."""
        return "" if self.windows.started else self.windows.problem or "the journal is being read"

    def _compat(self, authorization: Authorization) -> "Compat":
        """Make the routes of api.fastly.com. They take a tenth of the start, and many servers are never asked."""
        from edgetally.api.compat.routes import Compat  # noqa: PLC0415 - see above

        return Compat(
            authorization,
            self.shelf,
            self.shelving.kept_pops,
            self.descriptions,
            asking=self.asking,
            clock=self.clock,
            scheme=self.policy.scheme,
            max_domains=self.config.window.max_domains,
        )

    def _open_push(self, parameters: PushParameters, services: Sequence[str] | None) -> Push:
        if self.journal.failing:
            # The body need not be received: the journal is retried every second in any case.
            raise Unavailable(self.journal.failing)
        return self.group_commit.open(self._defaults(parameters)._replace(services=services))

    def _log_journal(self) -> None:
        if isinstance(self.journal, SqliteJournal):
            say(JournalOpened(path=str(self.journal.path), seconds=self.shelf.seconds))
        elif self.journal.is_shared:
            say(JournalJoined(address=self.config.journal.kind, role=self.config.node.role))
        else:
            say(JournalInMemory())

    async def _listen(self) -> None:
        """Accept connections."""
        host, port = self.config.api.address
        self.policy.warn()
        loop = asyncio.get_running_loop()
        try:
            if tls := self.policy.tls:
                from edgetally.http.tls_listener import TlsListener  # noqa: PLC0415 - only for HTTPS

                self._listener = TlsListener(self.server, tls)
                await self._listener.listen(host, port, BACKLOG)
            else:
                self._listener = await loop.create_server(partial(Connection, self.server), host, port, backlog=BACKLOG)
        except OSError as error:
            raise ConfigError("api.listen", f"cannot listen on {self.config.api.listen}: {reason(error)}") from error
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"{self.policy.scheme}://[{host}]:{port}" if ":" in host else f"{self.policy.scheme}://{host}:{port}"

    async def _open_sources(self) -> None:
        """Read from every source but pushes. The modules of a source are imported when there is one."""
        sources = self.config.sources
        if sources.follow:
            await self._follow_files(sources)
        for index, one in enumerate(sources.syslog):
            await self._receive_syslog(one, f"sources.syslog[{index}]")
        if sources.stdin:
            from edgetally.sources.stdin import Stdin  # noqa: PLC0415 - see above

            self._follow(Stdin(self._defaults(self.config.records)))

    async def _follow_files(self, sources: SourcesSettings) -> None:
        from edgetally.sources.files.follower import Follow, Follower  # noqa: PLC0415 - see above

        follower = self.sources.follower = Follower(
            [Follow(one.path, self._defaults(one)) for one in sources.follow],
            self.clock,
            quiet_seconds=sources.rotated_quiet_seconds,
            max_files=sources.max_followed_files,
            read=partial(self.worker.follow, goes_back=True),
        )
        await follower.open(self.journal.checkpoints())
        self._followers.append(self._start(follower.run()))

    async def _receive_syslog(self, one: SyslogSettings, setting: str) -> None:
        from edgetally.sources.syslog import SyslogDatagrams, SyslogListener  # noqa: PLC0415 - see above

        where, defaults = syslog_address.parse(one.listen), self._defaults(one)
        if where.kind == "tcp":
            most = self.config.sources.max_syslog_connections
            listener = SyslogListener(where, defaults, self.clock, most, setting=setting)
            self.sources.listeners.append(listener)
            await listener.listen(partial(self.worker.follow, counted_as=listener.name))
        else:
            datagrams = SyslogDatagrams(where, defaults, self.clock, access=one.socket_access, setting=setting)
            self.sources.datagrams.append(datagrams)
            self._follow(datagrams)

    def _defaults(self, given: PushParameters | FollowSettings | SyslogSettings | RecordsSettings) -> Defaults:
        """Return the defaults of one source or push; those that it has not are the ones of `records`."""
        records = self.config.records
        return Defaults(
            given.service_id or records.service_id,
            given.pop or records.pop,
            format_of(given.format or records.format),
            given.weight or records.weight,
        )

    def _follow(self, source: Source) -> None:
        self._followers.append(self._start(self.worker.follow(source)))

    async def _stop_sources(self) -> None:
        if self._listener:
            self._listener.close()
        for listener in self.sources.listeners:
            await listener.close()
        await cancel(self._followers)
        if self.sources.follower:
            await self.sources.follower.close()
        for datagrams in self.sources.datagrams:
            datagrams.close()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.failure = self.failure or error
            if not isinstance(error, EdgetallyError):
                say(TaskFailed(), error=error)
            self.failed.set()

    async def _sweep(self) -> None:
        while True:
            due = self.clock.now() + 1
            await sleep_until(self.clock, due)
            self.monitor.loop_lag.observe(self.clock.now() - due)
            self.server.sweep()

    async def _stop_parts(self) -> None:
        await cancel(self._tasks)
        self.long_poll.close()
        self.streams.close()
        self.rankings.close()
        self.fastly_metrics.close()
        await self.group_commit.drain()
        self.fold_pool.close()
        self.dead_letters.close()
        self.windows.close()
        self.shelving.close()
        self.asking.close()
        await asyncio.to_thread(self.history.close)
        await self.journal.close()


def _journal(config: Config, clock: Clock) -> Journal:
    if config.journal.kind == "memory":
        return MemoryJournal()
    return open_topic(config, clock) if is_kafka(config.journal.kind) else SqliteJournal(config.journal.directory)


def _history(config: Config, journal: Journal, clock: Clock) -> NoHistory:
    if not has_history(config):
        return NoHistory()
    return join_history(config, journal, clock) if config.history.clickhouse else ServerHistory(config, journal, clock)


def _dead_letters(config: Config, clock: Clock) -> DeadLetters:
    # No file without a journal beside it, unless a directory was set.
    has_directory = config.journal.kind == "sqlite" or config.journal.data_dir
    path = config.journal.directory / "rejected.jsonl" if has_directory else None
    return DeadLetters(clock=clock, path=path, file_bytes=config.rejected.file_bytes)


def name_series(series: ExportedSeries, descriptions: Descriptions) -> None:
    """Give the exported series the names that the settings have for services and POPs."""
    places: dict[str, tuple[str, str, str, str]] = {}
    for pop in map(descriptions.pop, descriptions.pops):
        latitude, longitude = pop.coordinates or ("", "")
        places[pop.code] = (pop.name, pop.group, str(latitude), str(longitude))
    series.name({one: descriptions.service(one).name for one in descriptions.services}, places)


@cache
def openapi() -> bytes:
    """Return the OpenAPI document of this version, as JSON."""
    from edgetally.api.openapi import document  # noqa: PLC0415 - takes long, and few ask for it

    return msgspec.json.encode(document({dataset: measurements(dataset) for dataset in DATASETS}, __version__))


async def first(events: list[asyncio.Event]) -> None:
    """Wait until one of `events` is set."""
    waiting: list[asyncio.Task[Any]] = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await cancel(waiting)


async def cancel(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel `tasks`, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
