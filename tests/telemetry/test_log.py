"""The log: one line per event, for people or for machines, and never a flood."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pytest

from edgetally.telemetry.events import Event, FileRotated, Stopping, SyslogConnectionClosed, TaskFailed, say
from edgetally.telemetry.log import OVERALL, Log
from edgetally.telemetry.log_writer import WAITING


def pipe() -> tuple[int, TextIO]:
    """Make something that is no terminal: from where to read, and where to write."""
    reading, writing = os.pipe()
    return reading, os.fdopen(writing, "w")


def terminal() -> tuple[int, TextIO]:
    """Make something that is one."""
    reading, writing = os.openpty()
    return reading, os.fdopen(writing, "w")


def read(reading: int) -> str:
    """Read to the end."""
    said = b""
    try:
        while data := os.read(reading, 1 << 16):
            said += data
    except OSError:  # what Linux says of a terminal instead of "the end"
        pass
    os.close(reading)
    return said.decode()


class Written:
    """A log, and a time that the test sets."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.second = 1_795_314_000.25
        self.lines: list[str] = []
        """What it has written, once it is closed."""

    def say(self, event: Event, *, error: BaseException | None = None) -> None:
        say(event, error=error)

    def plain(self, text: str, *values: object) -> None:
        logging.getLogger("some.library").warning(text, *values)

    @property
    def events(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]


@contextmanager
def written(
    form: str = "auto", level: str = "info", per_second: int = 0, *, to: Callable[[], tuple[int, TextIO]] = pipe
) -> Iterator[Written]:
    reading, stream = to()
    root = logging.getLogger()
    before = root.level
    made = logging.getLogRecordFactory()

    def make(*arguments: Any, **named: Any) -> logging.LogRecord:  # noqa: ANN401 - whatever logging hands over
        record = made(*arguments, **named)
        record.created = writing.second
        return record

    with ThreadPoolExecutor(1) as reader:
        said = reader.submit(read, reading)
        try:
            with stream, Log(form=form, level=level, per_second=per_second, stream=stream) as log:
                writing = Written(log)
                logging.setLogRecordFactory(make)
                yield writing
        finally:
            logging.setLogRecordFactory(made)
            root.setLevel(before)
        writing.lines = said.result().splitlines()


def test_an_event_is_an_object_with_its_fields() -> None:
    with written() as log:
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
    with written(to=terminal) as log:
        log.say(FileRotated(source="file:a.log"))

    (line,) = log.lines
    assert line.startswith("2026-11-2")
    assert line.endswith(" INFO file:a.log: rotated, reading the new file")


@pytest.mark.parametrize(("form", "begin"), [("json", "{"), ("text", "2")])
@pytest.mark.parametrize("to", [pipe, terminal])
def test_the_form_is_as_it_was_set(form: str, begin: str, to: Callable[[], tuple[int, TextIO]]) -> None:
    with written(form, to=to) as log:
        log.say(Stopping())

    assert log.lines[0].startswith(begin)


def test_what_is_less_important_is_not_logged() -> None:
    with written(level="warning") as log:
        log.say(Stopping())
        log.say(SyslogConnectionClosed(source="x", problem="y"))

    assert [event["event"] for event in log.events] == ["syslog_connection_closed"]


def test_what_libraries_say_has_their_name() -> None:
    with written() as log:
        log.plain("%s is\nodd", "this")

    assert [(event["event"], event["message"]) for event in log.events] == [("some.library", "this is\\nodd")]


@pytest.mark.parametrize("form", ["json", "text"])
def test_where_an_error_came_from_belongs_to_its_line(form: str) -> None:
    with written(form) as log:
        log.say(TaskFailed(), error=ZeroDivisionError("one\n2026 CRITICAL \x1b[2Jforged"))

    first, *rest = log.lines
    assert "a background task failed" in first
    assert ("ZeroDivisionError" in first) == (form == "json")
    assert all(line.startswith("    ") for line in rest)
    assert all(line.isprintable() for line in log.lines)


def test_the_journal_of_systemd_is_told_how_important_a_line_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    with path.open("w") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        with Log(form="text", level="info", per_second=0, stream=stream):
            say(Stopping())
            say(SyslogConnectionClosed(source="x", problem="y"))
            say(TaskFailed(), error=ZeroDivisionError("two\nlines"))

    lines = path.read_text().splitlines()
    assert [line[:3] for line in lines] == ["<6>", "<4>", "<2>", *["<2>"] * (len(lines) - 3)]


