"""
What follows from the append times of what one partition got of an append.

* Readers count it: that is the end.
* Only `early` is refused: the clock of this node was ahead. It is sent again under its id, so that a copy that counted
  is known.
* Something is `expired`: no reader counts it any more, but an earlier copy may have come in time. So the log is
  searched for the id, up to where no copy could count any more: that answer is final. If it is not there, it is sent
  again under a new id.
"""

import secrets
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

ID_BYTES = 16


class AppendAttempt(NamedTuple):
    """How an append is sent."""

    append_id: bytes
    """Readers count each once."""
    born: int
    """The second in which it was made."""


class SearchedLog(Protocol):
    """What tells whether an append counts."""

    def refusal(self, born: int, appended: int) -> str | None:
        """Return why readers refuse an envelope with this append time: `expired` or `early`. None if they do not."""

    async def find(self, partition: int, append_id: bytes, born: int) -> bool | None:
        """Return whether readers have counted this id; None if the log is too short to tell."""


def new_id() -> bytes:
    """Return an id that no other append has."""
    return secrets.token_bytes(ID_BYTES)


async def settle(
    log: SearchedLog, partition: int, sent: AppendAttempt, times: Sequence[int], *, searches: bool = True
) -> AppendAttempt | Literal["counts", "unknown"]:
    """
    Return how an append has to be sent again to a partition, or that it counts, or that this can no longer be known.

    Args:
        log: The log.
        partition: Which part of it.
        sent: How the append was sent.
        times: The append time of each of its envelopes, in milliseconds.
        searches: Whether the log may be searched. If not, an append that is expired is unknown at once.

    Raises:
        Unavailable: This node stops meanwhile.
    """
    refusals = {log.refusal(sent.born, appended) for appended in times}
    newest = max(times, default=0) // 1000
    if refusals <= {None}:
        return "counts"
    if "expired" not in refusals:
        return sent._replace(born=newest)
    is_there = await log.find(partition, sent.append_id, sent.born) if searches else None
    if is_there is None:
        return "unknown"
    return "counts" if is_there else AppendAttempt(new_id(), newest)
