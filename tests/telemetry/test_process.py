"""What the kernel counts of this process."""

import mmap
import sys
from pathlib import Path

import pytest
from prometheus_client import ProcessCollector as LibraryCollector

from edgetally.clock import SystemClock
from edgetally.telemetry.metrics import CPU, MAX_FILES, OPEN_FILES, RESIDENT, STARTED, VIRTUAL
from edgetally.telemetry.process import ProcessCollector
from edgetally.telemetry.prometheus import Metric

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is no /proc")


def value(metric: Metric) -> float:
    (found,) = [one.samples for one in ProcessCollector().collect() if one.metric == metric]
    (sample,) = found
    return sample.value


def test_memory_in_use_is_measured() -> None:
    before = value(RESIDENT)
    # From the kernel: memory that this process has freed is still its own.
    with mmap.mmap(-1, 64 << 20) as block:
        block[:] = b"x" * len(block)
        assert value(RESIDENT) - before > len(block) / 2


def test_every_open_file_is_counted() -> None:
    before = value(OPEN_FILES)

    with Path("/dev/null").open("rb"), Path("/dev/null").open("rb"):
        assert value(OPEN_FILES) == before + 2
    assert value(OPEN_FILES) == before < value(MAX_FILES)


def test_cpu_time_is_measured() -> None:
    before = value(CPU)
    while value(CPU) == before:
        sum(range(100_000))

    assert value(CPU) > before


def test_the_start_is_a_moment_before_now() -> None:
    assert 0 < SystemClock().now() - value(STARTED) < 24 * 3600
    assert value(VIRTUAL) > value(RESIDENT)


def test_the_same_is_found_as_by_the_client_library() -> None:
    theirs = {one.name: one.value for family in LibraryCollector(registry=None).collect() for one in family.samples}

    for metric in (STARTED, MAX_FILES, VIRTUAL):
        assert value(metric) == pytest.approx(theirs[metric.name], rel=0.01)
