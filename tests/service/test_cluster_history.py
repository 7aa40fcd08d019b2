"""The history of a cluster: real brokers and a real ClickHouse, which readers share."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetally.history.tiers import MINUTE
from edgetally.journal.kafka.journal import KafkaJournal
from tests.support.clickhouse import ClickHouseServer, clickhouse, needs_clickhouse
from tests.support.cluster import create
from tests.support.cluster_services import PARTITIONS, Node, node, record, until
from tests.support.kafka import Brokers, brokers, free_ports, needs_kafka
from tests.support.process import serving

pytestmark = [*needs_kafka(), *needs_clickhouse()]

SERVICES = [f"shop{number}" for number in range(7)]
"""Some in each partition."""

ROOM = 12
"""Seconds of a minute that have to be left for a test to do something in it."""

SETTINGS = f"""
[journal]
kind = "{{url}}"
partitions = {PARTITIONS}
[node]
role = "read"
[history]
clickhouse = "{{clickhouse}}"
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    with brokers(tmp_path_factory.mktemp("broker") / "nodes") as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let minutes that are missing be missing for a short time."""
    monkeypatch.setattr("edgetally.history.clickhouse.writer.LOOK_SECONDS", 1)
    monkeypatch.setattr("edgetally.history.clickhouse.writer.MISSING_SECONDS", 3)


async def push_each(one: Node, counts: dict[str, int]) -> None:
    """Push a record of each service, and count it."""
    answer = await one.push(*(record(service_id) for service_id in SERVICES))
    assert answer.json()["accepted"] == len(SERVICES)
    for service_id in SERVICES:
        counts[service_id] = counts.get(service_id, 0) + 1


async def requests(reader: Node, service_id: str) -> int:
    """Return the requests of all minutes of a service."""
    question = f"downsample=minute&start={int(time.time()) - 3600}&metric=requests"
    answer = await reader.get(f"/metrics/domains/services/{service_id}?{question}")
    return sum(one["requests"] for series in answer["data"] for one in series["values"])


def there(server: ClickHouseServer, database: str) -> dict[str, int]:
    """Return the requests of each service that ClickHouse has in minutes: in rows for everything, and in names."""
    if [database, "marks"] not in server.ask("SELECT database, name FROM system.tables", "default"):
        return {}
    rows = server.ask(
        "SELECT service, sum(if(name = '', value, 0)), sum(if(name = '', 0, value)) FROM minutes FINAL "
        "ARRAY JOIN counters.value AS value, counters.id AS id WHERE id = 0 AND dataset = 0 GROUP BY service",
        database,
    )
    assert all(whole == named for _, whole, named in rows)
    return {service_id: int(whole) for service_id, whole, _ in rows}


async def over(end: float) -> None:
    """Wait until a second is over: a minute is as long as anything else may take."""

    async def is_over() -> bool:
        return time.time() > end

    await until(is_over)


async def room_in_minute() -> float:
    """Wait until the minute has enough seconds left, and return when it ends."""

    async def has_room() -> bool:
        return time.time() % MINUTE < MINUTE - ROOM

    await until(has_room)
    return time.time() // MINUTE * MINUTE + MINUTE


async def test_a_reader_that_cannot_write_is_stood_in_for(broker: Brokers, server: ClickHouseServer) -> None:
    url = create(broker.url(), partitions=PARTITIONS)
    ((port, _),) = free_ports(1)
    away: dict[str, object] = {"clickhouse": f"http://127.0.0.1:{port}/none"}
    counts: dict[str, int] = {}
    async with (
        node(url, "ingest") as ingest,
        node(url, "read", history=away) as lonely,
        node(url, "read", history={"clickhouse": server.url("stood_in")}) as other,
    ):
        for reader in (lonely, other):
            await until(reader.is_ready)
        end = await room_in_minute()
        for _ in range(3):
            await push_each(ingest, counts)

        async def is_there() -> bool:
            return there(server, "stood_in") == counts

        async def is_shown() -> bool:
            return [await requests(other, one) for one in SERVICES] == [counts[one] for one in SERVICES]

        await until(is_shown)
        await over(end)
        await until(is_there)
        await push_each(ingest, counts)
        await until(is_shown)

        problem = (await lonely.get("/readyz"))["checks"]["history"]["problem"]
        assert problem.startswith(f"ClickHouse at 127.0.0.1:{port}/none does not answer: Connection refused; ")
        refused = await lonely.client.get("/metrics/domains/services/shop1")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["msg"] == "the history cannot be read now; try again in a second"
        past = await lonely.client.get(f"/top/shop1?downsample=minute&at={int(time.time()) - 5}")
        assert (past.status_code, past.headers["retry-after"]) == (503, "1")
        assert (await other.client.get(f"/top/shop1?downsample=minute&at={int(time.time()) - 5}")).status_code == 200


async def test_a_reader_that_is_killed_is_stood_in_for_and_nothing_counts_twice(
    broker: Brokers, server: ClickHouseServer, tmp_path: Path
) -> None:
    url = create(broker.url(), partitions=PARTITIONS)
    clickhouse_url = server.url("killed")
    settings = tmp_path / "edgetally.toml"
    settings.write_text(SETTINGS.format(url=url, clickhouse=clickhouse_url))
    counts: dict[str, int] = {}
    with serving("--data-dir", str(tmp_path), "--config", str(settings)) as first:
        async with node(url, "ingest") as ingest:
            end = await room_in_minute()
            await push_each(ingest, counts)
            async with node(url, "read", history={"clickhouse": clickhouse_url}) as second:
                journal = second.service.journal
                assert isinstance(journal, KafkaJournal)
                await until(second.is_ready)

                async def is_sealed() -> bool:
                    return all(one.newest_writer for one in journal.partitions)

                await until(is_sealed)
                assert journal.node not in {one.newest_writer for one in journal.partitions}, "the first reader seals"
                await push_each(ingest, counts)
                first.signal(signal.SIGKILL)
                await push_each(ingest, counts)

                async def is_there() -> bool:
                    return there(server, "killed") == counts

                await over(end)
                await until(is_there)
                assert {one.newest_writer for one in journal.partitions} == {journal.node}
                # Another reads them, and has the open minute from the log.
                async with node(url, "read", history={"clickhouse": clickhouse_url}) as third:
                    await until(third.is_ready)
                    await push_each(ingest, counts)
                    for reader in (second, third):

                        async def is_shown(reader: Node = reader) -> bool:
                            shown = [await requests(reader, one) for one in SERVICES]
                            assert all(found <= counts[one] for found, one in zip(shown, SERVICES, strict=True))
                            return shown == [counts[one] for one in SERVICES]

                        await until(is_shown)
    # The second reader was stopped, and inserted what was open.
    assert there(server, "killed") == counts
