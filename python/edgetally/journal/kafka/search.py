"""The search for an append in the log, of which it is not known whether readers count it."""

from collections.abc import Iterable

from edgetally.journal.kafka.cursor import new_reader
from edgetally.journal.kafka.terms import Terms

BEFORE_SECONDS = 6
"""An envelope may have been appended so long before it was made: writers' clocks differ."""

AFTER_SECONDS = 15
"""An envelope may still count so long after the horizon: brokers' clocks differ."""


class LogSearch:
    """Reads what one partition has from `since` on, as a reader that merges nothing."""

    def __init__(self, terms: Terms, append_id: bytes, born: int) -> None:
        self.since = (born - BEFORE_SECONDS) * 1000
        """Append time from which on an envelope of this second may count, in milliseconds."""
        self.until = (born + terms.horizon + AFTER_SECONDS) * 1000
        """Append time after which none does."""
        self._append_id = append_id
        self._reader = new_reader(terms, is_beginning=False)

    def read(self, messages: Iterable[tuple[bytes, int]]) -> bool | None:
        """
        Read envelopes with their append times.

        Returns whether readers count the append; None while later messages decide.
        """
        for envelope, appended in messages:
            if appended > self.until:
                return False
            self._reader.read(envelope, appended)
            # Now, because readers forget ids.
            if self._reader.has(self._append_id):
                return True
        return None
