"""The law: ClickHouse answers what the history in a file answers, whatever is asked, and whenever it is added up."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgetally.history.tiers import DAY, TIERS
from tests.history.test_oracle import moments, questions, records
from tests.support.clickhouse import ClickHouseServer, clickhouse, needs_clickhouse
from tests.support.clickhouse_history import keeping_in
from tests.support.history import MIDNIGHT, keeping, sealed_seconds

pytestmark = needs_clickhouse()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@given(
    given_records=st.lists(records, max_size=25),
    asked=st.lists(questions(), min_size=1, max_size=4),
    sealed_until=moments,
    limit=st.integers(1, 3),
)
@settings(deadline=None, max_examples=30)
def test_it_answers_as_the_file_does(
    server: ClickHouseServer,
    given_records: list[dict[str, object]],
    asked: list[dict[str, Any]],
    sealed_until: int,
    limit: int,
) -> None:
    until = MIDNIGHT + sealed_until
    sealed = [one for one in sealed_seconds(given_records) if one.second <= until]
    with (
        TemporaryDirectory() as directory,
        keeping(Path(directory)) as file,
        keeping_in(server, now=MIDNIGHT + 3 * DAY) as there,
    ):
        for second in sorted({one.second for one in sealed} | {until}):
            of_second = [one for one in sealed if one.second == second]
            file.seal(second, of_second)
            there.seal(second, of_second)
        file.settle()
        there.settle()
        assert [one.failing for one in there.history.recorders] == [None] * len(there.history.recorders)
        for question in asked:
            whole = {**question, "tier": TIERS[question["tier"]], "limit": limit}
            found, expected = there.ask(**whole), file.ask(**whole)
            assert list(found) == list(expected)
            assert found == expected
