"""
Log lines as edge servers write them, and worse: test input for everything that folds.

One grammar, two sources of choice: hypothesis (`line`, `log`), which shrinks what it finds, and a seeded generator
(`sample`) for bulk. Keys and seconds are few, so that tallies meet.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Protocol, TypeVar

from hypothesis import strategies as st

from tests.support.records_tables import FIELDS, JUNK, LISTS, ODD_TIMESTAMPS, SHAPES, UNKNOWN

NOW = 1_795_314_035
"""The present of all generated records. Their valid times are at most two seconds earlier."""

LINE_LIMIT = 262_144

T = TypeVar("T")


class Choice(Protocol):
    """Makes the decisions of the grammar."""

    def of(self, options: Sequence[T]) -> T:
        """Choose one; the first is the simplest."""
        ...

    def number(self, low: int, high: int) -> int:
        """Choose a whole number, both ends included; the lowest is the simplest."""
        ...


# --- the grammar ---------------------------------------------------------------------------------------------------

Member = tuple[bytes, bytes]


def value(choice: Choice, field: bytes) -> bytes:
    """Choose a value of a field: mostly a realistic one, sometimes a quirk, rarely one of another field."""
    draw = choice.number(0, 99)
    if draw >= 98:
        field = choice.of(list(FIELDS))
    usual, odd = FIELDS[field]
    return choice.of(usual if draw < 80 else odd)


def timestamp(choice: Choice) -> bytes:
    """Choose a time in one of the seconds up to now, in every notation, or no time at all."""
    second, fraction = NOW - choice.number(0, 2), choice.number(0, 999)
    notation = choice.number(0, 9)
    if notation < 3:
        return b"%d.%03d" % (second, fraction)
    if notation == 3:
        return b'"%d"' % second
    if notation < 7:
        ticks: int = (second * 1000 + fraction) * 1000 ** (notation - 4)
        return choice.of([b"%d", b'"%d"', b'"%d.5"']) % ticks
    if notation < 9:
        zone = choice.of([UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=9, minutes=30))])
        iso = datetime.fromtimestamp(second, zone).isoformat()
        place, zulu = len("2026-11-22T02:20:35"), choice.of(["Z", "z"])
        decimals = choice.of(["", f".{fraction:03}", f".{fraction:03}456789"])
        return f'"{iso[:place]}{decimals}{iso[place:].replace("+00:00", zulu)}"'.encode()
    return choice.of(ODD_TIMESTAMPS)


def tries(choice: Choice) -> list[Member]:
    """Choose the fields of several attempts as nginx writes them, mostly of the same length."""
    count = choice.number(2, 4)
    members = []
    for field, elements in LISTS:
        length = choice.of([count] * 9 + [1, count - 1, count + 1])
        joined = choice.of(elements)
        for _ in range(length - 1):
            joined += choice.of([b", ", b", ", b" : ", b","]) + choice.of(elements)
        if choice.number(0, 9) < 9:
            members.append((b'"' + field + b'"', b'"' + joined + b'"'))
    return members


FETCH_FIELDS = [field for field in FIELDS if field.startswith((b"origin_", b"bereq_", b"beresp_"))]


def origins(choice: Choice) -> bytes:
    """Choose a list of fetches and of elements that are not fetches."""
    elements = []
    for _ in range(choice.number(0, 3)):
        if choice.number(0, 9) == 9:
            elements.append(choice.of([b"1", b'"}"', b'[{"ip":"10.9.9.9"}]', b"null", b"{}", b'{"a":{"ip":1}}']))
            continue
        members = [(b'"name"', value(choice, b"origin"))]
        for _ in range(choice.number(1, 6)):
            field = choice.of(FETCH_FIELDS)
            members.append((b'"' + field.removeprefix(b"origin_") + b'"', value(choice, field)))
        elements.append(write_object(choice, members))
    return b"[" + b",".join(elements) + b"]"


def members(choice: Choice) -> list[Member]:
    """Choose the members of a record."""
    shape = choice.number(0, len(SHAPES) + 4)
    if shape < len(SHAPES):
        fields = SHAPES[shape]
    else:
        fields = choice.of([[b"status"], [b"status"], [b"origin_ip"], [b"origin_status"], []])
        fields = [*fields, *(choice.of(list(FIELDS)) for _ in range(choice.number(0, 10)))]
    found = [(b'"' + field + b'"', value(choice, field)) for field in fields]
    if choice.number(0, 9) > 2:
        found.insert(0, (b'"ts"', timestamp(choice)))
    if choice.number(0, 9) == 9:
        found += tries(choice)
    if choice.number(0, 9) == 9:
        found.append((b'"origins"', origins(choice)))
    for _ in range(choice.of([0, 0, 0, 1, 2])):
        found.append(choice.of(UNKNOWN))
    if found and choice.number(0, 19) == 19:
        found.append((choice.of(found)[0], choice.of(found)[1]))
    if choice.number(0, 3) == 3:
        found = [found.pop(choice.number(0, len(found) - 1)) for _ in range(len(found))]
    return found


def write_object(choice: Choice, found: Sequence[Member]) -> bytes:
    """Write members as an object, sometimes with blanks between the tokens."""
    blank = choice.of([b"", b"", b"", b"", b" ", b"\t", b" \r\t "])
    inside = (b"," + blank).join(key + blank + b":" + blank + of_key + blank for key, of_key in found)
    return b"{" + blank + inside + b"}"


def damage(choice: Choice, whole: bytes) -> bytes:
    """Cut a line off, or insert, remove or change something within it."""
    at = choice.number(0, len(whole))
    kind = choice.number(0, 3)
    if kind == 0:
        return whole[:at]
    inserted = choice.of(
        [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\x00", b"\xff", b"-", b"0", b"\r", b"x"]
    )
    return whole[:at] + (b"" if kind == 1 else inserted) + whole[at + (kind != 2) :]


def one_line(choice: Choice) -> bytes:
    """Choose one line without its newline."""
    kind = choice.number(0, 999)
    if kind == 999:
        # Just at the limit, or one byte above it.
        long = b'{"status":200,"ua":"' + b"x" * (LINE_LIMIT - 22) + b'"}'
        return choice.of([long, long[:-2] + b'x"}', b" " + long])
    if kind >= 970:
        return choice.of(JUNK)
    if kind >= 955:
        return choice.of([b"", b" ", b"\r", b" \t\r"])
    whole = write_object(choice, members(choice))
    if kind >= 905:
        whole = damage(choice, whole)
    return whole if kind < 850 else choice.of([b"", b" ", b"\t"]) + whole + choice.of([b"\r", b" ", b" \r"])


# --- the two sources of choice -------------------------------------------------------------------------------------


class DrawnChoice:
    """Decisions made by hypothesis."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def of(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))

    def number(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))


class SeededChoice:
    """Decisions that follow from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - input needs to be repeatable, not unpredictable

    def of(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)


@st.composite
def line(draw: st.DrawFn) -> bytes:
    """Draw one line without a newline."""
    return one_line(DrawnChoice(draw))


@st.composite
def log(draw: st.DrawFn) -> bytes:
    """Draw many lines, the last one sometimes without its newline."""
    joined = b"\n".join(draw(st.lists(line(), min_size=1, max_size=12)))
    return joined + draw(st.sampled_from([b"\n", b"", b"\n\n"]))


def sample(seed: int, lines: int) -> bytes:
    """Write this many lines, each with its newline; the same for the same seed."""
    choice = SeededChoice(seed)
    return b"".join(one_line(choice) + b"\n" for _ in range(lines))
