"""One picture, as lines of styled text: a pure function of the ranking, the state and the size."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgetally.top.focus import focus_lines
from edgetally.top.look import is_starting, state_of
from edgetally.top.text import NONE, change, percent, percentile, short, time_of_day

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgetally.api.answers import RankedName, RankingAnswer
    from edgetally.top.look import Reach, TopLook

Span = tuple[str, str]
"""Text and its style: `plain`, `bold`, `dim`, `bad` or `reverse`."""

Line = list[Span]

NARROW = 60
"""Columns below which a row is a name, requests and 5xx."""
WIDE = 110
"""Columns from which there is room for POPs."""
SPARK, WIDE_SPARK = 12, 30
NAME, LONG_NAME = 24, 44
"""Columns that a name has beside POPs, and at most."""
WITH_STRIP = 12
"""Lines from which there is room for five minutes."""
POP_WIDTH = 5
LATENCIES_FROM = 7
"""Columns of origins before the latency buckets."""

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " .:-=+*##"
ASCII = str.maketrans(dict(zip("▲▼↑↓←→×–≤·…" + BLOCKS, "^v^v<>x-<.~" + ASCII_BLOCKS, strict=True)) | {"⏎": "CR"})
"""For terminals without UTF-8."""

KEYS = "d omains o rigins 1-6 sort / filter ⏎ open f reeze ←→ second [ ] 10 s ? q uit"
HELP = (
    "d o        domains, origins",
    "1 … 6      order: trouble, requests, 5xx, 4xx, bytes, fetches",
    "/          filter by name",
    "↑ ↓ Enter  choose a row, open it",
    "f Space    freeze, go on",
    "← → [ ]    a second or ten back and forth",
    "Esc        back, at last to live",
    "q          quit",
)


class View(NamedTuple):
    """What the reader does beside asking: none of it reaches the server."""

    order: Sequence[str] = ()
    """The names in the order in which they are shown."""
    chosen: str = ""
    moved: int = 0
    """Rows that would move up if the order did not rest."""
    typing: str | None = None
    """The filter while it is typed."""
    shows_help: bool = False


class Column(NamedTuple):
    """A column of the table."""

    head: str
    width: int
    text: Callable[[RankingAnswer, Sequence[int]], str]


class Shape(NamedTuple):
    """What a row is made of."""

    columns: Sequence[Column]
    pops: Sequence[tuple[str, int]]
    """Names, and their positions in the ranking."""
    name_width: int
    spark_width: int


def _seconds(ranking: RankingAnswer) -> int:
    return max(1, min(ranking.window, ranking.second - ranking.since + 1))


def _value(ranking: RankingAnswer, numbers: Sequence[int], name: str) -> int:
    return numbers[ranking.columns.index(name)]


def _rate(ranking: RankingAnswer, numbers: Sequence[int]) -> str:
    return short(numbers[0] / _seconds(ranking))


def _share(name: str) -> Callable[[RankingAnswer, Sequence[int]], str]:
    return lambda ranking, numbers: percent(_value(ranking, numbers, name), numbers[0])


def _hits(ranking: RankingAnswer, numbers: Sequence[int]) -> str:
    hits, misses = _value(ranking, numbers, "hits"), _value(ranking, numbers, "misses")
    return percent(hits, hits + misses)


def _offload(ranking: RankingAnswer, numbers: Sequence[int]) -> str:
    sent, fetched = _value(ranking, numbers, "sent"), _value(ranking, numbers, "fetched")
    return percent(max(0, sent - fetched), sent)


def _bits(name: str) -> Callable[[RankingAnswer, Sequence[int]], str]:
    return lambda ranking, numbers: short(8 * _value(ranking, numbers, name) / _seconds(ranking))


def _latency(share: float) -> Callable[[RankingAnswer, Sequence[int]], str]:
    return lambda _ranking, numbers: percentile(numbers[LATENCIES_FROM:], share)


COLUMNS = {
    "domains": (
        Column("REQ/S", 7, _rate),
        Column("1MIN", 7, lambda _ranking, _numbers: ""),
        Column("5XX%", 6, _share("5xx")),
        Column("4XX%", 6, _share("4xx")),
        Column("HIT%", 6, _hits),
        Column("OFFL%", 6, _offload),
        Column("BIT/S", 7, _bits("bandwidth")),
    ),
    "origins": (
        Column("RESP/S", 7, _rate),
        Column("1MIN", 7, lambda _ranking, _numbers: ""),
        Column("5XX%", 6, _share("5xx")),
        Column("4XX%", 6, _share("4xx")),
        Column("P50", 7, _latency(0.5)),
        Column("P95", 7, _latency(0.95)),
        Column("P99", 7, _latency(0.99)),
    ),
}
NARROW_HEADS = ("REQ/S", "RESP/S", "5XX%")


def screen(
    look: TopLook,
    ranking: RankingAnswer | None,
    connection: Reach,
    view: View,
    width: int,
    height: int,
    *,
    ascii_only: bool = False,
) -> list[Line]:
    """
    Return one picture of at most `height` lines.

    Args:
        look: What was asked.
        ranking: The newest answer; None before the first.
        connection: How the server can be reached now.
        view: What the reader does.
        width: Columns of the terminal. Names give way first, numbers never.
        height: Lines of the terminal.
        ascii_only: The terminal has no UTF-8.
    """
    lines = [_head(look, ranking, connection, width)]
    if view.shows_help:
        lines += [[(one, "plain")] for one in HELP]
    elif ranking:
        lines += _picture(ranking, view, width, height - len(lines))
    lines = [_cut(line, width) for line in lines[:height]]
    if not ascii_only:
        return lines
    return [
        [(text.translate(ASCII).encode("ascii", "replace").decode(), style) for text, style in line] for line in lines
    ]


def _head(look: TopLook, ranking: RankingAnswer | None, connection: Reach, width: int) -> Line:
    state = state_of(look, ranking, connection)
    where = f" in {look.pop}" if look.pop else ""
    named = f" with {look.match!r}" if look.match else ""
    left = f" edgetally  {look.service}  {look.of} by {look.by}{where}{named}"
    right = f"{time_of_day(look.at or connection.now)} UTC  "
    # A state is in reverse video, so that it is seen without colour.
    style = "plain" if state.name == "live" else "reverse"
    room = width - len(right) - len(state.text) - 1
    return [(left[: room - 1].ljust(room) if room > 0 else "", "bold"), (right, "plain"), (state.text, style)]


def _picture(ranking: RankingAnswer, view: View, width: int, height: int) -> list[Line]:
    quiet = is_starting(ranking)
    above = [_tiles(ranking, quiet=quiet)]
    if height >= WITH_STRIP:
        above += _strip(ranking, width)
    below = _below(ranking, view, width)
    shape = _shape(ranking, width)
    room = max(1, height - len(above) - 1 - len(below))
    table = _table(ranking, view, shape, room, width)
    return [*above, _heads(ranking, shape), *table, *([[]] * (room - len(table))), *below]


def _shape(ranking: RankingAnswer, width: int) -> Shape:
    columns = _named(ranking, NARROW_HEADS) if width < NARROW else COLUMNS[ranking.of]
    spark_width = 0 if width < NARROW else WIDE_SPARK if width >= WIDE else SPARK
    left = width - 1 - sum(column.width for column in columns) - (spark_width and spark_width + 2)
    pops = _pops(ranking, (left - NAME) // POP_WIDTH) if width >= WIDE else []
    left -= POP_WIDTH * len(pops)
    return Shape(columns, pops, max(8, min(left, LONG_NAME)), spark_width)


def _heads(ranking: RankingAnswer, shape: Shape) -> Line:
    heads = " " + ranking.of[:-1].upper().ljust(shape.name_width)
    heads += "".join(column.head.rjust(column.width) for column in shape.columns)
    heads += "  " + "LAST 120 S".ljust(shape.spark_width) if shape.spark_width else ""
    heads += "".join(name[: POP_WIDTH - 1].rjust(POP_WIDTH) for name, _ in shape.pops)
    return [(heads, "dim")]


def _table(ranking: RankingAnswer, view: View, shape: Shape, room: int, width: int) -> list[Line]:
    """Return the rows that fit, the chosen one among them, and how many names there are besides."""
    quiet = is_starting(ranking)
    rows = {row.name: row for row in ranking.rows}
    names = [name for name in view.order or rows if name in rows]
    blocks: list[list[Line]] = []
    for name in names:
        block = [_row(ranking, rows[name], shape, is_chosen=name == view.chosen, quiet=quiet)]
        if ranking.focus and name == ranking.focus.name:
            block += [[(" " + text, "plain")] for text in focus_lines(ranking, width - 2)]
        blocks.append(block)
    first = 0
    if view.chosen in names:
        at = names.index(view.chosen)
        while sum(len(block) for block in blocks[first : at + 1]) > room - 1 and first < at:
            first += 1
    shown: list[Line] = []
    count = 0
    for block in blocks[first:]:
        # The last line is for what is left, unless this is the end.
        is_last = first + count + 1 == len(blocks) and not ranking.rest.names and not first
        if count and len(shown) + len(block) > room - (not is_last):
            break
        shown += block[:room]
        count += 1
    if left := ranking.rest.names + len(names) - count:
        shown = [*shown[: room - 1], [(f" {left} more", "dim")]]
    return shown


def _tiles(ranking: RankingAnswer, *, quiet: bool) -> Line:
    line: Line = []
    for column in _named(ranking, ("REQ/S", "RESP/S", "5XX%", "4XX%", "HIT%", "OFFL%", "P50", "P95", "P99", "BIT/S")):
        text = column.text(ranking, ranking.all.now)
        is_bad = column.head == "5XX%" and text not in ("0", NONE)
        changed = ""
        if not quiet and column.head in ("REQ/S", "RESP/S"):
            changed = change(ranking.all.now[0], ranking.all.before[0])
        elif not quiet and is_bad:
            changed = change(
                *(_value(ranking, part, "5xx") / (part[0] or 1) for part in (ranking.all.now, ranking.all.before))
            )
        line += [
            (f" {text}", "bad" if is_bad else "bold"),
            (f" {column.head.lower()} {changed}".rstrip() + "  ", "plain"),
        ]
    return line


def _named(ranking: RankingAnswer, heads: Sequence[str]) -> list[Column]:
    return [column for column in COLUMNS[ranking.of] if column.head in heads]


def _strip(ranking: RankingAnswer, width: int) -> list[Line]:
    """Draw five minutes: all requests, and the 5xx among them, each by its own largest."""
    series = ranking.all.series
    room = width - 2
    return [
        [(" " + spark(series[ranking.columns[0]], room), "plain")],
        [(" " + spark(series["5xx"], room), "bad")],
    ]


def spark(values: Sequence[int | None], width: int) -> str:
    """Draw numbers as blocks, the largest of several in one; nothing where nothing came or is known."""
    step = max(1, -(-len(values) // max(1, width)))
    largest = [max((one or 0) for one in values[i : i + step]) for i in range(0, len(values), step)]
    most = max(largest, default=0) or 1
    return "".join(BLOCKS[-(-8 * one // most)] for one in largest).rjust(width)


def _pops(ranking: RankingAnswer, most: int) -> list[tuple[str, int]]:
    """Return the POPs that have a column, and their positions: the busiest, in alphabetical order."""
    busiest = sorted(range(len(ranking.pops)), key=lambda i: -ranking.pops[i].now[0])[: max(0, most)]
    return sorted((ranking.pops[i].name, i) for i in busiest)


def _row(ranking: RankingAnswer, row: RankedName, shape: Shape, *, is_chosen: bool, quiet: bool) -> Line:
    columns, pops, name_width, spark_width = shape
    name = row.name if len(row.name) <= name_width else row.name[: name_width - 1] + "…"
    line: Line = [((">" if is_chosen else " ") + name.ljust(name_width), "reverse" if is_chosen else "plain")]
    for column in columns:
        text = column.text(ranking, row.now)
        if column.head == "1MIN" and not quiet:
            text = "silent" if row.silent else change(row.now[0], row.before[0])
        is_bad = column.head == "5XX%" and text not in ("0", NONE)
        line.append((text.rjust(column.width), "bad" if is_bad else "plain"))
    if spark_width:
        series = row.series[ranking.columns[0]]
        line.append(("  " + spark(series, spark_width), "plain"))
    for _, i in pops:
        requests, failed = row.pops[i]
        text = percent(failed, requests) if failed else "-" if requests else "·"
        line.append((text.rjust(POP_WIDTH), "bad" if failed else "plain"))
    return line


def _below(ranking: RankingAnswer, view: View, width: int) -> list[Line]:
    rejected = "" if not isinstance(ranking.rejected, int) else f"  rejected {ranking.rejected}"
    said = f" {ranking.window} s against a minute before  late {ranking.late}{rejected}"
    said += f"  _other {ranking.other}  _invalid {ranking.invalid}"
    if view.moved:
        said += f"  {view.moved} moved up"
    keys = KEYS if view.typing is None else f"filter: {view.typing}▁  (Enter, Esc)"
    if width < NARROW:
        keys = keys if view.typing is not None else "? keys  q quit"
    return [[(said, "dim")], [(" " + keys, "reverse" if view.typing is not None else "dim")]]


def _cut(line: Line, width: int) -> Line:
    """Cut a line at the width of the terminal."""
    cut: Line = []
    for text, style in line:
        if width <= 0:
            break
        cut.append((text[:width], style))
        width -= len(text)
    return cut
