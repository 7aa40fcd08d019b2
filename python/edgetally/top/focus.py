"""Everything of one name, in a few lines."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from msgspec import UNSET

from edgetally.top.look import known_seconds
from edgetally.top.text import LATENCY_ENDS, NONE, percent, short
from edgetally.top.trouble import since

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgetally.api.ranking_answer import RankingAnswer

CODE = re.compile(r"(all_|compute_resp_|origin_|compute_origin_)?status_(\d{3})")


def focus_lines(ranking: RankingAnswer, width: int) -> list[str]:
    """Return what the answer says of the focus, wrapped to `width` columns."""
    focus = ranking.focus
    if not focus:
        return []
    began = since(ranking, focus.series)
    parts = [f"5xx    {began} UTC"] if began else []
    parts += [
        "codes  " + _codes(focus.now, ranking.of),
        "POPs   " + "   ".join(f"{pop.name} {_rates(ranking, pop.now)}" for pop in focus.pops),
    ]
    if ranking.of == "origins":
        parts.append("times  " + _latencies(focus.now))
        if focus.addresses is not UNSET:
            parts.append("from   " + "   ".join(f"{one.name} {_rates(ranking, one.now)}" for one in focus.addresses))
    lines = []
    for part in parts:
        # A name stays on the line of its numbers.
        together = re.sub(r"(?<! ) (?! )", "\u00a0", part)
        wrapped = textwrap.wrap(together, max(20, width), initial_indent="  ", subsequent_indent=" " * 9)
        lines += [line.replace("\u00a0", " ") for line in wrapped]
    return lines


def _codes(fields: Mapping[str, int | float], of: str) -> str:
    found = []
    for name, value in fields.items():
        if (match := CODE.fullmatch(name)) and (of == "domains" or match[1] == "all_"):
            origin = "origin " if "origin" in (match[1] or "") else ""
            found.append((origin, match[2], f"{origin}{match[2]} {value}"))
    said = [text for _, _, text in sorted(found)]
    if unanswered := _unanswered(fields):
        said.append(f"fetches unanswered {unanswered}")
    return "   ".join(said) or "none"


def _unanswered(fields: Mapping[str, int | float]) -> int | float:
    """Return how many fetches have no response; 0 for origins, which have no such field."""
    fetches = sum(fields.get(name, 0) for name in ("origin_fetches", "compute_bereqs"))
    answered = sum(fields.get(f"{prefix}origin_status_{n}xx", 0) for prefix in ("", "compute_") for n in range(1, 6))
    return max(0, fetches - answered)


def _rates(ranking: RankingAnswer, fields: Mapping[str, int | float]) -> str:
    prefix, whole = ("", "requests") if ranking.of == "domains" else ("all_", "responses")
    all_of = fields.get(f"{prefix}{whole}", 0) + (fields.get("compute_request", 0) if not prefix else 0)
    failed = fields.get(f"{prefix}status_5xx", 0) + (fields.get("compute_resp_status_5xx", 0) if not prefix else 0)
    return f"{short(all_of / known_seconds(ranking))}/s {percent(failed, all_of)}%" if all_of else NONE


def _latencies(fields: Mapping[str, int | float]) -> str:
    ends = {_bucket(name): value for name, value in fields.items() if name.startswith("all_latency_")}
    shown = [f"≤{end} {ends[end]}" for end in LATENCY_ENDS if end in ends]
    if "more" in ends:
        shown.append(f">{LATENCY_ENDS[-1]} {ends['more']}")
    return "   ".join(shown) or "none"


def _bucket(name: str) -> str:
    """Return the end of a latency bucket as in LATENCY_ENDS; `more` for the last, which has none."""
    _, _, end = name.rpartition("_to_")
    if end == name:
        return "more"
    return f"{int(end[:-2]) // 1000}s" if end.endswith("000ms") else end
