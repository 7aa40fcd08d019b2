"""A node without history; one that keeps some does more of this."""

from collections.abc import Sequence
from math import inf

from edgetally.history.base import RankingReader
from edgetally.history.recorder import Recorder
from edgetally.journal.base import Partition
from edgetally.window.shelving import SealedSeconds


class NoHistory:
    """What a node does for its history: nothing."""

    reader: RankingReader | None = None
    """Answers questions; None if there is no history."""
    recorders: Sequence[Recorder] = ()
    """They add up sealed seconds."""

    def record(self, seconds: SealedSeconds) -> None:
        """Take what all partitions have sealed."""

    def record_part(self, partition: int, seconds: SealedSeconds) -> None:
        """Take what one partition has sealed."""

    async def rescue(self, partition: Partition) -> None:
        """Record what a journal has that is about to begin anew."""

    def start_over(self, journal: str) -> None:
        """Take what comes from here on as that of a journal that begins anew, with this id."""

    @property
    def needed_from(self) -> float:
        """The first second whose facts the next process would need."""
        return inf

    @property
    def problem(self) -> str:
        """Why history waits; empty if it does not."""
        return next((one.problem for one in self.recorders if one.problem), "")

    def close(self) -> None:
        """Commit what there is, and release everything."""
