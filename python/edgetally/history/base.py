"""What the engines of history have in common."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from edgetally.history.question import HistoryAnswer, HistoryQuestion
from edgetally.history.tiers import LAST_SECOND
from edgetally.window.ranking import Question


class ServiceMinute(msgspec.Struct, frozen=True):
    """What one service did in one minute, or in a part of it."""

    service_id: str
    minute: int
    rows: dict[str, bytes]
    """By dataset, as `_core.Rollup` makes them."""


class RecordedBatch(NamedTuple):
    """What one journal adds to history: all of it, or nothing."""

    journal: str
    """The id of the journal."""
    first: int
    """The first second of the journal that the batch may have."""
    until: int
    """The first second that it has not."""
    minutes: Sequence[ServiceMinute]
    known: Sequence[tuple[int, int]]
    """Of which seconds everything is known: the first, and the one behind the last."""

    @property
    def size(self) -> int:
        """Bytes of its rows."""
        return sum(len(rows) for one in self.minutes for rows in one.rows.values())


class Later(Exception):
    """Another process is about to commit this batch: offer it again."""


class Running(Protocol):
    """What is not in the engine yet."""

    def batches(self, services: Sequence[str] | None) -> list[RecordedBatch]:
        """Return what these services, or all, did since the last commit, oldest first."""


class HistoryWriter(Protocol):
    """Keeps minutes, hours and days. It is called by one thread at a time."""

    def mark(self, journal: str) -> int:
        """Return the first second of a journal that is not here; 0 if none is."""

    def commit(self, batch: RecordedBatch) -> None:
        """Add a batch; it is durable when this returns. Raises Unavailable when that is not possible now, or Later."""

    def maintain(self, now: int) -> bool:
        """Take one step of what is due at second `now`; return whether there may be another. Raises Unavailable."""

    @property
    def size(self) -> int:
        """About how many bytes are kept."""

    @property
    def removed_early(self) -> int:
        """How often something was removed early because of the limit on bytes."""

    def close(self) -> None:
        """Release everything."""


class HistoryReader(Protocol):
    """Answers questions. It is called by any thread."""

    def services(self) -> list[str]:
        """Return the services of which anything is kept, in alphabetical order. Raises Unavailable."""

    def answer(self, question: HistoryQuestion) -> HistoryAnswer:
        """Answer a question; raise TooManyValues when that would be too large. Raises Unavailable."""

    def close(self) -> None:
        """Release everything. No thread may read any more."""


class RankingReader(HistoryReader, Protocol):
    """Ranks names, too."""

    def ranking(self, asked: Question, aggregate_delay: int, *, newest: int = LAST_SECOND) -> bytes:
        """
        Rank the names of a minute, hour or day; return nothing if nothing is known of it. Raises Unavailable.

        After second `newest` nothing is known yet, even if the clock was ahead once, so that there are seconds of then.
        """
