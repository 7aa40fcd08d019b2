"""Entries: the measurements of one second of one service."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from edgetally.model import DATASETS

if TYPE_CHECKING:
    from edgetally import _core
    from edgetally.offline.decoded_entry import ByKey, ByKeyAndAddress, ByPop, ChannelMeasurements, Measurements

NOTHING = b'{"aggregated":{},"datacenter":{}}'
"""An entry without traffic."""


class Entry:
    """
    One sealed second of one service.

    Each dataset is a dict from keys to measurements; `..._by_pop` has one such dict per POP. Measurements are integers,
    except for ratios from 0 to 1, and docs/counters.md lists them. What is 0 is left out. A dataset without traffic is
    an empty dict. A dataset is decoded when it is first asked for, and kept.

    The channel counts the service as a whole, so it has no keys. It has times in seconds, and a histogram.

    `fold` and `Window.seal` make entries.

    Example:
        >>> import edgetally
        >>> log = b'{"ts":1763769600,"pop":"AMS","domain":"shop.example","status":200,"cache":"HIT"}'
        >>> (entry,) = edgetally.fold(log)
        >>> entry
        <Entry second=1763769600 service_id='default' datasets=('channel', 'domains')>
        >>> entry.domains["shop.example"]["requests"]
        1
        >>> entry.domains_by_pop["AMS"]["shop.example"]["edge_hit_ratio"]
        1.0
        >>> entry.channel["hits"], entry.channel["miss"]
        (1, 0)
    """

    def __init__(self, sealed: _core.Sealed) -> None:
        self._sealed = sealed

    def __repr__(self) -> str:
        return f"<Entry second={self.second} service_id={self.service_id!r} datasets={self.datasets}>"

    @property
    def second(self) -> int:
        """Unix time."""
        return self._sealed.second

    @property
    def service_id(self) -> str:
        """The service."""
        return self._sealed.service_id

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets that had traffic, in alphabetical order."""
        return tuple(dataset for dataset in DATASETS if self._sealed.has(dataset))

    @property
    def channel(self) -> ChannelMeasurements:
        """Measurements of the service as a whole."""
        return self._channel.aggregated

    @property
    def channel_by_pop(self) -> dict[str, ChannelMeasurements]:
        """Measurements of the service by POP."""
        return self._channel.datacenter

    @property
    def domains(self) -> dict[str, Measurements]:
        """Measurements by domain."""
        return self._domains.aggregated

    @property
    def domains_by_pop(self) -> dict[str, dict[str, Measurements]]:
        """Measurements by POP and domain."""
        return self._domains.datacenter

    @property
    def origins(self) -> dict[str, Measurements]:
        """Measurements by origin."""
        return self._origins.aggregated

    @property
    def origins_by_pop(self) -> dict[str, dict[str, Measurements]]:
        """Measurements by POP and origin."""
        return self._origins.datacenter

    @property
    def origin_insights(self) -> dict[tuple[str, str], Measurements]:
        """Measurements by origin and address; the key is a tuple of both."""
        return _joined(self._origin_insights.aggregated)

    @property
    def origin_insights_by_pop(self) -> dict[str, dict[tuple[str, str], Measurements]]:
        """Measurements by POP, then by origin and address."""
        return {pop: _joined(origins) for pop, origins in self._origin_insights.datacenter.items()}

    def json(self, dataset: str) -> bytes:
        """Return the entry of `dataset` as the API shows it: one JSON object in UTF-8."""
        return self._sealed.entry(dataset)

    @cached_property
    def _channel(self) -> ByPop:
        decoded: ByPop = self._decoded("channel")
        return decoded

    @cached_property
    def _domains(self) -> ByKey:
        decoded: ByKey = self._decoded("domains")
        return decoded

    @cached_property
    def _origins(self) -> ByKey:
        decoded: ByKey = self._decoded("origins")
        return decoded

    @cached_property
    def _origin_insights(self) -> ByKeyAndAddress:
        decoded: ByKeyAndAddress = self._decoded("origin_insights")
        return decoded

    def _decoded(self, dataset: str) -> Any:  # noqa: ANN401 - one of the types above
        # Imported here, because it takes longer than to count a small log, and `edgetally fold` decodes nothing.
        from edgetally.offline.decoded_entry import decoded  # noqa: PLC0415

        return decoded(dataset, self.json(dataset) if self._sealed.has(dataset) else NOTHING)


def _joined(origins: dict[str, dict[str, Measurements]]) -> dict[tuple[str, str], Measurements]:
    """Join the two keys of every row into one."""
    return {(origin, address): row for origin, addresses in origins.items() for address, row in addresses.items()}
