"""What several packages share: records and reports, the limits on them, and the measurements of the API."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Self

from edgetally import _core

MAX_WEIGHT = _core.MAX_WEIGHT
"""Largest weight that a record or a source may have."""

MAX_POP_BYTES = _core.MAX_POP_BYTES
"""Longest POP, in bytes of UTF-8."""

MAX_SERVICE_ID_BYTES = _core.MAX_SERVICE_ID_BYTES
"""Longest service id, in bytes."""

SERVICE_ID = rf"[A-Za-z0-9_-]{{1,{MAX_SERVICE_ID_BYTES}}}"
"""A regular expression that matches all of a service id."""

OTHER = _core.OTHER
"""The overflow key: everything beyond a limit on names counts under it."""

OTHER_LOG = "other_log"
"""The reason of lines that belong to other logs of the same server."""

Rejection = _core.Rejection
"""A line that does not count: where it is, why, and how it starts."""

Framing = Literal["lines", "arrays", "datagrams", "stream"]
"""How records are separated; see `edgetally._core.Fold`."""


class Defaults(NamedTuple):
    """What a source says of its records. The first four hold for records that do not say otherwise."""

    service_id: str
    pop: str
    format: str = "canonical"
    """How records are written; see `edgetally._core.Fold`."""
    weight: int = 1
    """How many requests a line stands for."""
    services: Sequence[str] | None = None
    """Services that records may count for. None: any service."""


class Report(NamedTuple):
    """What became of the lines of an input since its last report."""

    accepted: int
    """Lines that count."""
    rejected: Counter[str]
    """Lines that do not, by reason."""
    rejections: Sequence[Rejection]
    """The first of these, at most 10."""
    unknown_cache_words: Counter[str]
    """Accepted lines whose cache word is in no table, by word."""
    without_time: int = 0
    """Accepted lines that say no time: they count in the second in which they arrived."""

    @property
    def other_log(self) -> int:
        """Lines that belong to other logs of the same server, which is no error."""
        return self.rejected[OTHER_LOG]

    @property
    def errors(self) -> Counter[str]:
        """Lines that do not count because something is wrong with them, by reason."""
        return wrong_lines(self.rejected)

    @classmethod
    def of(cls, report: _core.Report) -> Self:
        """Make it of what a fold returns."""
        return cls(
            report.accepted,
            Counter(dict(report.rejected)),
            report.rejections,
            Counter(dict(report.unknown_cache_words)),
            report.without_time,
        )


def wrong_lines(rejected: Counter[str]) -> Counter[str]:
    """Return the rejected lines with something wrong in them, by reason: all but those of other logs."""
    return Counter({reason: count for reason, count in rejected.items() if reason != OTHER_LOG})


class KeyLimits(NamedTuple):
    """How many keys one service may have in one second, and how many services there may be."""

    domains: int
    origins: int
    addresses: int
    pops: int
    services: int


def domain_names(sealed: Sequence[Any], most: int) -> list[str]:
    """Return the domains of some sealed seconds of the core: at most `most`, those of the first seconds."""
    return _core.domain_names(sealed, most)


DATASETS = ("channel", "domains", "origin_insights", "origins")
"""Every dataset, in alphabetical order."""


class Measurement(NamedTuple):
    """One field that entries may have."""

    name: str
    description: str
    kind: str
    """What its values are: a `counter`, a `ratio` from 0 to 1, `seconds`, or a `histogram` from bucket to counter."""
    is_always_shown: bool
    """Whether entries have it when it is 0, too."""


def measurements(dataset: str) -> list[Measurement]:
    """Return the measurements of `dataset` in alphabetical order. KeyError if there is no such dataset."""
    return [Measurement(*row) for row in _core.measurements(dataset)]


def reasons() -> list[tuple[str, str]]:
    """Return the code and the sentence of every reason to reject a line."""
    return _core.reasons()
