"""Limits: how many keys a window keeps apart before what comes more is `_other`."""

from typing import NamedTuple


class Limits(NamedTuple):
    """How many keys one service may have in one second, and how many services there may be."""

    domains: int
    origins: int
    addresses: int
    pops: int
    services: int
