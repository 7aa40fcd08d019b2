"""Metrics of the process, collected by the client library."""

import os
import sys
from pathlib import Path

import pytest

from edgetally.service.monitor import Monitor
from edgetally.telemetry.metrics import CPU, MAX_FILES, OPEN_FILES, RESIDENT
from edgetally.telemetry.prometheus import Metric

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is no /proc")


@pytest.fixture
def monitor() -> Monitor:
    made = Monitor("0")
    made.watch(collectors=(), limited=(), checks=dict)
    return made


def value(monitor: Monitor, metric: Metric) -> float:
    found = monitor.registry.get_sample_value(metric.name)
    assert found is not None
    return found


def test_memory_in_use_is_measured(monitor: Monitor) -> None:
    before = value(monitor, RESIDENT)
    block = bytearray(os.urandom(1 << 20)) * 64

    assert value(monitor, RESIDENT) - before > len(block) / 2


def test_every_open_file_is_counted(monitor: Monitor) -> None:
    before = value(monitor, OPEN_FILES)

    with Path("/dev/null").open("rb"), Path("/dev/null").open("rb"):
        assert value(monitor, OPEN_FILES) == before + 2
    assert value(monitor, OPEN_FILES) == before < value(monitor, MAX_FILES)


def test_cpu_time_is_measured(monitor: Monitor) -> None:
    before = value(monitor, CPU)
    while value(monitor, CPU) == before:
        sum(range(100_000))

    assert value(monitor, CPU) > before
