"""
Readings as Prometheus reads them: https://prometheus.io/docs/instrumenting/exposition_formats/.

There is a client library, and we do without it: it wants to own the numbers, in a registry of the whole process,
behind a lock for every addition. Ours are plain attributes of the rooms, read when somebody asks, and writing them
down is this page.
"""

from collections.abc import Iterable, Mapping

from edgetally.telemetry.events import escaped
from edgetally.telemetry.histogram import Histogram
from edgetally.telemetry.metrics import Metric

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

Value = int | float | Histogram

Reading = tuple[Metric, Mapping[tuple[str, ...], Value]]
"""A metric, and its values by those of its labels."""


def exposition(readings: Iterable[Reading]) -> bytes:
    """Write readings down, in the order in which they come."""
    lines: list[str] = []
    for metric, values in readings:
        lines.append(f"# HELP {metric.name} {_help(metric.means)}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        for labels, value in values.items():
            named = list(zip(metric.labels, labels, strict=True))
            if isinstance(value, Histogram):
                lines += _histogram(metric.name, named, value)
            else:
                lines.append(f"{metric.name}{_labels(named)} {value!r}")
    lines.append("")
    return "\n".join(lines).encode()


def _histogram(name: str, labels: list[tuple[str, str]], value: Histogram) -> list[str]:
    buckets = [(repr(bound), count) for bound, count in value.up_to()] + [("+Inf", value.count)]
    return [
        *(f"{name}_bucket{_labels([*labels, ('le', bound)])} {count}" for bound, count in buckets),
        f"{name}_sum{_labels(labels)} {value.total!r}",
        f"{name}_count{_labels(labels)} {value.count}",
    ]


def _labels(named: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{_value(value)}"' for name, value in named) + "}" if named else ""


def _value(text: str) -> str:
    # Some labels come from the open internet. What is no printable letter ends no line and talks to no terminal.
    return str(escaped(text)).replace("\\", r"\\").replace('"', r"\"")


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
