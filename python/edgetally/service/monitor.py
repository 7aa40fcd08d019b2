"""
Readiness and metrics of one process.

Nothing is counted here: the parts count in plain attributes, which are collected when a scrape asks.
"""

import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from edgetally.http.server import LIMITS, Server
from edgetally.telemetry import metrics
from edgetally.telemetry.histogram import Histogram
from edgetally.telemetry.process import ProcessCollector
from edgetally.telemetry.prometheus import Collector, Exposition, Family, expose

if TYPE_CHECKING:
    from edgetally.sources.files.followed import FollowedPath
    from edgetally.sources.files.follower import Follower
    from edgetally.sources.syslog import SyslogDatagrams, SyslogListener

ENDPOINTS = ("read", "push", "other")
CODES = (200, 400, 403, 413, 429, 500, 503)
"""Statuses that are counted from 0: to an alert, a counter that appears with the value 1 has not increased."""


class Limited(Protocol):
    """A part that enforces limits."""

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often a limit was reached, by its setting; 0 for those that were not."""


class Monitor:
    """The metrics of all parts, and readiness checks."""

    def __init__(self, version: str) -> None:
        self.loop_lag = Histogram()
        """How late timers of the event loop were."""
        self._version = version
        self._collectors: Sequence[Collector] = ()
        self._limited: Sequence[Limited] = ()
        self._checks: Callable[[], Mapping[str, str]] = dict

    def watch(
        self, *, collectors: Sequence[Collector], limited: Sequence[Limited], checks: Callable[[], Mapping[str, str]]
    ) -> None:
        """Collect the metrics of these parts, in this order. `checks` returns the problem of each check, if any."""
        self._collectors = (*collectors, self, ProcessCollector())
        self._limited = limited
        self._checks = checks

    def checks(self) -> Mapping[str, str]:
        """Return the problem of each readiness check, empty if there is none."""
        return self._checks()

    def expose(self, accept: str) -> Exposition:
        """Return all metrics in a format that an `Accept` header asks for."""
        return expose(self._collectors, accept)

    def collect(self) -> Iterator[Family]:
        """Yield the metrics of the whole process."""
        yield metrics.LIMIT_REACHED.samples(
            {(limit,): times for part in self._limited for limit, times in part.limits_reached.items()}
        )
        yield metrics.LOOP_LAG.sample(self.loop_lag)
        yield metrics.BUILD.samples({(self._version, platform.python_version()): 1})


class SourceCollector:
    """The metrics of sources that are files or sockets. Sources may be added while it is in use."""

    def __init__(self) -> None:
        self.follower: Follower | None = None
        self.datagrams: list[SyslogDatagrams] = []
        self.listeners: list[SyslogListener] = []

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {
            "sources.max_syslog_connections": sum(one.refused for one in self.listeners),
            "sources.max_followed_files": len(self.follower.left_out) if self.follower else 0,
        }

    @property
    def problem(self) -> str:
        """What is wrong with followed files, empty if nothing is."""
        problems = [f"{one.path}: {one.problem}" for one in self._files if one.problem]
        problems += self._patterns.values()
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return problems[0] + more if problems else ""

    @property
    def _files(self) -> "list[FollowedPath]":
        return list(self.follower.paths.values()) if self.follower else []

    @property
    def _patterns(self) -> Mapping[str, str]:
        """What is wrong with the directories of patterns, by source."""
        return self.follower.unavailable if self.follower else {}

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.DATAGRAMS_DROPPED.samples({(one.name,): one.dropped for one in self.datagrams})
        yield metrics.FILE_LAG.samples({(one.name,): one.behind for one in self._files})
        available = {one.name: not one.problem for one in self._files} | dict.fromkeys(self._patterns, False)
        yield metrics.FILE_AVAILABLE.samples({(source,): value for source, value in available.items()})
        yield metrics.SYSLOG_CONNECTIONS.samples({(one.name,): len(one.connections) for one in self.listeners})


class HttpCollector:
    """The metrics of the HTTP server, which knows neither settings nor endpoints."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {f"clients.{limit}": self._server.limits_reached[limit] for limit in LIMITS}

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        server = self._server
        responses = Counter({(endpoint, code): 0 for endpoint in ENDPOINTS for code in CODES})
        responses.update(server.responses)
        responses["read", 200] += server.cache.hits  # nothing else is cached
        yield metrics.CONNECTIONS.sample(len(server.connections))
        yield metrics.REQUEST_BUFFERED.sample(server.buffered.used)
        yield metrics.RESPONSE_BUFFERED.sample(server.unread.size)
        yield metrics.RESPONSES.samples({(endpoint, str(code)): n for (endpoint, code), n in responses.items()})
