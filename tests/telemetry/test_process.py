"""What the operating system knows about this process."""

import os
import sys
from pathlib import Path

import pytest

from edgetally.telemetry.metrics import CPU, MAX_FILES, OPEN_FILES, RESIDENT
from edgetally.telemetry.process import process

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is no /proc")


def value(metric: object) -> float:
    (found,) = (values[()] for name, values in process() if name is metric)
    assert isinstance(found, int | float)
    return found


@linux
def test_memory_that_is_taken_is_seen() -> None:
    before = value(RESIDENT)
    block = bytearray(os.urandom(1 << 20)) * 64

    assert value(RESIDENT) - before > len(block) / 2


@linux
def test_every_open_file_is_counted() -> None:
    before = value(OPEN_FILES)

    with Path("/dev/null").open("rb"), Path("/dev/null").open("rb"):
        assert value(OPEN_FILES) == before + 2
    assert value(OPEN_FILES) == before < value(MAX_FILES)


def test_work_takes_processor_time() -> None:
    before = value(CPU)
    while value(CPU) == before:
        sum(range(100_000))

    assert value(CPU) > before


def test_what_the_system_does_not_tell_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)

    assert [metric for metric, _ in process()] == [CPU, MAX_FILES]
