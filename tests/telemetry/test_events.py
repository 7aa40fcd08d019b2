"""Every event has a name, a sentence with all of its fields, and escapes them."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetally.escaping import escape
from edgetally.telemetry.events import EVENTS, Event, LineRejected

RESERVED = {"time", "level", "event", "message", "traceback"}
"""Fields of every line."""


def example(event: type[Event], text: str) -> Event:
    """Make an event with `text` in every field that takes it."""
    values: dict[type, Any] = {str: text, bytes: text.encode(), int: 7, float: 7.5}
    return event(**{field.name: values[field.type] for field in msgspec.structs.fields(event)})


def test_every_event_is_in_the_list() -> None:
    names = [event.name() for event in EVENTS]

    assert len(set(names)) == len(names) > 10
    assert "line_rejected" in names


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name())
def test_a_sentence_has_every_field_but_those_that_only_machines_need(event: type[Event]) -> None:
    fields = {field.name for field in msgspec.structs.fields(event)}
    shown = set(re.findall(r"\{(\w+)\}", event.sentence))

    assert shown <= fields
    assert fields - shown <= {"line"}
    assert not fields & RESERVED
    assert event.__doc__ not in (None, Event.__doc__), "docs/events.md says what it means"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name())
def test_no_event_ends_a_line_or_controls_a_terminal(event: type[Event]) -> None:
    event_with_text = example(event, "a\nb\r\x1b[2J\x9b\u202ec\u2028")

    assert str(event_with_text).isprintable()
    assert all(str(value).isprintable() for value in event_with_text.fields().values())


@given(st.text() | st.binary())
def test_escaped_values_are_printable(value: str | bytes) -> None:
    assert str(escape(value)).isprintable()


def test_printable_values_stay_as_they_are() -> None:
    assert [escape(value) for value in ("Zürich {x} %s", b"\xc3\xbc", 7, 0.5)] == ["Zürich {x} %s", "ü", 7, 0.5]


def test_braces_in_a_field_are_not_expanded() -> None:
    event = LineRejected(source="push", line=1, problem="no", reason="x", at=0, sample=b'{"{0}{self}":"%s"}')

    assert '\'{"{0}{self}":"%s"}\'' in str(event)
