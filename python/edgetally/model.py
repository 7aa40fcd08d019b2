"""Words that several rooms share: what a source says of its records, the limits on keys, the table of measurements."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from edgetally import _core

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
    """Return code and sentence of every reason for which a line is refused."""
    return _core.reasons()
