"""The list of metrics: names by the conventions of Prometheus, and a description each."""

import re

from edgetally.model import OTHER
from edgetally.telemetry.label_limit import LabelLimit
from edgetally.telemetry.metrics import METRICS


def test_names_are_unique_and_have_a_prefix() -> None:
    names = [metric.name for metric in METRICS]

    assert len(set(names)) == len(names) > 20
    assert [name for name in names if not re.fullmatch("(edgetally|process)_[a-z_]+", name)] == []


def test_counters_and_only_counters_end_in_total() -> None:
    assert [one.name for one in METRICS if one.name.endswith("_total") != (one.kind == "counter")] == []


def test_names_in_bytes_or_seconds_have_the_unit() -> None:
    wrong = [
        one.name for one in METRICS for unit in ("bytes", "seconds") if (one.unit == unit) != (f"_{unit}" in one.name)
    ]

    assert wrong == []


def test_every_metric_has_a_description() -> None:
    assert [one.name for one in METRICS if not (one.description[0].isupper() and one.description.endswith("."))] == []
    assert len({one.description for one in METRICS}) == len(METRICS)


def test_the_first_names_keep_their_label_and_all_others_share_one() -> None:
    labels = LabelLimit(2)

    assert [labels.label(name) for name in ("a", "b", "c", "a", "d", "b", OTHER)] == [
        "a",
        "b",
        OTHER,
        "a",
        OTHER,
        "b",
        OTHER,
    ]


def test_without_labels_all_names_share_one() -> None:
    assert LabelLimit(0).label("a") == OTHER
