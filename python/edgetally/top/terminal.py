"""The picture in a terminal, with curses: keys, pictures and the size are events of one loop."""

from __future__ import annotations

import curses
import locale
import os
import select
import sys
from typing import TYPE_CHECKING

from edgetally.top.feed import Feed
from edgetally.top.look import ORDERS, Reach, arranged
from edgetally.top.screen import View, screen
from edgetally.top.server import clock
from edgetally.top.trouble import pops_by_trouble, risen

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgetally.api.ranking_answer import RankingAnswer
    from edgetally.top.feed import FeedEvent
    from edgetally.top.look import TopLook
    from edgetally.top.server import RemoteServer

SORT_EVERY = 5
"""Seconds after which rows are sorted anew."""

TICK = 0.5
"""Seconds after which the clock is drawn anew."""

ESCAPE_DELAY = 25
"""Milliseconds after which Esc is a key, not the start of a sequence."""


class Terminal:
    """What is looked at, and how it is drawn."""

    def __init__(self, window: curses.window, server: RemoteServer, look: TopLook) -> None:
        self._window = window
        self._look = look
        self._server = server
        self._feed = Feed(server)
        self._ranking: RankingAnswer | None = None
        self._ahead = 0.0
        self._lost_at = self._retry_at = 0.0
        self._problem = ""
        self._view = View()
        self._sorted_at = 0.0
        self._pops_of: tuple[TopLook | None, int] = (None, 0)
        """The question and the second at which POPs were chosen."""
        # Not `getpreferredencoding`: in the C locale, Python itself uses UTF-8, but the terminal does not.
        self._ascii_only = "utf" not in locale.nl_langinfo(locale.CODESET).lower()
        self._styles = _styles()

    def run(self) -> None:
        """Draw until the reader quits."""
        self._window.nodelay(True)  # noqa: FBT003 - curses takes it by position
        self._window.keypad(True)  # noqa: FBT003
        self._feed.ask(self._look)
        is_over = False
        while not is_over:
            self._draw()
            select.select([sys.stdin, self._feed.readable], [], [], TICK)
            for event in self._feed.taken():
                self._take(event)
            while (key := _key(self._window)) and not is_over:
                is_over = self._press(key)
        self._feed.stop()

    def _take(self, event: FeedEvent) -> None:
        if event.look != self._look:
            return
        if event.ranking:
            if not self._look.at:
                # Of a picture that stands still, the timestamp does, too.
                self._ahead = max(event.ranking.timestamp - clock(), self._server.ahead)
            self._ranking = event.ranking
            self._lost_at = self._retry_at = 0.0
            self._problem = ""
            self._arrange(event.ranking)
            self._choose_pops(event.ranking)
        elif event.retry_in:
            self._lost_at = self._lost_at or clock()
            self._retry_at = clock() + event.retry_in
        else:
            self._problem = event.problem

    def _arrange(self, ranking: RankingAnswer) -> None:
        ranked = [row.name for row in ranking.rows]
        is_held = bool(self._view.chosen or self._look.focus or self._look.at)
        rests = bool(self._view.order) and (is_held or clock() - self._sorted_at < SORT_EVERY)
        order, up = arranged([*self._view.order], ranked, rests=rests)
        if not rests:
            self._sorted_at = clock()
        self._view = self._view._replace(order=order, moved=risen(ranking, up) if is_held else 0)

    def _choose_pops(self, ranking: RankingAnswer) -> None:
        """Choose the POPs that have a column. They rest, so that columns do not jump."""
        look, second = self._pops_of
        if look != self._look or ranking.second >= second + SORT_EVERY:
            self._pops_of = (self._look, ranking.second)
            self._view = self._view._replace(pops=pops_by_trouble(ranking))

    def _draw(self) -> None:
        height, width = self._window.getmaxyx()
        connection = Reach(
            now=clock() + self._ahead,
            lost_at=self._lost_at and self._lost_at + self._ahead,
            retry_at=self._retry_at + self._ahead,
            problem=self._problem,
        )
        lines = screen(self._look, self._ranking, connection, self._view, width, height, ascii_only=self._ascii_only)
        self._window.erase()
        for y, line in enumerate(lines):
            x = 0
            for text, style in line:
                # Writing to the last cell moves the cursor off the screen, which curses calls an error.
                room = width - x - (y == height - 1)
                if room > 0 and text:
                    self._window.addstr(y, x, text[:room], self._styles[style])
                x += len(text)
        self._window.refresh()

    def _go(self, look: TopLook) -> None:
        if look == self._look:
            return
        if look[:3] != self._look[:3]:
            self._view = View()
        self._look = look
        self._problem = ""
        self._feed.ask(look)

    def _press(self, key: str) -> bool:
        """Do what a key asks for; return whether it is to quit."""
        if self._view.typing is not None:
            self._type(key, self._view.typing)
            return False
        if self._view.shows_help:
            self._view = self._view._replace(shows_help=False)
            return False
        if key in ("q", "KEY_EXIT"):
            return True
        if key in "123456":
            orders = dict(enumerate(ORDERS[self._look.of], 1))
            self._go(self._look._replace(by=orders.get(int(key), self._look.by)))
        elif action := self._actions().get(key):
            action()
        return False

    def _actions(self) -> dict[str, Callable[[], None]]:
        look = self._look
        return {
            "d": lambda: self._go(look.switched("domains")),
            "o": lambda: self._go(look.switched("origins")),
            "f": self._freeze,
            " ": self._freeze,
            "KEY_LEFT": lambda: self._scrub(-1),
            "KEY_RIGHT": lambda: self._scrub(1),
            "[": lambda: self._scrub(-10),
            "]": lambda: self._scrub(10),
            "KEY_UP": lambda: self._choose(-1),
            "KEY_DOWN": lambda: self._choose(1),
            "\n": self._open,
            "KEY_ENTER": self._open,
            "/": lambda: self._show(typing=look.match),
            "?": lambda: self._show(shows_help=True),
            "\x1b": self._back,
        }

    def _show(self, **change: object) -> None:
        self._view = self._view._replace(**change)  # type: ignore[arg-type]

    def _type(self, key: str, typed: str) -> None:
        if key in ("\n", "KEY_ENTER"):
            self._show(typing=None)
            self._go(self._look._replace(match=typed))
        elif key == "\x1b":
            self._show(typing=None)
        elif key in ("KEY_BACKSPACE", "\x7f", "\b"):
            self._show(typing=typed[:-1])
        elif len(key) == 1 and key.isprintable():
            self._show(typing=typed + key)

    def _freeze(self) -> None:
        if self._ranking:
            self._go(self._look._replace(at=0 if self._look.at else self._ranking.second))

    def _scrub(self, seconds: int) -> None:
        if not self._ranking:
            return
        at = (self._look.at or self._ranking.second) + seconds
        newest = int(clock() + self._ahead) - self._ranking.aggregate_delay
        self._go(self._look._replace(at=0 if at >= newest else at))

    def _choose(self, step: int) -> None:
        order = [*self._view.order]
        if order:
            at = order.index(self._view.chosen) + step if self._view.chosen in order else 0
            self._show(chosen=order[max(0, min(len(order) - 1, at))])

    def _open(self) -> None:
        name = self._view.chosen
        if name:
            self._go(self._look._replace(focus="" if self._look.focus == name else name))

    def _back(self) -> None:
        look = self._look
        if look.focus:
            self._go(look._replace(focus=""))
        elif self._view.chosen:
            self._show(chosen="")
        elif look.match:
            self._go(look._replace(match=""))
        elif look.at:
            self._go(look._replace(at=0))
        else:
            self._go(look._replace(pop=""))


def show(server: RemoteServer, look: TopLook) -> None:
    """Take over the terminal until the reader quits."""
    os.environ.setdefault("ESCDELAY", str(ESCAPE_DELAY))
    locale.setlocale(locale.LC_ALL, "")
    curses.wrapper(lambda window: Terminal(window, server, look).run())


def _key(window: curses.window) -> str:
    """Return the next key, or nothing."""
    try:
        key = window.get_wch()
    except curses.error:
        return ""
    return key if isinstance(key, str) else curses.keyname(key).decode()


def _styles() -> dict[str, int]:
    """Return the attributes of each style: without colour they still differ where they matter."""
    bad = curses.A_BOLD
    if curses.has_colors() and not os.environ.get("NO_COLOR"):
        curses.use_default_colors()
        curses.init_pair(1, curses.COLOR_RED, -1)
        bad |= curses.color_pair(1)
    curses.curs_set(0)
    return {
        "plain": curses.A_NORMAL,
        "bold": curses.A_BOLD,
        "dim": curses.A_DIM,
        "bad": bad,
        "reverse": curses.A_REVERSE,
    }
