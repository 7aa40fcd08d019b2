"""The terms: settings that decide entries, and so have to be the same at every node of a journal."""

import hashlib
from typing import NamedTuple

import msgspec

from edgetally import _core
from edgetally.errors import ConfigError
from edgetally.model import KeyLimits

RESERVE_AHEAD = 6
"""Seconds that reservations may lie after they were appended: as in the sealer."""

FOREIGN_SECONDS = 10.0
"""For so long after a seal with other terms, a node writes none, and does not start."""


class Terms(NamedTuple):
    """What all nodes agree on."""

    aggregate_delay: int
    """Seconds between the start of a second and its seal."""
    max_ahead: int
    """Seconds that a record may be in the future."""
    horizon: int
    """Seconds in which copies of an append are recognised."""
    partitions: int
    limits: KeyLimits

    @property
    def digest(self) -> bytes:
        """Stands in every seal, so that a node with other terms is noticed."""
        versions = (_core.ENVELOPE_VERSION, _core.PARTIAL_VERSION, _core.PLACEMENT_VERSION)
        return hashlib.blake2b(msgspec.json.encode((versions, *self)), digest_size=16).digest()

    @property
    def ahead(self) -> int:
        """Seconds that a row may lie after its append."""
        return max(self.max_ahead, RESERVE_AHEAD)


def other_terms(writer: str) -> ConfigError:
    """Say that the node which seals the journal has other terms."""
    return ConfigError(
        "journal.kind",
        f"expected the settings of node {writer}, which seals this journal: window.aggregate_delay, its limits, "
        f"records.max_ahead, journal.horizon and journal.partitions; to change them, stop all nodes for "
        f"{FOREIGN_SECONDS:.0f} seconds",
    )
