"""What is written down for Prometheus, read back by Prometheus' own parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from edgetally.telemetry.events import escaped
from edgetally.telemetry.histogram import BOUNDS, Histogram
from edgetally.telemetry.metrics import Metric
from edgetally.telemetry.prometheus import Reading, Value, exposition

LABELLED = Metric("some_total", "counter", "things", "Some things.", ("first", "second"))
PLAIN = Metric("level", "gauge", "litres", "How much there is: a \\ and\na second line.")
TIMES = Metric("taken_seconds", "histogram", "seconds", "How long it took.", ("what",))


def read(*readings: Reading) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Return the value of every sample by name and labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(exposition(readings).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.items())] = sample.value
    return found


def test_a_metric_comes_with_its_type_and_its_sentence() -> None:
    (family,) = text_string_to_metric_families(exposition([(PLAIN, {(): 1.5})]).decode())

    assert (family.name, family.type, family.documentation) == (PLAIN.name, PLAIN.kind, PLAIN.means)


def test_a_metric_without_values_is_announced() -> None:
    assert exposition([(LABELLED, {})]) == b"# HELP some_total Some things.\n# TYPE some_total counter\n"


@given(st.tuples(st.text(), st.text()), st.integers(0, 2**53) | st.floats(allow_nan=False))
def test_labels_and_values_come_back_as_they_were(labels: tuple[str, str], value: Value) -> None:
    given = exposition([(LABELLED, {labels: value})]).decode()

    assert given.count("\n") == 3, "nothing in a label ends the line"
    assert all(line.isprintable() for line in given.split("\n")), "... or talks to a terminal"
    shown = (str(escaped(label)) for label in labels)
    assert read((LABELLED, {labels: value})) == {"some_total": {tuple(zip(LABELLED.labels, shown, strict=True)): value}}


def test_a_value_needs_every_label() -> None:
    with pytest.raises(ValueError, match="shorter"):
        exposition([(LABELLED, {("one",): 1})])


def test_a_histogram_counts_what_does_not_exceed_a_bound() -> None:
    times = Histogram()
    for seconds in (0.0, 0.001, 0.0011, 0.5, 10.0, 10.1):
        times.observe(seconds)

    found = read((TIMES, {("this",): times}))

    buckets = {dict(labels)["le"]: count for labels, count in found["taken_seconds_bucket"].items()}
    assert buckets == {"0.001": 2, "0.01": 3, "0.1": 3, "1.0": 4, "10.0": 5, "+Inf": 6}
    assert [float(bound) for bound in list(buckets)[:-1]] == list(BOUNDS)
    assert found["taken_seconds_count"] == {(("what", "this"),): 6}
    assert found["taken_seconds_sum"] == {(("what", "this"),): pytest.approx(20.6021)}
