"""The log: one line per event, for people or for machines, and never a flood."""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pytest

from edgetally.telemetry.events import Event, FileRotated, Stopping, SyslogConnectionClosed, TaskFailed, say
from edgetally.telemetry.log import ALL_SOURCES, Log
from edgetally.telemetry.log_writer import QUEUE_LINES


def pipe() -> tuple[int, TextIO]:
    """Return the reading and the writing end of a pipe."""
    reading, writing = os.pipe()
    return reading, os.fdopen(writing, "w")


def terminal() -> tuple[int, TextIO]:
    """Return the reading and the writing end of a terminal."""
    reading, writing = os.openpty()
    return reading, os.fdopen(writing, "w")


def read(reading: int) -> str:
    """Read to the end."""
    text = b""
    try:
        while data := os.read(reading, 1 << 16):
            text += data
    except OSError:  # how Linux ends a terminal
        pass
    os.close(reading)
    return text.decode()


class OpenLog:
    """A log at a time that the test sets."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.second = 1_795_314_000.25
        self.lines: list[str] = []
        """The lines of the log, once it is closed."""

    def say(self, event: Event, *, error: BaseException | None = None) -> None:
        say(event, error=error)

    def plain(self, text: str, *values: object) -> None:
        logging.getLogger("some.library").warning(text, *values)

    @property
    def events(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]


@contextmanager
def open_log(
    format: str = "auto", level: str = "info", per_second: int = 0, *, to: Callable[[], tuple[int, TextIO]] = pipe
) -> Iterator[OpenLog]:
    reading, stream = to()
    factory = logging.getLogRecordFactory()

    def make(*arguments: Any, **named: Any) -> logging.LogRecord:  # noqa: ANN401 - the arguments of logging
        record = factory(*arguments, **named)
        record.created = opened.second
        return record

    with ThreadPoolExecutor(1) as reader:
        text = reader.submit(read, reading)
        try:
            with stream, Log(format=format, level=level, per_second=per_second, stream=stream) as log:
                opened = OpenLog(log)
                logging.setLogRecordFactory(make)
                yield opened
        finally:
            logging.setLogRecordFactory(factory)
        opened.lines = text.result().splitlines()


def test_an_event_is_an_object_with_its_fields() -> None:
    with open_log() as log:
        log.say(SyslogConnectionClosed(source="syslog:tcp:x:1", problem="nothing good"))

    assert log.events == [
        {
            "time": "2026-11-22T02:20:00.250+00:00",
            "level": "warning",
            "event": "syslog_connection_closed",
            "message": "syslog:tcp:x:1: connection closed: nothing good",
            "source": "syslog:tcp:x:1",
            "problem": "nothing good",
        }
    ]


def test_an_event_is_a_line_on_a_terminal() -> None:
    with open_log(to=terminal) as log:
        log.say(FileRotated(source="file:a.log"))

    (line,) = log.lines
    assert line.startswith("2026-11-2")
    assert line.endswith(" INFO file:a.log: rotated, reading the new file too")


@pytest.mark.parametrize(("format", "start"), [("json", "{"), ("text", "2")])
@pytest.mark.parametrize("to", [pipe, terminal])
def test_the_format_is_the_one_that_is_set(format: str, start: str, to: Callable[[], tuple[int, TextIO]]) -> None:
    with open_log(format, to=to) as log:
        log.say(Stopping())

    assert log.lines[0].startswith(start)


def test_events_below_the_level_are_not_logged() -> None:
    with open_log(level="warning") as log:
        log.say(Stopping())
        log.say(SyslogConnectionClosed(source="x", problem="y"))

    assert [event["event"] for event in log.events] == ["syslog_connection_closed"]


def test_messages_of_libraries_have_their_name() -> None:
    with open_log() as log:
        log.plain("%s is\nodd", "this")

    assert [(event["event"], event["message"]) for event in log.events] == [("some.library", "this is\\nodd")]


@pytest.mark.parametrize("format", ["json", "text"])
def test_a_traceback_belongs_to_its_line(format: str) -> None:
    with open_log(format) as log:
        log.say(TaskFailed(), error=ZeroDivisionError("one\n2026 CRITICAL \x1b[2Jforged"))

    first, *rest = log.lines
    assert "a background task failed" in first
    assert ("ZeroDivisionError" in first) == (format == "json")
    assert all(line.startswith("    ") for line in rest)
    assert all(line.isprintable() for line in log.lines)


def test_lines_for_the_journal_of_systemd_have_a_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal"
    with path.open("w") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        with Log(format="text", level="info", per_second=0, stream=stream):
            say(Stopping())
            say(SyslogConnectionClosed(source="x", problem="y"))
            say(TaskFailed(), error=ZeroDivisionError("two\nlines"))

    lines = path.read_text().splitlines()
    assert [line[:3] for line in lines] == ["<6>", "<4>", "<2>", *["<2>"] * (len(lines) - 3)]


def test_no_other_stream_is_taken_for_the_journal_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    path = tmp_path / "file"
    with path.open("w") as stream, Log(format="json", level="info", per_second=0, stream=stream):
        say(Stopping())

    assert path.read_text().startswith("{")


# --- floods ---------------------------------------------------------------------------------------------------------


def messages(log: OpenLog) -> list[str]:
    return [event["message"] for event in log.events]


def test_a_flood_from_one_source_is_suppressed_and_counted() -> None:
    with open_log(per_second=2) as log:
        for _ in range(100):
            log.say(SyslogConnectionClosed(source="a", problem="x"))
        log.say(SyslogConnectionClosed(source="b", problem="x"))
        log.say(FileRotated(source="a"))
        log.log.sweep()
        log.log.sweep()

    assert messages(log) == [
        *["a: connection closed: x"] * 2,
        "b: connection closed: x",
        "a: rotated, reading the new file too",
        "suppressed 98 more syslog_connection_closed events",
    ]
    assert log.events[-1]["event"] == "events_suppressed"


def test_every_second_has_the_limit_again() -> None:
    with open_log(per_second=1) as log:
        for second in range(3):
            log.second += 1
            for _ in range(2):
                log.say(SyslogConnectionClosed(source=str(second), problem="x"))
            log.log.sweep()

    assert messages(log) == [
        text
        for second in range(3)
        for text in (f"{second}: connection closed: x", "suppressed 1 more syslog_connection_closed events")
    ]


def test_a_flood_from_many_sources_is_suppressed_too() -> None:
    with open_log(per_second=2) as log:
        for number in range(1000):
            log.say(SyslogConnectionClosed(source=f"made up {number}", problem="x"))
            log.plain("odd %d", number)
        log.log.sweep()

    assert len(log.lines) == 2 * ALL_SOURCES + 2 + 2
    assert sorted(messages(log)[-2:]) == [
        f"suppressed {1000 - 2 * ALL_SOURCES} more syslog_connection_closed events",
        "suppressed 998 more some.library events",
    ]


def test_critical_events_are_always_logged() -> None:
    with open_log(per_second=1) as log:
        for _ in range(3):
            log.say(TaskFailed())

    assert len(log.lines) == 3


def test_suppressed_events_are_counted_at_the_end() -> None:
    with open_log(per_second=1) as log:
        for _ in range(3):
            log.say(Stopping())

    assert messages(log) == ["stopping", "suppressed 2 more stopping events"]


def test_without_a_limit_nothing_is_suppressed() -> None:
    with open_log(per_second=0) as log:
        for _ in range(1000):
            log.say(Stopping())

    assert len(log.lines) == 1000


# --- a reader that is slow or gone ----------------------------------------------------------------------------------


def test_a_log_that_is_not_read_blocks_nothing_and_counts_what_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    # The test is about what is read in the end, however slow the machine is.
    monkeypatch.setattr("edgetally.telemetry.log_writer.CLOSE_SECONDS", 30.0)
    reading, stream = pipe()
    many = 3 * QUEUE_LINES
    with stream, ThreadPoolExecutor(1) as reader:
        with Log(format="json", level="info", per_second=0, stream=stream) as log:
            for number in range(many):
                say(SyslogConnectionClosed(source=f"{number}", problem="x" * 1000))
            text = reader.submit(read, reading)
            while log.dropped:
                log.sweep()
        stream.close()

    *lines, last = [json.loads(line) for line in text.result().splitlines()]
    # In order, but with gaps, where the queue was full.
    numbers = [int(line["source"]) for line in lines]
    assert numbers == sorted(set(numbers))
    assert numbers[:QUEUE_LINES] == list(range(QUEUE_LINES))
    assert last["event"] == "log_lines_dropped"
    assert len(lines) + last["lines"] == many
    assert QUEUE_LINES <= len(lines) < many


def test_a_log_that_is_never_read_can_be_closed() -> None:
    reading, stream = pipe()
    with stream:
        with Log(format="json", level="info", per_second=0, stream=stream):
            for _ in range(3 * QUEUE_LINES):
                say(SyslogConnectionClosed(source="x", problem="x" * 1000))
            (writer,) = [thread for thread in threading.enumerate() if thread.name == "log"]
        os.close(reading)
        writer.join()  # what is left in the queue is not written to the descriptor: it may be another file's by now


def test_a_reader_of_the_log_that_is_gone_does_no_harm() -> None:
    reading, stream = pipe()
    os.close(reading)
    with stream, Log(format="json", level="info", per_second=0, stream=stream):
        say(Stopping())
