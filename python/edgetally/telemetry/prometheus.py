"""
The bridge to the client library of Prometheus: families of samples, and how they are written down.

The parts of the server count in plain attributes, because an addition must cost next to nothing. They are collectors:
when a scrape asks, `collect()` makes families out of these attributes, as in `yield COMMITS.sample(self.commits)`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from prometheus_client import CollectorRegistry, metrics_core
from prometheus_client.exposition import choose_encoder

from edgetally.telemetry.events import escape
from edgetally.telemetry.histogram import Histogram

OPENMETRICS = "application/openmetrics-text"

FAMILIES: Mapping[str, Callable[..., Any]] = {
    "counter": metrics_core.CounterMetricFamily,
    "gauge": metrics_core.GaugeMetricFamily,
    "histogram": metrics_core.HistogramMetricFamily,
}

Family = metrics_core.Metric
"""A metric with its samples."""

Value = float | Histogram


class Metric(NamedTuple):
    """One metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    description: str
    """One or two sentences."""
    labels: tuple[str, ...] = ()

    def sample(self, value: Value) -> Family:
        """Return the family of a metric without labels."""
        return self.samples({(): value})

    def samples(self, values: Mapping[tuple[str, ...], Value]) -> Family:
        """Return the family with one sample, or one histogram, by the values of the labels."""
        family = FAMILIES[self.kind](self.name, self.description, labels=self.labels)
        for labels, value in values.items():
            # Some labels come from the open internet: they must not end a line or control a terminal.
            shown = [str(escape(label)) for _, label in zip(self.labels, labels, strict=True)]
            if isinstance(value, Histogram):
                family.add_metric(shown, value.buckets(), value.total)
            else:
                family.add_metric(shown, value)
        assert isinstance(family, Family)
        return family


class Exposition(NamedTuple):
    """What a scrape is answered."""

    body: bytes
    content_type: bytes


def expose(registry: CollectorRegistry, accept: str = "") -> Exposition:
    """Collect everything, in OpenMetrics if the `Accept` header asks for it, otherwise in Prometheus' text format."""
    # The library answers with the version that the header asks for, whatever it is, so it does not get the header.
    encode, content_type = choose_encoder(OPENMETRICS if OPENMETRICS in accept.lower() else "")
    return Exposition(encode(registry), content_type.encode("ascii"))
