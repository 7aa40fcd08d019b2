"""What is looked at, and in which state the picture is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlencode

from edgetally.top.text import duration

if TYPE_CHECKING:
    from edgetally.api.ranking_answer import RankingAnswer

ORDERS = {
    "domains": ("trouble", "requests", "5xx", "4xx", "bandwidth", "fetches"),
    "origins": ("trouble", "responses", "5xx", "4xx", "bytes"),
}
"""What keys 1 to 6 order by."""

STARTING = 70
"""Steps after the start for which there is no minute before to compare with."""

STEPS = 10
"""`now` in a ranking is the sum of so many seconds, minutes, hours or days."""

STALE = 3
"""A second is late if it is not there so many seconds after it was due."""


class TopLook(NamedTuple):
    """A question that the server answers with a ranking."""

    service: str
    of: str = "domains"
    by: str = "trouble"
    pop: str = ""
    match: str = ""
    focus: str = ""
    at: int = 0
    """A Unix second; 0 for the newest."""
    rows: int = 40

    @property
    def path(self) -> str:
        """The path and query of the ranking."""
        given = {name: value for name, value in self._asdict().items() if name != "service" and value not in ("", 0)}
        return f"/top/{quote(self.service, safe='')}?{urlencode(given)}"

    def switched(self, of: str) -> TopLook:
        """Look at the other dataset, whose names are others."""
        by = self.by if self.by in ORDERS[of] else "trouble"
        return self._replace(of=of, by=by, focus="")


class Reach(NamedTuple):
    """How the server can be reached, in Unix seconds by its own clock."""

    now: float
    lost_at: float = 0
    """Since when it does not answer; 0: it does."""
    retry_at: float = 0
    problem: str = ""
    """Why there is no picture, if trying again does not help."""


class State(NamedTuple):
    """In which state the picture is."""

    name: str
    text: str

    @property
    def is_calm(self) -> bool:
        """Whether the picture is what it should be."""
        return self.name in {"live", "starting", "idle"}


def state_of(look: TopLook, ranking: RankingAnswer | None, connection: Reach) -> State:
    """Return the state, in the words of the page."""
    if connection.problem:
        return State("refused", connection.problem)
    if connection.lost_at:
        again = connection.retry_at - connection.now
        then = f"again in {duration(again)}" if again > 0 else "trying again"
        return State("offline", f"no connection for {duration(connection.now - connection.lost_at)}, {then}")
    if not ranking:
        return State("connecting", "connecting")
    if look.at:
        return State("frozen", f"frozen, {duration(connection.now - look.at)} ago")
    behind = connection.now - ranking.second - ranking.aggregate_delay
    if behind > STALE:
        return State("stale", f"stands still for {duration(behind)}")
    if is_starting(ranking):
        return State("starting", "starting")
    idle = idle_for(ranking)
    return State("idle", f"no requests for {duration(idle)}") if idle >= ranking.window else State("live", "live")


def unit(ranking: RankingAnswer) -> int:
    """Return the seconds of one step of the series: an old second is answered by its minute, or a longer step."""
    return ranking.window // STEPS


def is_starting(ranking: RankingAnswer) -> bool:
    """Return whether there is no minute before to compare with, so that no change is shown."""
    if ranking.second - ranking.since < STARTING * unit(ranking):
        return True
    values = ranking.all.series[ranking.columns[0]]
    end = len(values) - ranking.ago // unit(ranking)
    return None in (*values[-STEPS:], *values[max(0, end - STEPS) : max(0, end)])


def known_seconds(ranking: RankingAnswer) -> int:
    """Return the seconds that are known of `now`, at least 1: rates are sums divided by them."""
    return max(1, ranking.known.now)


def idle_for(ranking: RankingAnswer) -> int:
    """Return for how many seconds there were no requests, as far as is known."""
    values = ranking.all.series[ranking.columns[0]]
    known = [one for one in values if one is not None]
    return next((i for i, one in enumerate(reversed(known)) if one), len(known))


def arranged(shown: list[str], ranked: list[str], *, rests: bool) -> tuple[list[str], list[str]]:
    """
    Return the order in which rows are shown, and which would move up.

    While the order rests, rows keep their position and new ones come last.
    """
    if not rests:
        return ranked, []
    kept = [name for name in shown if name in ranked]
    order = kept + [name for name in ranked if name not in kept]
    return order, [name for i, name in enumerate(ranked) if order.index(name) > i]
