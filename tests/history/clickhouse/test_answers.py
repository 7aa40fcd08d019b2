"""The law: ClickHouse answers what the history in a file answers, whatever is asked, and whenever it is added up."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgetally.history.tiers import DAY, HOUR, MINUTE, TIERS
from edgetally.window.ranking import Question
from tests.history.test_oracle import moments, questions, records
from tests.support.clickhouse import ClickHouseServer, clickhouse, needs_clickhouse
from tests.support.clickhouse_history import keeping_in
from tests.support.history import MIDNIGHT, keeping, sealed_seconds
from tests.support.pages import ROOT, blocks

pytestmark = needs_clickhouse()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@given(
    given_records=st.lists(records, max_size=15),
    asked=st.lists(questions(), min_size=1, max_size=4),
    sealed_until=moments,
    limit=st.integers(1, 3),
)
@settings(deadline=None, max_examples=12)
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
            window = (question["start"], question["end"], question["tier"])
            assert there.holes(*window) == file.holes(*window)
        of = "origins" if question["dataset"] == "origins" else "domains"
        step = TIERS[question["tier"]].seconds
        ranking = Question("svc", of, "trouble", 2, None, "", None, window[0], step)
        assert there.history.reader.ranking(ranking, 2) == file.readers.ranking(ranking, 2)
        assert there.history.reader.services() == file.readers.services()


@pytest.mark.parametrize("newest", [0, 58, 59, 60, 61])
def test_the_second_behind_a_gap_is_known(server: ClickHouseServer, newest: int) -> None:
    with TemporaryDirectory() as directory, keeping(Path(directory)) as file, keeping_in(server, now=MIDNIGHT) as there:
        for kept in (file, there):
            for second in (newest, newest + 10 * MINUTE):
                kept.seal(MIDNIGHT + second)
            kept.settle()
            found = kept.holes(MIDNIGHT - MINUTE, MIDNIGHT + HOUR)
            first = MIDNIGHT + newest
            assert found == [(MIDNIGHT - MINUTE, first), (first + 1, first + 10 * MINUTE)]


@given(names=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=6, unique=True), pop=st.text(max_size=5))
@settings(deadline=None, max_examples=8)
def test_any_name_comes_back_as_it_is(server: ClickHouseServer, names: list[str], pop: str) -> None:
    written = [
        {"ts": MIDNIGHT, "service_id": "svc", "pop": pop, "domain": "a.example", "origin": name, "origin_status": 200}
        for name in [*names, "a'b", "a\\b", 'a"b', "a\tb", "%s", "\u00e9\U0001f600"]
    ]
    sealed = sealed_seconds(written)
    asked: dict[str, Any] = {
        "dataset": "origins",
        "tier": TIERS["minute"],
        "metrics": ("responses",),
        "group_by": frozenset(["name", "datacenter"]),
    }
    with (
        TemporaryDirectory() as directory,
        keeping(Path(directory)) as file,
        keeping_in(server, now=MIDNIGHT + DAY) as there,
    ):
        for kept in (file, there):
            kept.seal(MIDNIGHT, sealed)
            kept.seal(MIDNIGHT + 59)
            kept.settle()
        expected = file.ask(**asked, limit=3)
        assert len(expected) >= 5
        assert there.ask(**asked, limit=3) == expected
        for name, code in expected:
            only = {"names": frozenset([name]), "pops": frozenset([code])}
            assert there.ask(**asked, **only) == {(name, code): expected[name, code]}


def test_the_query_in_the_docs_counts_requests(server: ClickHouseServer) -> None:
    (query,) = [block.text for block in blocks(ROOT / "docs" / "history.md") if block.info == "sql"]
    seconds = {"a.example": [0, 59, 61], "b.example": [HOUR]}
    written = [
        {"ts": MIDNIGHT + second, "service_id": "shop", "domain": name, "status": 200}
        for name, those in seconds.items()
        for second in those
    ]
    with keeping_in(server, now=MIDNIGHT + DAY, database="edgetally") as there:
        for one in sealed_seconds(written):
            there.seal(one.second, [one])
        there.seal(MIDNIGHT + 3 * HOUR)
        there.settle()
        assert server.ask(query.replace("yesterday()", f"toDateTime({MIDNIGHT})")) == [
            [name, str(len(those))] for name, those in seconds.items()
        ]
