"""The minute that is not over."""

from typing import TYPE_CHECKING

from edgetally.history.tiers import MINUTE, MINUTES

if TYPE_CHECKING:
    from edgetally import _core


class OpenMinute:
    """The minute that is not over, or what is left of it, of all services."""

    def __init__(self, first: int, second: int) -> None:
        """Start with `second`. `first` is the first second that is in no minute before."""
        self.first = first
        self.minute = MINUTES.window_of(second)
        self.next = second
        """The first second that was not given yet."""
        self.known: list[tuple[int, int]] = []
        """The seconds of which everything is known."""
        self.rollups: dict[str, _core.Rollup] = {}
        """By service."""
        self.seconds: dict[str, int] = {}
        """How many seconds the rollups have."""
        self.made: dict[str, tuple[int, dict[str, bytes]]] = {}
        """Rows for readers, and of how many seconds they are."""

    @property
    def end(self) -> int:
        """The first second behind it."""
        return self.minute + MINUTE

    def reach(self, second: int, known_from: int) -> None:
        """Note that every second before `second` was given. Of those from `known_from` on, everything is known."""
        first, self.next = max(self.next, known_from), max(self.next, second)
        if first < self.next:
            if self.known and self.known[-1][1] == first:
                first = self.known.pop()[0]
            self.known.append((first, self.next))

    def skip(self, minute: int, known_from: int) -> None:
        """Go on with a later minute: there was nothing until then."""
        self.reach(minute, known_from)
        self.minute = minute
