"""
Draws the curves of `results.txt` as one SVG, without anything but the standard library.

    .venv/bin/python -m benchmarks.growth.plot     # writes docs/images/growth.svg
"""

import math
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).with_name("results.txt")
IMAGE = Path(__file__).parents[2] / "docs/images/growth.svg"

WIDTH, HEIGHT = 300, 210
"""Of a panel."""

LEFT, RIGHT, TOP, BOTTOM = 46, 12, 30, 34
COLUMNS = 2
COLORS = ("#0b6e99", "#c2410c", "#4d7c0f")

Point = tuple[float, float]


class Panel(NamedTuple):
    """What is drawn of one curve."""

    curve: str
    title: str
    across: str
    is_log: bool
    """Whether each step to the right is a multiple."""


PANELS = (
    Panel("domains", "CPU µs per line", "domains per second", is_log=True),
    Panel("pops", "CPU µs per line", "POPs, 1,000 domains in each", is_log=True),
    Panel("services", "CPU µs per line", "services, 10,000 domains in all", is_log=True),
    Panel("connections", "CPU µs per line", "connections that push, 100,000 lines/s", is_log=True),
    Panel("readers", "CPU ms per second", "readers of entries", is_log=False),
    Panel("history", "ms per question", "days in the history, one domain", is_log=False),
)


def read(text: str) -> dict[str, dict[str, list[Point]]]:
    """Return the points of each line of each curve."""
    found: dict[str, dict[str, list[Point]]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            curve, name, x, y = line.split("\t")
            found.setdefault(curve, {}).setdefault(name, []).append((float(x), float(y)))
    return found


def image(results: dict[str, dict[str, list[Point]]]) -> str:
    """Draw all panels."""
    drawn = [panel for panel in PANELS if panel.curve in results]
    rows = -(-len(drawn) // COLUMNS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {COLUMNS * WIDTH} {rows * HEIGHT}">',
        '<g font-family="sans-serif" font-size="10">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for number, panel in enumerate(drawn):
        row, column = divmod(number, COLUMNS)
        parts.append(f'<g transform="translate({column * WIDTH} {row * HEIGHT})">')
        parts += draw(panel, results[panel.curve])
        parts.append("</g>")
    return "\n".join([*parts, "</g>", "</svg>\n"])


def draw(panel: Panel, lines: dict[str, list[Point]]) -> Iterator[str]:
    """Draw one panel: its axes, its lines, and their names."""
    points = [point for line in lines.values() for point in line]
    most = top(max(y for _, y in points))
    xs = sorted({x for x, _ in points})

    def across(x: float) -> float:
        scale = math.log if panel.is_log else float
        share = (scale(x) - scale(xs[0])) / (scale(xs[-1]) - scale(xs[0]))
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - y / most * (HEIGHT - TOP - BOTTOM)

    yield f'<text x="{LEFT}" y="14" font-weight="bold">{escape(panel.title)}</text>'
    yield f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{escape(panel.across)}</text>'
    for part in range(5):
        y = most * part / 4
        yield f'<path d="M{LEFT} {up(y):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 5}" y="{up(y) + 3:.1f}" text-anchor="end">{short(y)}</text>'
    last = -math.inf
    for x in xs:
        if across(x) - last >= 24:  # about as wide as a number is
            last = across(x)
            yield f'<text x="{last:.1f}" y="{HEIGHT - BOTTOM + 13}" text-anchor="middle">{short(x)}</text>'
    for number, ((name, line), color) in enumerate(zip(lines.items(), COLORS, strict=False)):
        path = "L".join(f"{across(x):.1f} {up(y):.1f}" for x, y in line)
        yield f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="1.5"/>'
        for x, y in line:
            yield f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="2" fill="{color}"/>'
        yield f'<text x="{LEFT + 8}" y="{TOP + 10 + 12 * number}" fill="{color}">{escape(name)}</text>'


def top(most: float) -> float:
    """Return the number at the end of an axis: 1, 2, 4 or 8 times a power of ten, not below `most`, with some air."""
    power: float = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 4, 8, 10, 20) if step * power >= 1.15 * most)


def short(x: float) -> str:
    """Write a number as people do."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if x >= size:
            return f"{x / size:.3g}{letter}"
    return f"{x:.3g}"


def main() -> None:
    """Write the image."""
    IMAGE.write_text(image(read(RESULTS.read_text())))


if __name__ == "__main__":
    main()
