"""
The metrics of this process as families of samples, and how Prometheus reads them.

The parts of the server count in plain attributes, because an addition must cost next to nothing. They are collectors:
when a scrape asks, `collect()` makes families out of these attributes, as in `yield COMMITS.sample(self.commits)`.

A scrape is written on the event loop, which nothing may hold for long: a thousand followed files have 5,000 samples,
which take 12 ms. Prometheus' client library needs 40 ms for them, because it checks the names of every sample again,
and a tenth of the start of a server for its import.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple, Protocol

import msgspec

from edgetally.escaping import escape
from edgetally.telemetry.histogram import Histogram

OPENMETRICS = "application/openmetrics-text"

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE = b"application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = Mapping[str, str]
"""Values by name."""

Value = float | Histogram


class Metric(msgspec.Struct, frozen=True):
    """One metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    description: str
    """One or two sentences."""
    labels: tuple[str, ...] = ()

    def sample(self, value: Value) -> "Family":
        """Return the family of a metric without labels."""
        return self.samples({(): value})

    def samples(self, values: Mapping[tuple[str, ...], Value]) -> "Family":
        """Return the family with one sample, or one histogram, by the values of the labels."""
        found = []
        for labels, value in values.items():
            # Some labels come from the open internet: they must not end a line or control a terminal.
            shown = {name: str(escape(label)) for name, label in zip(self.labels, labels, strict=True)}
            if isinstance(value, Histogram):
                buckets = value.buckets()
                found += [Sample(f"{self.name}_bucket", {**shown, "le": bound}, count) for bound, count in buckets]
                found.append(Sample(f"{self.name}_count", shown, buckets[-1][1]))
                found.append(Sample(f"{self.name}_sum", shown, value.total))
            else:
                found.append(Sample(self.name, shown, value))
        return Family(self, found)


class Sample(msgspec.Struct, frozen=True):
    """One value."""

    name: str
    labels: Labels
    value: float


class Family(msgspec.Struct, frozen=True):
    """A metric with its samples."""

    metric: Metric
    samples: list[Sample]


class Collector(Protocol):
    """A part that has metrics."""

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""


class Exposition(NamedTuple):
    """What a scrape is answered."""

    body: bytes
    content_type: bytes


def expose(collectors: Iterable[Collector], accept: str = "") -> Exposition:
    """Collect everything, in OpenMetrics if the `Accept` header asks for it, otherwise in Prometheus' text format."""
    is_openmetrics = OPENMETRICS in accept.lower()
    families = (family for one in collectors for family in one.collect())
    text = "".join(_text(family, is_openmetrics=is_openmetrics) for family in families)
    if is_openmetrics:
        return Exposition(f"{text}# EOF\n".encode(), OPENMETRICS_CONTENT_TYPE)
    return Exposition(text.encode(), CONTENT_TYPE)


def _text(family: Family, *, is_openmetrics: bool) -> str:
    """Return what is written of a family."""
    kind, description = family.metric.kind, family.metric.description
    # The name of a counter has its `_total` everywhere but in the head of OpenMetrics.
    name = family.metric.name.removesuffix("_total" if kind == "counter" and is_openmetrics else "")
    description = description.replace("\\", r"\\").replace("\n", r"\n")
    if is_openmetrics:
        description = description.replace('"', r"\"")
    head = f"# HELP {name} {description}\n# TYPE {name} {kind}\n"
    return head + "".join([f"{one.name}{_labels(one.labels)} {float(one.value)!r}\n" for one in family.samples])


def _labels(labels: Labels) -> str:
    # No newline is left in them.
    shown = ",".join([f'{name}="{_quoted(labels[name])}"' for name in sorted(labels)])
    return f"{{{shown}}}" if shown else ""


def _quoted(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"")