def test_no_other_stream_is_taken_for_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    path = tmp_path / "file"
    with path.open("w") as stream, Log(form="json", level="info", per_second=0, stream=stream):
        say(Stopping())

    assert path.read_text().startswith("{")


# --- floods ---------------------------------------------------------------------------------------------------------


def said(log: Written) -> list[str]:
    return [event["message"] for event in log.events]


def test_a_flood_from_one_source_is_summed_up() -> None:
    with written(per_second=2) as log:
        for _ in range(100):
            log.say(SyslogConnectionClosed(source="a", problem="x"))
        log.say(SyslogConnectionClosed(source="b", problem="x"))
        log.say(FileRotated(source="a"))
        log.log.sweep()
        log.log.sweep()

    assert said(log) == [
        *["a: connection closed: x"] * 2,
        "b: connection closed: x",
        "a: rotated, reading the new file",
        "suppressed 98 more syslog_connection_closed events",
    ]
    assert log.events[-1]["event"] == "events_suppressed"


def test_the_next_second_begins_anew() -> None:
    with written(per_second=1) as log:
        for second in range(3):
            log.second += 1
            for _ in range(2):
                log.say(SyslogConnectionClosed(source=str(second), problem="x"))
            log.log.sweep()

    assert said(log) == [
        text
        for second in range(3)
        for text in (f"{second}: connection closed: x", "suppressed 1 more syslog_connection_closed events")
    ]


def test_a_flood_from_as_many_sources_is_summed_up_too() -> None:
    with written(per_second=2) as log:
        for number in range(1000):
            log.say(SyslogConnectionClosed(source=f"made up {number}", problem="x"))
            log.plain("odd %d", number)
        log.log.sweep()

    assert len(log.lines) == 2 * OVERALL + 2 + 2
    assert sorted(said(log)[-2:]) == [
        f"suppressed {1000 - 2 * OVERALL} more syslog_connection_closed events",
        "suppressed 998 more some.library events",
    ]


def test_what_ends_the_process_is_always_said() -> None:
    with written(per_second=1) as log:
        for _ in range(3):
            log.say(TaskFailed())

    assert len(log.lines) == 3


def test_what_was_not_said_is_summed_up_at_the_end() -> None:
    with written(per_second=1) as log:
        for _ in range(3):
            log.say(Stopping())

    assert said(log) == ["stopping", "suppressed 2 more stopping events"]


def test_nothing_is_held_back_without_a_limit() -> None:
    with written(per_second=0) as log:
        for _ in range(1000):
            log.say(Stopping())

    assert len(log.lines) == 1000


# --- whoever reads it -----------------------------------------------------------------------------------------------


def test_a_log_that_nobody_takes_stops_nobody_and_says_so_later(monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow the machine is: what is read in the end is looked at here, not how soon.
    monkeypatch.setattr("edgetally.telemetry.log_writer.LAST_SECONDS", 30.0)
    reading, stream = pipe()
    many = 3 * WAITING
    with stream, ThreadPoolExecutor(1) as reader:
        with Log(form="json", level="info", per_second=0, stream=stream) as log:
            for number in range(many):
                say(SyslogConnectionClosed(source=f"{number}", problem="x" * 1000))
            said = reader.submit(read, reading)
            while log.lost:
                log.sweep()
        stream.close()

    *lines, last = [json.loads(line) for line in said.result().splitlines()]
    # In order, but not without a gap: when the thread that writes has its turn decides where there is room.
    taken = [int(line["source"]) for line in lines]
    assert taken == sorted(set(taken))
    assert taken[:WAITING] == list(range(WAITING))
    assert last["event"] == "log_lines_dropped"
    assert len(lines) + last["lines"] == many
    assert WAITING <= len(lines) < many


def test_a_log_that_is_never_taken_ends_all_the_same() -> None:
    reading, stream = pipe()
    with stream, Log(form="json", level="info", per_second=0, stream=stream):
        for _ in range(3 * WAITING):
            say(SyslogConnectionClosed(source="x", problem="x" * 1000))
    os.close(reading)


def test_a_log_whose_reader_has_gone_is_no_harm() -> None:
    reading, stream = pipe()
    os.close(reading)
    with stream, Log(form="json", level="info", per_second=0, stream=stream):
        say(Stopping())
