"""
The bridge to the client library of Prometheus: families of samples, and how they are written down.

The parts of the server count in plain attributes, because an addition must cost next to nothing. They are collectors:
when a scrape asks, `collect()` makes families out of these attributes, as in `yield COMMITS.sample(self.commits)`.

A scrape is written on the event loop, which nothing may hold for long: a thousand followed files have 5,000 samples,
which take 12 ms. The library needs 40 ms for them, because it checks the names of every sample again.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from prometheus_client import CollectorRegistry, metrics_core
from prometheus_client.samples import Sample

from edgetally.escaping import escape
from edgetally.telemetry.histogram import Histogram

OPENMETRICS = "application/openmetrics-text"

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE = b"application/openmetrics-text; version=1.0.0; charset=utf-8"

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
            shown = {name: str(escape(label)) for name, label in zip(self.labels, labels, strict=True)}
            if isinstance(value, Histogram):
                family.add_metric(list(shown.values()), value.buckets(), value.total)
            else:
                family.samples.append(Sample(self.name, shown, value))
        assert isinstance(family, Family)
        return family


class Exposition(NamedTuple):
    """What a scrape is answered."""

    body: bytes
    content_type: bytes


def expose(registry: CollectorRegistry, accept: str = "") -> Exposition:
    """Collect everything, in OpenMetrics if the `Accept` header asks for it, otherwise in Prometheus' text format."""
    is_openmetrics = OPENMETRICS in accept.lower()
    text = "".join(_text(family, is_openmetrics=is_openmetrics) for family in registry.collect())
    if is_openmetrics:
        return Exposition(f"{text}# EOF\n".encode(), OPENMETRICS_CONTENT_TYPE)
    return Exposition(text.encode(), CONTENT_TYPE)


def _text(family: Family, *, is_openmetrics: bool) -> str:
    """Return what is written of a family."""
    # The name of a counter has its `_total` everywhere but in the head of OpenMetrics.
    name = f"{family.name}_total" if family.type == "counter" and not is_openmetrics else family.name
    description = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
    if is_openmetrics:
        description = description.replace('"', r"\"")
    head = f"# HELP {name} {description}\n# TYPE {name} {family.type}\n"
    return head + "".join([f"{one.name}{_labels(one.labels)} {float(one.value)!r}\n" for one in family.samples])


def _labels(labels: Mapping[str, str]) -> str:
    # No newline is left in them.
    shown = ",".join([f'{name}="{_quoted(labels[name])}"' for name in sorted(labels)])
    return f"{{{shown}}}" if shown else ""


def _quoted(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"")
