"""Minutes in ClickHouse: each second of a partition once, whoever writes it, and however often."""

import json
from collections.abc import Iterator

import pytest

from edgetally.history.clickhouse.tables import JournalKey
from edgetally.history.tiers import DAY, DAYS, HOUR, HOURS, MINUTE, MINUTES, TIERS
from tests.support.clickhouse import ClickHouseServer, clickhouse, needs_clickhouse
from tests.support.clickhouse_history import KeepingThere, keeping_in
from tests.support.history import MIDNIGHT, sealed_seconds

pytestmark = needs_clickhouse()

NOW = MIDNIGHT + 3 * DAY
ONE = JournalKey("kafka/one", 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


def traffic(*seconds: int, domain: str = "a.example") -> list[dict[str, object]]:
    return [
        {"ts": MIDNIGHT + second, "service_id": "svc", "pop": "AMS", "domain": domain, "status": 200}
        for second in seconds
    ]


def seal_all(kept: KeepingThere, seconds: list[int], first: int, last: int, *, lost: int = 0) -> None:
    """Seal from `first` to `last`; those up to `lost` are incomplete."""
    for second in range(first, last + 1):
        sealed = sealed_seconds(traffic(*[one for one in seconds if one == second]))
        kept.seal(MIDNIGHT + second, sealed, MIDNIGHT + lost if lost else 0)
    kept.settle()


def requests(kept: KeepingThere, tier: str = "minute") -> dict[int, int | float]:
    """Return the requests of each window, in seconds from midnight."""
    found = kept.ask(tier=TIERS[tier], metrics=("requests",))
    return {at - MIDNIGHT: values["requests"] for at, values in found.get((), {}).items()}


def test_twice_is_once(server: ClickHouseServer) -> None:
    for node in ("first", "second"):
        with keeping_in(server, now=NOW, database="twice", node=node, journal=ONE) as kept:
            seal_all(kept, [1, 20, 61], 0, 125)
            assert kept.history.problem == ""
            assert requests(kept) == {0: 2, 60: 1}
            assert kept.holes(MIDNIGHT, MIDNIGHT + 120) == [(MIDNIGHT, MIDNIGHT + 1)][: int(node == "none")]
    assert server.ask("SELECT count() > count(DISTINCT name, time, pop) FROM minutes", "twice") == [["1"]]


def test_another_node_waits_and_inserts_what_stays_missing(server: ClickHouseServer) -> None:
    with keeping_in(server, now=MIDNIGHT + 60, database="missing", owns=False, journal=ONE) as kept:
        seal_all(kept, [1], 0, 60)
        assert requests(kept) == {0: 1}
        for second, is_there in ((62, 0), (66, 0), (90, 0), (97, 1)):
            kept.clock.anchor(MIDNIGHT + second)
            seal_all(kept, [], second, second)
            assert server.ask("SELECT count() FROM marks", "missing") == [[str(is_there)]]
            assert requests(kept) == {0: 1}
        assert kept.history.problem == ""


def test_another_node_drops_what_is_there(server: ClickHouseServer) -> None:
    with (
        keeping_in(server, now=MIDNIGHT + 60, database="there", owns=False, node="other", journal=ONE) as other,
        keeping_in(server, now=MIDNIGHT + 60, database="there", journal=ONE) as owner,
    ):
        seal_all(other, [1], 0, 60)
        seal_all(owner, [1], 0, 60)
        assert requests(other) == requests(owner) == {0: 1}
        other.clock.anchor(MIDNIGHT + 66)
        seal_all(other, [], 61, 66)
        assert [len(batch.minutes) for _, batch in other.history.batches(None)] == [0]
        assert requests(other) == {0: 1}
    assert {node for (node,) in server.ask("SELECT node FROM marks", "there")} == {"node"}


class TestParts:
    def test_a_stop_inserts_the_open_minute_and_the_next_process_all_of_it(self, server: ClickHouseServer) -> None:
        with keeping_in(server, now=NOW, database="stop", journal=ONE) as kept:
            seal_all(kept, [1, 20], 0, 30)
        with keeping_in(server, now=NOW, database="stop", journal=ONE) as kept:
            assert requests(kept) == {0: 2}
            seal_all(kept, [1, 20, 40], 0, 29)
            # What it has of this minute is less than what is there, until it is more.
            assert requests(kept) == {0: 2}
            seal_all(kept, [1, 20, 40], 30, 59)
            assert requests(kept) == {0: 3}
        assert server.ask("SELECT part FROM marks FINAL ORDER BY part", "stop") == [["31"], ["60"]]

    def test_parts_of_a_minute_that_no_node_has_whole_add_up(self, server: ClickHouseServer) -> None:
        with keeping_in(server, now=NOW, database="parts", journal=ONE) as kept:
            seal_all(kept, [1, 20], 0, 30)
        with keeping_in(server, now=NOW, database="parts", journal=ONE) as kept:
            seal_all(kept, [20, 40, 61], 20, 59, lost=33)
            assert requests(kept) == {0: 3}
            kept.clock.anchor(NOW + 40)
            seal_all(kept, [61], 60, 61, lost=33)
            assert requests(kept) == {0: 3, 60: 1}
            assert kept.holes(MIDNIGHT, MIDNIGHT + MINUTE) == [(MIDNIGHT + 31, MIDNIGHT + 34)]

    def test_a_part_gives_way_to_the_whole_minute_also_in_its_hour(self, server: ClickHouseServer) -> None:
        with (
            keeping_in(server, now=NOW, database="whole", node="late", journal=ONE) as late,
            keeping_in(server, now=NOW, database="whole", owns=False, node="whole", journal=ONE) as whole,
        ):
            seal_all(late, [40], 35, 59, lost=35)
            seal_all(late, [], 60, 60, lost=35)
            late.clock.anchor(NOW + 40)
            seal_all(late, [], 61, 61, lost=35)
            late.seal(MIDNIGHT + HOUR + 70, (), MIDNIGHT + 35)
            late.settle()
            assert requests(late, "hour") == {0: 1}
            assert server.ask("SELECT DISTINCT parts FROM hours", "whole") == [["2"]]

            seal_all(whole, [1, 40], 0, 61)
            whole.clock.anchor(NOW + 40)
            seal_all(whole, [], 62, 62)
            assert requests(whole) == requests(late) == {0: 2}
            # The hour is not made again yet, and right all the same.
            assert requests(whole, "hour") == requests(late, "hour") == {0: 2}
            late.clock.anchor(NOW + 400)
            seal_all(late, [], HOUR + 500, HOUR + 570, lost=35)
            assert server.ask("SELECT DISTINCT parts FROM hours FINAL", "whole") == [["3"]]
            assert requests(late, "hour") == requests(late, "day") == {0: 2}


def test_a_journal_with_more_partitions_goes_on(server: ClickHouseServer) -> None:
    with keeping_in(server, now=NOW, database="more", journal=ONE) as kept:
        seal_all(kept, [1, 20], 0, 30)
    with keeping_in(server, now=NOW, database="more", journal=JournalKey("kafka/two", 5)) as kept:
        seal_all(kept, [25, 61], 25, 125)
        assert requests(kept) == {0: 3, 60: 1}
        assert kept.holes(MIDNIGHT, MIDNIGHT + 120) == []
        kept.seal(MIDNIGHT + 2 * DAY)
        kept.settle()
        assert requests(kept, "hour") == requests(kept, "day") == {0: 4}


def test_hours_and_days_outlive_minutes(server: ClickHouseServer) -> None:
    with keeping_in(server, now=NOW, database="outlive", journal=ONE) as kept:
        seal_all(kept, [1, 61], 0, 70)
        assert server.ask("SELECT count() FROM hours", "outlive") == [["0"]]
        assert requests(kept, "hour") == requests(kept, "day") == {0: 2}
        kept.clock.anchor(MIDNIGHT + 70 * DAY)
        kept.seal(MIDNIGHT + 70 * DAY)
        kept.settle()
        assert server.ask("SELECT count() FROM minutes", "outlive") == [["0"]]
        assert requests(kept) == {}
        assert kept.holes(MIDNIGHT, MIDNIGHT + HOUR) == [(MIDNIGHT, MIDNIGHT + HOUR)]
        assert requests(kept, "hour") == requests(kept, "day") == {0: 2}
        assert kept.holes(MIDNIGHT, MIDNIGHT + 70, "hour") == []
        kept.clock.anchor(MIDNIGHT + 500 * DAY)
        kept.seal(MIDNIGHT + 500 * DAY)
        kept.settle()
        assert requests(kept, "hour") == {}
        assert requests(kept, "day") == {0: 2}


def test_names_beyond_the_limit_count_as_other_also_when_an_hour_is_made_anew(server: ClickHouseServer) -> None:
    def seal(kept: KeepingThere, minute: int, *domains: str) -> None:
        kept.seal(
            MIDNIGHT + minute * MINUTE,
            sealed_seconds([one for domain in domains for one in traffic(minute * MINUTE, domain=domain)]),
        )
        kept.seal(MIDNIGHT + minute * MINUTE + 59)

    def by_name(kept: KeepingThere) -> dict[str, int | float]:
        found = kept.ask(tier=HOURS, metrics=("requests",), group_by=frozenset(["name"]))
        return {name: values[MIDNIGHT]["requests"] for (name,), values in found.items()}

    with keeping_in(server, now=NOW, database="names", journal=ONE, max_names=1) as kept:
        seal(kept, 0, "a.example", "a.example", "b.example")
        seal(kept, 1, "b.example", "b.example", "a.example")
        kept.seal(MIDNIGHT + HOUR + 70)
        kept.seal(MIDNIGHT + HOUR + 119)
        kept.settle()
        assert by_name(kept) == {"_other": 4, "a.example": 2}
    with keeping_in(server, now=NOW, database="names", node="other", journal=ONE, max_names=1) as kept:
        for minute in range(2, 5):
            seal(kept, minute, "b.example")
        kept.seal(MIDNIGHT + HOUR + 400)
        kept.seal(MIDNIGHT + HOUR + 459)
        kept.settle()
        found = by_name(kept)
        assert sum(found.values()) == 9
        assert set(found) == {"_other", "b.example"}


def test_counters_are_exact_to_the_last_bit(server: ClickHouseServer) -> None:
    huge = [{**one, "resp_body_bytes": (1 << 53) - 1, "weight": 1000} for one in traffic(*[3] * 7, 70)]
    with keeping_in(server, now=NOW, database="exact", journal=ONE) as kept:
        sealed = sealed_seconds(huge)
        (expected,) = {
            json.loads(one.entry("domains"))["aggregated"]["a.example"]["resp_body_bytes"] for one in sealed[:1]
        }
        for second in (0, 3, 59, 70, 119):
            kept.seal(MIDNIGHT + second, [one for one in sealed if one.second == MIDNIGHT + second])
        kept.settle()
        found = kept.ask(tier=MINUTES, metrics=("resp_body_bytes",))[()]
        assert found[MIDNIGHT]["resp_body_bytes"] == expected > 1 << 63
        # Both do not fit in 64 bits, like in an entry: the largest number is shown.
        largest = kept.ask(tier=DAYS, metrics=("resp_body_bytes",))[()]
        assert largest[MIDNIGHT]["resp_body_bytes"] == min(
            (1 << 64) - 1, sum(v["resp_body_bytes"] for v in found.values())
        )


def test_another_version_is_left_alone(server: ClickHouseServer) -> None:
    server.ask("CREATE DATABASE newer", "default")
    server.ask("CREATE TABLE layout (version UInt32) ENGINE = ReplacingMergeTree ORDER BY version", "newer")
    server.ask("INSERT INTO layout VALUES (2)", "newer")
    with keeping_in(server, now=NOW, database="newer", journal=ONE) as kept:
        seal_all(kept, [1], 0, 60)
        assert kept.history.problem.startswith(
            "the history in ClickHouse is of a newer edgetally: expected version 1, got 2"
        )
    assert server.ask("SELECT name FROM system.tables WHERE database = 'newer'", "default") == [["layout"]]
