"""The table of measurements, compared with names that were written by hand."""

import re

import pytest

from edgetally.config.log_sections import RecordsSettings
from edgetally.model import DATASETS, measurements, reasons
from tests.support.oracle_fields import FIELDS, RATIOS


def test_every_dataset_is_listed() -> None:
    assert sorted(FIELDS) == list(DATASETS)


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_names_are_those_of_the_api(dataset: str) -> None:
    names = [measurement.name for measurement in measurements(dataset)]

    assert names == sorted(FIELDS[dataset])


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_measurement_has_a_description_of_its_own(dataset: str) -> None:
    described = {measurement.name: measurement.description for measurement in measurements(dataset)}

    assert [name for name, description in described.items() if not description.strip()] == []
    assert len(set(described.values())) == len(described)


@pytest.mark.parametrize("dataset", DATASETS)
def test_only_ratios_are_ratios(dataset: str) -> None:
    ratios = {measurement.name for measurement in measurements(dataset) if measurement.kind == "ratio"}

    assert ratios == FIELDS[dataset] & RATIOS


def test_there_is_no_other_dataset() -> None:
    with pytest.raises(KeyError, match="channels"):
        measurements("channels")


def test_every_reason_has_a_sentence() -> None:
    codes = [code for code, _ in reasons()]

    assert codes == [
        *(
            "compressed",
            "too_long",
            "not_json",
            "truncated",
            "bad_columns",
            "other_log",
            "bad_weight",
            "bad_service_id",
        ),
        *("foreign_service", "no_part", "bad_status", "bad_ts", "too_old", "too_new"),
    ]
    assert [code for code, sentence in reasons() if " " not in sentence] == []


def test_the_sentence_of_a_reason_names_its_setting() -> None:
    named = {code: re.findall(r"records\.(\w+)", sentence) for code, sentence in reasons()}
    settings = {code: names for code, names in named.items() if names}
    assert settings == {"too_long": ["max_line"], "too_old": ["max_lateness"], "too_new": ["max_ahead"]}
    assert all(hasattr(RecordsSettings(), name) for (name,) in settings.values())
