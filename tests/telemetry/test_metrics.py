"""The list of metrics: what monitoring expects of names, and what people expect of sentences."""

import re

from edgetally.model import OTHER
from edgetally.telemetry.label_limit import Labels
from edgetally.telemetry.metrics import METRICS


def test_every_name_is_there_once_and_says_whose_it_is() -> None:
    names = [metric.name for metric in METRICS]

    assert len(set(names)) == len(names) > 20
    assert [name for name in names if not re.fullmatch("(edgetally|process)_[a-z_]+", name)] == []


def test_counters_end_in_total_and_nothing_else_does() -> None:
    assert [one.name for one in METRICS if one.name.endswith("_total") != (one.kind == "counter")] == []


def test_what_is_in_bytes_or_seconds_says_so_in_its_name() -> None:
    wrong = [
        one.name for one in METRICS for unit in ("bytes", "seconds") if (one.unit == unit) != (f"_{unit}" in one.name)
    ]

    assert wrong == []


def test_every_metric_is_explained_in_a_sentence() -> None:
    assert [one.name for one in METRICS if not (one.description[0].isupper() and one.description.endswith("."))] == []
    assert len({one.description for one in METRICS}) == len(METRICS)


def test_the_first_names_keep_their_label_and_the_others_share_one() -> None:
    labels = Labels(2)

    assert [labels.of(name) for name in ("a", "b", "c", "a", "d", "b", OTHER)] == [
        "a",
        "b",
        OTHER,
        "a",
        OTHER,
        "b",
        OTHER,
    ]


def test_nobody_has_a_label_when_there_are_none() -> None:
    assert Labels(0).of("a") == OTHER
