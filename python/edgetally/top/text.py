"""Numbers as text: three digits and a unit, and honest at both ends. The page's format.js writes them alike."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate

UNITS = ("", "k", "M", "G", "T", "P")
NONE = "–"

LATENCY_ENDS = ("1ms", "5ms", "10ms", "50ms", "100ms", "250ms", "500ms", "1s", "5s", "10s", "60s")
"""The upper ends of the latency buckets. The last bucket has none."""


def short(value: float) -> str:
    """Write a number that is not negative with three digits: 37.1, 125, 1.15k."""
    if value == 0:
        return "0"
    if value < 0.01:  # noqa: PLR2004 - less has no digit to show
        return "<0.01"
    unit = 0
    while unit < len(UNITS) - 1 and float(f"{value:.3g}") >= 1000:  # noqa: PLR2004
        value /= 1000
        unit += 1
    if value < 0.995:  # noqa: PLR2004 - a third digit would be a third decimal place
        return f"{value:.2f}"
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0  # noqa: PLR2004
    return f"{value:.{decimals}f}{UNITS[unit]}"


def percent(part: float, whole: float) -> str:
    """Write a share in per cent. It is 0 only if nothing is, and 100 only if all is."""
    if whole <= 0:
        return NONE
    if part <= 0:
        return "0"
    if part >= whole:
        return "100"
    share = 100 * part / whole
    if share < 0.1:  # noqa: PLR2004 - one decimal place
        return "<0.1"
    if share > 99.9:  # noqa: PLR2004
        return ">99.9"
    return f"{share:.1f}" if share < 9.95 or share >= 99.5 else f"{share:.0f}"  # noqa: PLR2004 - two digits


def change(now: float, before: float) -> str:
    """Write how a sum changed: ▼22%, ▲16%, ×9.0, new, gone; empty below 10 %."""
    if before == 0 or now == 0:
        return "" if now == before else "new" if now else "gone"
    ratio = now / before
    if ratio >= 2:  # noqa: PLR2004 - from twice on, factors are easier to read
        return f"×{short(ratio)}" if ratio >= 10 else f"×{ratio:.1f}"  # noqa: PLR2004
    if ratio >= 1.1:  # noqa: PLR2004 - less is noise
        return f"▲{100 * (ratio - 1):.0f}%"
    return f"▼{percent(before - now, before)}%" if ratio <= 0.9 else ""  # noqa: PLR2004


def percentile(buckets: Sequence[int], share: float) -> str:
    """Write the bucket in which a percentile lies. More is not known."""
    wanted = sum(buckets) * share
    if not wanted:
        return NONE
    index = next(i for i, below in enumerate(accumulate(buckets)) if below >= wanted)
    return f"≤{LATENCY_ENDS[index]}" if index < len(LATENCY_ENDS) else f">{LATENCY_ENDS[-1]}"


def duration(seconds: float) -> str:
    """Write a stretch of time: 41 s, 2 min 10 s, 3 h 5 min."""
    minutes, left = divmod(max(0, round(seconds)), 60)
    if not minutes:
        return f"{left} s"
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def time_of_day(second: float) -> str:
    """Write a Unix second as a time of day in UTC."""
    return datetime.fromtimestamp(second, UTC).strftime("%H:%M:%S")
