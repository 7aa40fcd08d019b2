"""What can be logged: every event has a name, a sentence that needs its fields, and says nothing unescaped."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetally.telemetry.events import EVENTS, Event, LineRejected, escaped

RESERVED = {"time", "level", "event", "message", "traceback"}
"""What every line has."""


def example(event: type[Event], text: str) -> Event:
    """Make one, with `text` wherever it takes some."""
    values: dict[type, Any] = {str: text, bytes: text.encode(), int: 7, float: 7.5}
    return event(**{field.name: values[field.type] for field in msgspec.structs.fields(event)})


def test_every_event_is_in_the_list() -> None:
    names = [event.name() for event in EVENTS]

    assert len(set(names)) == len(names) > 10
    assert "line_rejected" in names


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name())
def test_a_sentence_says_every_field_but_those_that_only_machines_need(event: type[Event]) -> None:
    fields = {field.name for field in msgspec.structs.fields(event)}
    said = set(re.findall(r"\{(\w+)\}", event.sentence))

    assert said <= fields
    assert fields - said <= {"line"}
    assert not fields & RESERVED
    assert event.__doc__ not in (None, Event.__doc__), "whoever finds it wants to know what it means"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name())
def test_nothing_that_is_said_ends_a_line_or_talks_to_a_terminal(event: type[Event]) -> None:
    said = example(event, "a\nb\r\x1b[2J\x9b\u202ec\u2028")

    assert str(said).isprintable()
    assert all(str(value).isprintable() for value in said.fields().values())


@given(st.text() | st.binary())
def test_whatever_is_escaped_is_printable(value: str | bytes) -> None:
    assert str(escaped(value)).isprintable()


def test_what_is_printable_stays_as_it_is() -> None:
    assert [escaped(value) for value in ("Zürich {x} %s", b"\xc3\xbc", 7, 0.5)] == ["Zürich {x} %s", "ü", 7, 0.5]


def test_braces_in_a_field_are_only_braces() -> None:
    said = LineRejected(source="push", line=1, problem="no", reason="x", at=0, sample=b'{"{0}{self}":"%s"}')

    assert '\'{"{0}{self}":"%s"}\'' in str(said)
