"""One picture, as lines of styled text: a pure function of the ranking, the state and the size."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgetally.top.columns import COLUMNS, TILES, Column, value_of
from edgetally.top.focus import focus_lines
from edgetally.top.look import ORDERS, is_starting, state_of, unit
from edgetally.top.text import change, percent, short, time_of_day
from edgetally.top.trouble import pops_by_trouble, silent_since, since

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgetally.api.ranking_answer import RankedName, RankingAnswer
    from edgetally.top.look import Reach, TopLook

Span = tuple[str, str]
"""Text and its style: `plain`, `bold`, `dim`, `bad` or `reverse`."""

Line = list[Span]

NARROW = 60
"""Columns below which a row is a name, requests and 5xx."""
WIDE = 110
"""Columns from which there is room for POPs."""
SPARK, WIDE_SPARK = 12, 30
SHORT_NAME, NAME, LONG_NAME = 16, 24, 44
"""Columns that a name has at least beside the last two minutes, and beside POPs, and at most."""
WITH_STRIP = 12
"""Lines from which there is room for five minutes."""
LEGEND = 26
"""Columns to the left of five minutes that say what they are."""
TIME = 9
"""Columns of the time since which a row is in trouble."""
LEAST_SPARK = 6
POP_WIDTH = 5

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " .:-=+*##"
ASCII = str.maketrans(dict(zip("▲▼↑↓←→×–≤·…" + BLOCKS, "^v^v<>x-<.~" + ASCII_BLOCKS, strict=True)) | {"⏎": "CR"})
"""For terminals without UTF-8."""


class View(NamedTuple):
    """What the reader does beside asking: none of it reaches the server."""

    order: Sequence[str] = ()
    """The names in the order in which they are shown."""
    chosen: str = ""
    moved: int = 0
    """Rows in trouble that would move up if the order did not rest."""
    pops: Sequence[str] = ()
    """The POPs, those first that have a column first."""
    typing: str | None = None
    """The filter while it is typed."""
    shows_help: bool = False


class Shape(NamedTuple):
    """What a row is made of."""

    columns: Sequence[Column]
    pops: Sequence[tuple[str, int]]
    """Names, and their positions in the ranking."""
    name_width: int
    spark_width: int


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
        lines += [[(one, "plain")] for one in _help(look.of)]
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
    above = [_tiles(ranking, TILES[ranking.of][0], quiet=quiet)]
    if height >= WITH_STRIP:
        above += [_tiles(ranking, TILES[ranking.of][1], quiet=quiet), *_strip(ranking, width)]
    below = _below(ranking, view, width)
    shape = _shape(ranking, view, width)
    room = max(1, height - len(above) - 1 - len(below))
    table = _table(ranking, view, shape, room, width)
    return [*above, _heads(ranking, shape), *table, *([[]] * (room - len(table))), *below]


def _shape(ranking: RankingAnswer, view: View, width: int) -> Shape:
    columns: Sequence[Column] = COLUMNS[ranking.of]
    if width < NARROW:
        columns = tuple(column for column in columns if column.head in NARROW_HEADS)
    left = width - 1 - sum(column.width for column in columns)
    spark_width = WIDE_SPARK if width >= WIDE else SPARK if left - SPARK - 2 >= SHORT_NAME and width >= NARROW else 0
    left -= spark_width and spark_width + 2
    pops = _pops(ranking, view, (left - NAME) // POP_WIDTH) if width >= WIDE else []
    left -= POP_WIDTH * len(pops)
    return Shape(columns, pops, max(8, min(left, LONG_NAME)), spark_width)


def _heads(ranking: RankingAnswer, shape: Shape) -> Line:
    heads = " " + ranking.of[:-1].upper().ljust(shape.name_width)
    heads += "".join(column.head.rjust(column.width) for column in shape.columns)
    heads += "  " + "SINCE, 2 MIN".ljust(shape.spark_width) if shape.spark_width else ""
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


def _tiles(ranking: RankingAnswer, columns: Sequence[Column], *, quiet: bool) -> Line:
    line: Line = []
    now, before = ranking.all.now, ranking.all.before
    for column in columns:
        is_bad = column.is_bad(ranking, now)
        changed = ""
        if not quiet and column.head in ("REQ/S", "RESP/S"):
            changed = change(now[0], before[0])
        elif not quiet and column.head == "5XX%" and is_bad:
            changed = change(*(value_of(ranking, part, "5xx") / (part[0] or 1) for part in (now, before)))
        line += [
            (f" {column.text(ranking, now)}", "bad" if is_bad else "bold"),
            (f" {column.head.lower()} {changed}".rstrip() + "  ", "plain"),
        ]
    return line


def _strip(ranking: RankingAnswer, width: int) -> list[Line]:
    """Draw five minutes: all requests, and the 5xx among them, each by its own largest."""
    requests, failed = ranking.all.series[ranking.columns[0]], ranking.all.series["5xx"]
    began = since(ranking, ranking.all.series)
    most = max((one or 0 for one in requests), default=0)
    legend = LEGEND if width >= NARROW else 0
    room = width - 2 - legend
    return [
        [
            (f" at most {short(most / unit(ranking))}/s".ljust(legend)[:legend], "dim"),
            (" " + spark(requests, room), "plain"),
        ],
        [(f" 5xx {began}".ljust(legend)[:legend], "bad" if began else "dim"), (" " + spark(failed, room), "bad")],
    ]


def spark(values: Sequence[int | None], width: int) -> str:
    """Draw numbers as blocks, the largest of several in one; nothing where nothing came or is known."""
    step = max(1, -(-len(values) // max(1, width)))
    largest = [max((one or 0) for one in values[i : i + step]) for i in range(0, len(values), step)]
    most = max(largest, default=0) or 1
    return "".join(BLOCKS[-(-8 * one // most)] for one in largest).rjust(width)


def _pops(ranking: RankingAnswer, view: View, most: int) -> list[tuple[str, int]]:
    """Return the POPs that have a column, and their positions, in alphabetical order."""
    positions = {pop.name: i for i, pop in enumerate(ranking.pops)}
    first = [name for name in view.pops or pops_by_trouble(ranking) if name in positions][: max(0, most)]
    return sorted((name, positions[name]) for name in first)


def _row(ranking: RankingAnswer, row: RankedName, shape: Shape, *, is_chosen: bool, quiet: bool) -> Line:
    columns, pops, name_width, spark_width = shape
    name = row.name if len(row.name) <= name_width else row.name[: name_width - 1] + "…"
    line: Line = [((">" if is_chosen else " ") + name.ljust(name_width), "reverse" if is_chosen else "plain")]
    for column in columns:
        text = column.text(ranking, row.now)
        if column.head == "1MIN" and not quiet:
            text = "silent" if row.silent else change(row.now[0], row.before[0])
        line.append((text.rjust(column.width), "bad" if column.is_bad(ranking, row.now) else "plain"))
    if spark_width:
        line += _recently(ranking, row, spark_width, quiet=quiet)
    for _, i in pops:
        requests, failed = row.pops[i]
        text = percent(failed, requests) if failed else "-" if requests else "·"
        line.append((text.rjust(POP_WIDTH), "bad" if failed else "plain"))
    return line


def _recently(ranking: RankingAnswer, row: RankedName, width: int, *, quiet: bool) -> Line:
    """Draw two minutes of a row; of one in trouble, first the time since when."""
    series = row.series[ranking.columns[0]]
    if row.silent and not quiet:
        began = silent_since(ranking, series)
    else:
        began = since(ranking, row.series).replace("since ", "").replace("before ", "<")
    if not began:
        return [("  " + spark(series, width), "plain")]
    left = width - TIME - 1
    drawn = spark(series, left) if left >= LEAST_SPARK else " " * left
    return [("  " + began.ljust(TIME), "bad"), (" " + drawn, "plain")]


def _below(ranking: RankingAnswer, view: View, width: int) -> list[Line]:
    moved = f" {view.moved} moved up " if view.moved else ""
    said = f" last {ranking.window} s: late {ranking.late}  _other {ranking.other}  _invalid {ranking.invalid}"
    if isinstance(ranking.rejected, int):
        said += f"   all rejected since the start: {ranking.rejected}"
    if view.typing is not None:
        keys, style = f" filter: {view.typing}▁  (Enter, Esc)", "reverse"
    else:
        keys, style = (" ? keys  q quit" if width < NARROW else _keys(ranking.of)), "dim"
    return [[(moved, "bold"), (said, "dim")], [(keys, style)]]


def _keys(of: str) -> str:
    return f" d omains o rigins 1-{len(ORDERS[of])} sort / filter ⏎ open f reeze ←→ second [ ] 10 s ? q uit"


def _help(of: str) -> Sequence[str]:
    return (
        "d o        domains, origins",
        f"1 … {len(ORDERS[of])}      order: {', '.join(ORDERS[of])}",
        "/          filter by name",
        "↑ ↓ Enter  choose a row, open it",
        "f Space    freeze, go on",
        "← → [ ]    a second or ten back and forth",
        "Esc        a step back, finally to live",
        "q          quit",
        "",
        "1MIN       against a minute before",
        "SINCE      since when a row has 5xx, or is silent",
    )


def _cut(line: Line, width: int) -> Line:
    """Cut a line at the width of the terminal."""
    cut: Line = []
    for text, style in line:
        if width <= 0:
            break
        cut.append((text[:width], style))
        width -= len(text)
    return cut
