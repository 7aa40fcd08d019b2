"""Words that several rooms share: what a source says of its records, the limits on keys, the table of measurements."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

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

Rejection = _core.Rejection
"""A line that does not count."""

Framing = Literal["lines", "arrays", "datagrams", "stream"]
"""How records are told apart; see `edgetally._core.Fold`."""


class Defaults(NamedTuple):
    """What holds for records that do not say otherwise, and what they may say."""

    service_id: str
    pop: str
    format: str = "canonical"
    """How lines are written; see `edgetally._core.Fold`."""
    weight: int = 1
    """How many requests a line stands for."""
    services: Sequence[str] | None = None
    """The services that records may count for; None: any."""


class Limits(NamedTuple):
    """How many keys one service may have in one second, and how many services there may be."""

    domains: int
    origins: int
    addresses: int
    pops: int
    services: int


DATASETS = ("domains", "origin_insights", "origins")
"""Every dataset, in alphabetical order."""


class Measurement(NamedTuple):
    """One field of the API."""

    name: str
    description: str
    is_ratio: bool


def measurements(dataset: str) -> list[Measurement]:
    """Return the fields of `dataset` in alphabetical order; KeyError when there is no such dataset."""
    return [Measurement(*row) for row in _core.measurements(dataset)]


def reasons() -> list[tuple[str, str]]:
    """Return code and sentence of every reason to reject a line."""
    return _core.reasons()
