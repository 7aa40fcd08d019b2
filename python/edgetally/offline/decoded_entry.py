"""The JSON of an entry, decoded."""

from typing import Any

import msgspec

Measurements = dict[str, int | float]
"""By name. What is 0 is left out."""

ChannelMeasurements = dict[str, int | float | dict[str, int]]
"""By name. `miss_histogram` is a dict from the end of a bucket in milliseconds to the misses in it."""


class ByPop(msgspec.Struct):
    """The JSON of an entry whose rows have no key."""

    aggregated: ChannelMeasurements
    datacenter: dict[str, ChannelMeasurements]


class ByKey(msgspec.Struct):
    """The JSON of an entry whose rows have one key."""

    aggregated: dict[str, Measurements]
    datacenter: dict[str, dict[str, Measurements]]


class ByKeyAndAddress(msgspec.Struct):
    """The JSON of an entry whose rows have an address below their key."""

    aggregated: dict[str, dict[str, Measurements]]
    datacenter: dict[str, dict[str, dict[str, Measurements]]]


TYPES = {"channel": ByPop, "domains": ByKey, "origin_insights": ByKeyAndAddress, "origins": ByKey}
"""What the entry of each dataset is."""


def decoded(dataset: str, entry: bytes) -> Any:  # noqa: ANN401 - one of the types above
    """Decode the entry of a dataset."""
    return msgspec.json.decode(entry, type=TYPES[dataset])
