"""What is asked of history, and the answer, whatever engine keeps it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from edgetally.history.tiers import Tier

NAME, DATACENTER, REGION = "name", "datacenter", "region"
DIMENSIONS = (NAME, DATACENTER, REGION)
"""What series can be kept apart by, in the order in which they are sorted."""

MAX_VALUES = 1_000_000
"""Most values of an answer: series × windows × measurements."""


class HistoryQuestion(NamedTuple):
    """A question about one dataset of some services."""

    services: tuple[str, ...]
    """They are added up."""
    dataset: str
    """`domains`, `origins` or `channel`, which has no names."""
    tier: Tier
    start: int
    """The first second. The window in which it lies counts whole, unless `end` is not after it."""
    end: int
    """Windows that begin at this second or later do not count."""
    metrics: tuple[str, ...]
    """Measurements of the dataset, in the order of the answer."""
    group_by: frozenset[str] = frozenset()
    """Dimensions that are kept apart; none: one series of everything."""
    names: frozenset[str] = frozenset()
    """Only these names; none: all. So for the next two."""
    pops: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    region_of: Mapping[str, str] = {}
    """The regions of POPs."""
    default_region: str = ""
    """The region of all others."""
    name_key: str = NAME
    """What the answer calls a name."""
    limit: int = 100
    """Most series."""
    after: tuple[str, ...] | None = None
    """The dimensions of the last series of the page before; None: there is none."""

    @property
    def is_empty(self) -> bool:
        """Whether no second is asked for."""
        return self.start >= self.end


class HistoryAnswer(msgspec.Struct, frozen=True):
    """The series of one page."""

    data: bytes
    """A JSON array as `_core.HistoryQuery.page` makes it."""
    next_after: tuple[str, ...] | None
    """`after` of the next page; None if there is none."""
    holes: Sequence[tuple[int, int]]
    """Where nothing is known: the first second, and the second behind the last."""


NOTHING = HistoryAnswer(b"[]", None, ())
"""The answer to a question that is empty."""


class TooManyValues(Exception):
    """The answer would have more than MAX_VALUES."""
