"""The metrics in both text formats, read back by the client library's own parsers."""

from collections.abc import Iterable, Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric as LibraryFamily
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from edgetally.escaping import escape
from edgetally.telemetry.histogram import BOUNDS, Histogram
from edgetally.telemetry.prometheus import Family, Metric, Value, expose

LABELLED = Metric("some_total", "counter", "things", "Some things.", ("first", "second"))
PLAIN = Metric("level", "gauge", "litres", "How much there is: a \\ and\na second line.")
TIMES = Metric("taken_seconds", "histogram", "seconds", "How long it took.", ("what",))

PROMETHEUS_ASKS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

Labels = tuple[tuple[str, str], ...]


class Part:
    """A collector of one metric."""

    def __init__(self, metric: Metric, values: Mapping[tuple[str, ...], Value]) -> None:
        self.family = metric.samples(values)

    def collect(self) -> Iterator[Family]:
        yield self.family


def exposed(metric: Metric, values: Mapping[tuple[str, ...], Value], accept: str = "") -> str:
    return expose([Part(metric, values)], accept).body.decode()


def samples(families: Iterable[LibraryFamily]) -> dict[str, dict[Labels, float]]:
    """Return the value of every sample by name and labels."""
    found: dict[str, dict[Labels, float]] = {}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.items())] = sample.value
    return found


def read(metric: Metric, values: Mapping[tuple[str, ...], Value]) -> dict[str, dict[Labels, float]]:
    """Return the value of every sample in the text format."""
    return samples(text_string_to_metric_families(exposed(metric, values)))


def test_a_metric_has_its_type_and_its_description() -> None:
    (family,) = text_string_to_metric_families(exposed(PLAIN, {(): 1.5}))

    assert (family.name, family.type, family.documentation) == (PLAIN.name, PLAIN.kind, PLAIN.description)


def test_a_metric_without_values_is_announced() -> None:
    assert exposed(LABELLED, {}) == "# HELP some_total Some things.\n# TYPE some_total counter\n"


@given(st.tuples(st.text(), st.text()), st.integers(0, 2**53) | st.floats(allow_nan=False))
def test_labels_and_values_come_back_as_they_were(labels: tuple[str, str], value: float) -> None:
    given = exposed(LABELLED, {labels: value})

    assert given.count("\n") == 3, "no label ends the line"
    assert all(line.isprintable() for line in given.split("\n")), "... or controls a terminal"
    shown = (str(escape(label)) for label in labels)
    assert read(LABELLED, {labels: value}) == {"some_total": {tuple(zip(LABELLED.labels, shown, strict=True)): value}}


def test_a_value_needs_every_label() -> None:
    with pytest.raises(ValueError, match="shorter"):
        LABELLED.samples({("one",): 1})


def test_a_histogram_counts_durations_up_to_each_bound() -> None:
    times = Histogram()
    for seconds in (0.0, 0.001, 0.0011, 0.5, 10.0, 10.1):
        times.observe(seconds)

    found = read(TIMES, {("this",): times})

    buckets = {dict(labels)["le"]: count for labels, count in found["taken_seconds_bucket"].items()}
    assert buckets == {"0.001": 2, "0.01": 3, "0.1": 3, "1.0": 4, "10.0": 5, "+Inf": 6}
    assert [float(bound) for bound in list(buckets)[:-1]] == list(BOUNDS)
    assert found["taken_seconds_count"] == {(("what", "this"),): 6}
    assert found["taken_seconds_sum"] == {(("what", "this"),): pytest.approx(20.6021)}


@given(st.tuples(st.text(), st.text()), st.floats(0, 1e9), st.lists(st.floats(0, 20), min_size=1))
def test_openmetrics_says_the_same(labels: tuple[str, str], value: float, durations: list[float]) -> None:
    times = Histogram()
    for seconds in durations:
        times.observe(seconds)

    given: list[tuple[Metric, dict[tuple[str, ...], Value]]] = [
        (LABELLED, {labels: value}),
        (PLAIN, {(): value}),
        (TIMES, {labels[:1]: times}),
    ]

    for metric, values in given:
        families = openmetrics.text_string_to_metric_families(exposed(metric, values, PROMETHEUS_ASKS))  # type: ignore[no-untyped-call]
        assert samples(families) == read(metric, values)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (PROMETHEUS_ASKS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("Application/OpenMetrics-Text;version=x", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text;version=9<b>", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ],
)
def test_the_format_is_the_one_that_is_asked_for(accept: str, content_type: str) -> None:
    given = expose([], accept)

    assert given.content_type.decode() == content_type
    assert given.body == (b"# EOF\n" if "openmetrics" in content_type else b"")
