"""The table of measurements, as the core has it. Nobody else names a field."""

from typing import NamedTuple

from edgetally import _core

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
