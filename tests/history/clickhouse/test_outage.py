"""ClickHouse that is killed, that hangs, or that is away for long: nothing is lost or double, and a hole is one."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from edgetally.history.clickhouse.client import ANSWER_SECONDS
from edgetally.history.clickhouse.tables import JournalKey
from edgetally.history.tiers import DAY, MINUTE, MINUTES
from tests.support.clickhouse import PASSWORD, ClickHouseServer, clickhouse, needs_clickhouse
from tests.support.clickhouse_history import KeepingThere, keeping_in
from tests.support.history import MIDNIGHT, sealed_seconds

pytestmark = needs_clickhouse()

ONE = JournalKey("kafka/one", 1)
NOW = MIDNIGHT + DAY


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    with clickhouse(tmp_path / "clickhouse") as running:
        yield running


def seal_minute(kept: KeepingThere, minute: int, names: int = 1) -> None:
    """Seal a minute in which each of some names had a request."""
    first = MIDNIGHT + minute * MINUTE
    records = [
        {"ts": first, "service_id": "svc", "pop": "AMS", "domain": f"{number}.example", "status": 200}
        for number in range(names)
    ]
    kept.seal(first, sealed_seconds(records))
    kept.seal(first + 30)
    kept.seal(first + 59)


def retry(kept: KeepingThere, second: int) -> None:
    """Let it try again, after the longest pause."""
    kept.clock.anchor(kept.clock.now() + 10)
    kept.seal(MIDNIGHT + second)
    kept.settle()


def requests(kept: KeepingThere, **question: object) -> dict[int, int | float]:
    """Return the requests of each minute."""
    found = kept.ask(tier=MINUTES, metrics=("requests",), **question).get((), {})
    return {(at - MIDNIGHT) // MINUTE: values["requests"] for at, values in found.items()}


def test_a_server_that_is_killed_while_minutes_are_written_loses_and_doubles_none(server: ClickHouseServer) -> None:
    minutes, names, chance = 40, 300, random.Random(7)  # noqa: S311 - when to kill
    with keeping_in(server, now=NOW, database="killed", journal=ONE) as kept:
        over = threading.Event()

        def kill() -> None:
            while not over.wait(chance.random() * 0.4):
                server.kill()
                server.start()

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            for minute in range(minutes):
                kept.clock.anchor(kept.clock.now() + 10)
                seal_minute(kept, minute, names)
                kept.settle()
        finally:
            over.set()
            killer.join()
        assert kept.history.recorders[0].failures > 0
        retry(kept, minutes * MINUTE)

        assert kept.history.problem == ""
        assert [len(batch.minutes) for _, batch in kept.history.batches(None)] == [0], "nothing waits"
        assert requests(kept) == dict.fromkeys(range(minutes), names)
        by_name = kept.ask(tier=MINUTES, metrics=("requests",), group_by=frozenset(["name"]))
        assert len(by_name) == names
        assert {len(values) for values in by_name.values()} == {minutes}
        assert {one["requests"] for values in by_name.values() for one in values.values()} == {1}
        assert kept.holes(MIDNIGHT + 1, MIDNIGHT + minutes * MINUTE) == [(MIDNIGHT, MIDNIGHT + 1)][:0]


def test_a_server_that_is_away_is_said_once_and_minutes_wait(
    server: ClickHouseServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server.kill()
    with keeping_in(server, now=NOW, database="away") as kept:
        for minute in range(3):
            seal_minute(kept, minute)
            kept.settle()
            kept.clock.anchor(kept.clock.now() + 10)
        problem = f"ClickHouse at 127.0.0.1:{server.port}/away does not answer: Connection refused"
        assert kept.history.problem == f"{problem}; 3 minutes wait, and records are counted"
        server.start()
        retry(kept, 3 * MINUTE)

        assert kept.history.problem == ""
        assert requests(kept) == {0: 1, 1: 1, 2: 1}
    said = [one.getMessage() for one in caplog.records]
    assert said == [f"history waits: {problem}", "history is written again"]


def test_beyond_the_bound_the_oldest_minutes_are_holes(
    server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgetally.history.recorder.PENDING_BYTES", 1)
    server.kill()
    with keeping_in(server, now=NOW, database="bound", journal=ONE) as kept:
        for minute in range(4):
            seal_minute(kept, minute)
        kept.settle()
        assert kept.history.recorders[0].left_out == 3
        server.start()
        retry(kept, 4 * MINUTE)

        assert requests(kept) == {3: 1}
        assert kept.holes(MIDNIGHT, MIDNIGHT + 4 * MINUTE) == [(MIDNIGHT, MIDNIGHT + 3 * MINUTE)]


def test_a_server_that_hangs_does_not_hold_up_a_stop(server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgetally.history.clickhouse.history.STOP_SECONDS", 0.2)
    with keeping_in(server, now=NOW, database="hangs", journal=ONE) as kept:
        seal_minute(kept, 0)
        kept.settle()
        server.pause()
        seal_minute(kept, 1)
        stopping = monotonic()
    assert monotonic() - stopping < ANSWER_SECONDS / 2
    assert kept.history.recorders[0].failing == f"ClickHouse at 127.0.0.1:{server.port}/hangs has not answered in time"


def test_a_user_with_a_password(server: ClickHouseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    monkeypatch.setenv("THE_PASSWORD", PASSWORD)
    monkeypatch.setenv("WRONG", "wrong")
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"clickhouse_password_file": str(file)}, True),
        ({"clickhouse_password_env": "THE_PASSWORD"}, True),
        ({"clickhouse_password_env": "WRONG"}, False),
    ]
    for number, (given, is_right) in enumerate(cases):
        with keeping_in(
            server, now=NOW, database=f"user{number}", journal=ONE, clickhouse_user="edgetally", **given
        ) as kept:
            seal_minute(kept, 0)
            kept.settle()
            assert (kept.history.problem == "") is is_right
            assert PASSWORD not in kept.history.problem
