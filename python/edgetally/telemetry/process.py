"""What the kernel counts of this process, with the names that every client library of Prometheus uses."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from edgetally.telemetry import metrics
from edgetally.telemetry.prometheus import Family

STAT = Path("/proc/self/stat")
"""See proc_pid_stat(5). After the name, which may have spaces and brackets, fields are numbered from 3."""

BOOT = Path("/proc/stat")
"""Has the Unix time at which the kernel started: `btime 1763769600`."""

FILES = Path("/proc/self/fd")

AFTER_NAME = 3
USER_TIME, SYSTEM_TIME, START_TIME, VIRTUAL_BYTES, RESIDENT_PAGES = 14, 15, 22, 23, 24
"""Numbers of fields."""


class ProcessCollector:
    """The metrics of the process that the kernel knows."""

    def __init__(self) -> None:
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._booted: int | None = None
        """Unix time; None where there is no such file system, and nothing to collect."""
        with contextlib.suppress(OSError):
            lines = BOOT.read_text().splitlines()
            self._booted = next(int(line.split()[1]) for line in lines if line.startswith("btime "))

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        if self._booted is None:
            return
        found = [int(one) for one in STAT.read_text().rpartition(")")[2].split()[1:]]
        field = dict(enumerate(found, start=AFTER_NAME + 1))  # the state, field 3, is a letter
        yield metrics.VIRTUAL.sample(field[VIRTUAL_BYTES])
        yield metrics.RESIDENT.sample(field[RESIDENT_PAGES] * self._page)
        yield metrics.STARTED.sample(self._booted + field[START_TIME] / self._ticks)
        yield metrics.CPU.sample((field[USER_TIME] + field[SYSTEM_TIME]) / self._ticks)
        yield metrics.OPEN_FILES.sample(sum(1 for _ in FILES.iterdir()))
        yield metrics.MAX_FILES.sample(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
