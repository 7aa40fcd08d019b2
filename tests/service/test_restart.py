"""A restart: the next process shows the same entries as the last one, and counts nothing twice."""

import json
import logging
import random
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edgetally.errors import ConfigError
from edgetally.journal.base import Seal
from edgetally.journal.sqlite import SqliteJournal
from edgetally.sources.files.checkpoint import decode_checkpoint
from tests.support.clock import START, ManualClock, until
from tests.support.served import Json, Served, ndjson, record, served

ENDPOINTS = ("domains", "origins", "channel", "channel?kind=origin_insights")


@asynccontextmanager
async def keeping(directory: Path, at: float = 0.0, **settings: dict[str, object]) -> AsyncIterator[Served]:
    """Run a service with a journal in `directory`, from `at` seconds after the start of the clock."""
    given: dict[str, dict[str, object]] = {
        **settings,
        "journal": {"data_dir": str(directory), **settings.get("journal", {})},
    }
    async with served(given, ManualClock(START + at)) as running:
        running.clock.settled = lambda: (
            running.service.shelf.newest >= int(running.clock.now()) - running.service.config.window.aggregate_delay
            and running.service.journal.partitions[0].end == running.service.windows.sealers[0].position
        )
        yield running


def killed(directory: Path) -> Path:
    """Return a copy of what a process that is killed now leaves."""
    left = directory.with_name(f"{directory.name}-left")
    shutil.copytree(directory, left)
    return left


async def shown(service: Served, services: tuple[str, ...] = ("svc",)) -> dict[tuple[str, str], bytes]:
    """Return the answers to readers with an old cursor, byte for byte."""
    found = {}
    for endpoint in ENDPOINTS:
        for service_id in services:
            name, mark, kind = endpoint.partition("?")
            answer = await service.client.get(f"/v1/{name}/{service_id}/ts/1{mark}{kind}")
            found[endpoint, service_id] = answer.content
    return found


async def requests(service: Served, service_id: str = "svc") -> dict[int, int]:
    """Return the requests of every second since the start that is shown."""
    answer: Json = await service.get(f"/v1/domains/{service_id}/ts/1")
    return {
        entry["recorded"] - START: sum(counts["requests"] for counts in entry["aggregated"].values())
        for entry in answer["Data"]
    }


async def test_metrics_do_not_count_again_what_another_process_has_counted(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data", window={"max_domains": 1}) as first:
        await first.traffic(range(6))
        await first.push(record(0), record(6, domain="b.example"), record(6, domain="c.example"))
        await first.to(10)
        totals = first.service.windows.totals
        assert (totals.records, totals.late) == ({"svc": 9}, {"svc": 1})
        assert totals.overflowed["svc"] > 0

    async with keeping(tmp_path / "data", at=11, window={"max_domains": 1}) as second:
        totals = second.service.windows.totals
        assert (totals.records, totals.late, totals.overflowed) == ({}, {}, {})
        await second.push(record(11))
        await second.to(14)
        assert (totals.records, totals.late, totals.overflowed) == ({"svc": 1}, {}, {})


async def test_exported_series_count_each_second_in_one_process(tmp_path: Path) -> None:
    """Seconds that were sealed belong to the process that sealed them, the others to the next one."""

    async def exported(service: Served) -> list[float]:
        await until(lambda: service.service.exported_series.newest == service.service.shelf.newest)
        text = (await service.client.get("/fastly/metrics")).text
        return [
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith("fastly_domain_requests_total{")
        ]

    async with keeping(tmp_path / "data") as first:
        await first.traffic(range(6))
        await first.to(8)
        assert await exported(first) == [6]
        await first.push(record(8), record(8))
        left = killed(tmp_path / "data")

    async with keeping(left, at=20) as second:
        assert await requests(second) == {**dict.fromkeys(range(6), 1), 8: 2}
        assert await exported(second) == [2]
        await second.push(record(20))
        await second.to(23)
        assert await exported(second) == [3]


async def test_sealed_seconds_are_shown_again_and_open_ones_continue(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data") as first:
        await first.traffic(range(6))
        await first.push(record(6), record(5), record(1))
        before = await shown(first)
        left = killed(tmp_path / "data")

    async with keeping(left, at=5) as second:
        assert await shown(second) == before
        await second.push(record(6))
        await second.to(8)
        # The record of second 1 was late in the first process, and counts in the oldest second that was open then.
        assert await requests(second) == {0: 1, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2}


async def test_the_start_logs_how_many_seconds_are_shown_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edgetally")
    async with keeping(tmp_path / "data") as first:
        await first.traffic([0, 2, 3])
        await first.to(6)
    async with keeping(tmp_path / "data", at=7):
        pass
    async with served({"journal": {"kind": "memory"}}):
        pass

    path = tmp_path / "data" / "journal.sqlite"
    assert [one.getMessage() for one in caplog.records if one.name == "edgetally"] == [
        f"opened journal {path}: 0 seconds restored",
        f"opened journal {path}: 3 seconds restored",
        "journal in memory: nothing survives a restart",
    ]


async def test_late_records_stay_late(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data") as first:
        await first.to(5.5)
        await first.push(record(0), record(1), record(4))
        await first.to(7)
        before = await shown(first)
        assert await requests(first) == {4: 3}
        left = killed(tmp_path / "data")

    async with keeping(left, at=7) as second:
        assert await shown(second) == before


async def test_after_a_gap_one_seal_covers_the_downtime(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data") as first:
        await first.push(record(0), record(1), record(2))
        left = killed(tmp_path / "data")

    async with keeping(left, at=30) as second:
        assert await requests(second) == {0: 1, 1: 1, 2: 1}
        facts = second.service.journal.partitions[0].read()
        seals = [
            fact
            for _ in range(second.service.journal.partitions[0].end)
            if isinstance(fact := await anext(facts), Seal)
        ]
        assert len(seals) == 2  # one of the first process, one for the gap
        assert (await second.get("/v1/domains/svc/ts/h"))["Timestamp"] == START + 30


async def test_a_reader_that_chains_cursors_misses_and_repeats_nothing(tmp_path: Path) -> None:
    seen: list[int] = []

    async def chain(service: Served, cursor: int) -> int:
        answer = await service.get(f"/v1/domains/svc/ts/{cursor}")
        seen.extend(entry["recorded"] - START for entry in answer["Data"])
        timestamp: int = answer["Timestamp"]
        return timestamp

    async with keeping(tmp_path / "data") as first:
        await first.traffic(range(5))
        cursor = await chain(first, 1)
        left = killed(tmp_path / "data")
    async with keeping(left, at=9) as second:
        await second.traffic(range(9, 12))
        await second.to(15)
        await chain(second, cursor)

    assert seen == [0, 1, 2, 3, 4, 9, 10, 11]


@pytest.mark.parametrize("seed", range(2))
async def test_a_journal_whose_oldest_facts_are_removed_gives_the_same_entries(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - traffic, not secrets
    services = ("svc", "other")
    async with keeping(tmp_path / "data", shelf={"keep": 120}) as first:
        for now in range(150):
            await first.to(now + chance.random())
            for _ in range(chance.randrange(3)):
                # From long ago to as far ahead as allowed.
                ages = [chance.choice([0, 0, 1, 2, 5, 60, -1, -5]) for _ in range(chance.randrange(1, 5))]
                records = [record(now - age, service_id=chance.choice(services)) for age in ages]
                await first.push(*records)
        before = await shown(first, services)
        size = first.service.windows.sealers[0].retention.size
        left = killed(tmp_path / "data")
        end = first.clock.now() - START

    async with keeping(left, at=end, shelf={"keep": 120}) as second:
        assert await shown(second, services) == before
        # It needs the facts that the first one needed; only the rows that it reserves come on top.
        assert size <= second.service.windows.sealers[0].retention.size < size + 1000
        assert second.service.journal.partitions[0].complete_after > START
        await second.to(end + 10)
        after = await requests(second)
    assert sum(after.values()) > 0

    async with keeping(tmp_path / "data", at=end + 10, shelf={"keep": 120}) as third:
        assert await requests(third) == after


async def test_a_longer_shelf_does_not_show_incomplete_seconds(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data", shelf={"keep": 120}) as first:
        for now in range(140):
            await first.to(now)
            await first.push(record(now), record(now + 4))
        before = await requests(first)
        left = killed(tmp_path / "data")

    async with keeping(left, at=139, shelf={"keep": 300}) as second:
        found = await requests(second)
        gone = second.service.journal.partitions[0].complete_after - START
    assert gone > 10
    assert found == {at: count for at, count in before.items() if at > gone}


async def test_beyond_max_bytes_a_restart_shows_fewer_seconds_and_open_ones_are_complete(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data", journal={"max_bytes": 300_000}) as first:
        for now in range(30):
            await first.to(now)
            await first.push(*(record(now, domain=f"{number}.example") for number in range(300)))
        assert len(await requests(first)) == 28
        # What this process has shown before, it still knows.
        assert (await first.get("/top/svc"))["since"] <= START
        left = killed(tmp_path / "data")

    async with keeping(left, at=29) as second:
        await second.to(31)
        found = await requests(second)
        assert set(found.values()) == {300}
        assert 5 < len(found) < 25
        assert max(found) == 29


async def test_with_a_clock_a_little_behind_time_continues_where_the_journal_ends(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data", at=40) as first:
        await first.push(record(40))
        await first.to(42)
        left = killed(tmp_path / "data")

    async with keeping(left, at=20) as second:
        assert (await second.get("/v1/domains/svc/ts/h"))["Timestamp"] == START + 42
        await second.push(record(20))
        await second.to(44)
        assert await requests(second) == {40: 1, 41: 1}


async def test_with_a_clock_far_behind_time_starts_over_and_open_seconds_count(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data", at=4000) as first:
        await first.push(record(4000))
        await first.to(4002)
        await first.push(record(4001), record(4002))
        left = killed(tmp_path / "data")

    async with keeping(left, at=3600) as second:
        assert (await second.get("/v1/domains/svc/ts/h"))["Timestamp"] == START + 3600
        await second.traffic(range(3600, 3603))
        await second.to(3605)
        assert await requests(second) == {3600: 1, 3601: 1, 3602: 1}
        again = killed(left)
        await second.to(4010)
        assert (await requests(second)) == {4001: 1, 4002: 1}

    async with keeping(again, at=3606) as third:
        assert await requests(third) == {3600: 1, 3601: 1, 3602: 1}


async def test_a_followed_file_continues_at_its_checkpoint(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.touch()
    sources: dict[str, object] = {"follow": [{"path": str(log)}]}

    def write(*records: Json, unfinished: bytes = b"") -> None:
        with log.open("ab") as file:
            file.write(ndjson(records) + unfinished)

    async def counts(service: Served, records: int) -> None:
        """Advance the clock until files are polled, and wait for `records` to be committed in threads."""
        await service.to(service.clock.now() - START + 0.2)
        await until(lambda: service.service.totals.accepted == records)

    line = ndjson([record(1)])
    async with keeping(tmp_path / "data", sources=sources) as first:
        await first.to(0.5)
        write(record(0), record(1), unfinished=line[:20])
        await counts(first, 2)
        await first.to(1.5)
        left = killed(tmp_path / "data")
        write(unfinished=line[20:])
        await counts(first, 3)
        await first.to(3)
        assert await requests(first) == {0: 1, 1: 2}

    write(record(2))
    async with keeping(left, at=1.5, sources=sources) as second:
        await counts(second, 2)
        await second.to(6)
        assert await requests(second) == {0: 1, 1: 2, 2: 1}


def docker(text: str, *, is_part: bool) -> bytes:
    end = " " * 16_384 if is_part else "\n"
    return ndjson([{"log": f"{text}{end}", "stream": "stdout", "time": "2025-11-22T00:00:00.1Z"}])


def cri(text: str, *, is_part: bool) -> bytes:
    return f"2025-11-22T00:00:00.1Z stdout {'P' if is_part else 'F'} {text}\n".encode()


def spread(text: str, *, is_part: bool) -> bytes:
    """A part of a record that is written over several lines, the first of which is its brace."""
    return (text.replace("{", "{\n") if is_part else text).encode() + b"\n"


@pytest.mark.parametrize("written", [docker, cri, spread])
async def test_a_record_in_parts_counts_once_though_the_server_stops_or_is_killed_between_them(
    tmp_path: Path, written: Callable[..., bytes]
) -> None:
    log = tmp_path / "0.log"
    log.touch()
    sources: dict[str, object] = {"follow": [{"path": str(log)}]}
    text = json.dumps(record(1))
    cut = text.rindex(",") + 1  # where a line may end
    parts = [written(text[:cut], is_part=True), written(text[cut:], is_part=False)]

    def write(data: bytes) -> None:
        with log.open("ab") as file:
            file.write(data)

    async def is_read(service: Served) -> None:
        """Wait until a checkpoint at the end of the file is durable."""
        await service.to(service.clock.now() - START + 0.2)
        checkpoints, size = service.service.journal.checkpoints, log.stat().st_size
        await until(lambda: [decode_checkpoint(text).offset for text in checkpoints().values()] == [size])

    async with keeping(tmp_path / "data", sources=sources) as first:
        await first.to(0.5)
        write(ndjson([record(0)]) + parts[0])
        await is_read(first)
        left = killed(tmp_path / "data")

    write(parts[1])
    for directory in (tmp_path / "data", left):
        async with keeping(directory, at=1.5, sources=sources) as second:
            await is_read(second)
            await second.to(6)
            assert await requests(second) == {0: 1, 1: 1}
            assert second.service.totals.rejected == {}


async def test_a_partial_of_another_version_prevents_the_start(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    await journal.seal(START)
    await journal.append(b"of another version")
    await journal.close()

    with pytest.raises(
        ConfigError, match=r"journal\.data_dir: cannot read fact 2: .*; to start over, move the journal away"
    ):
        async with keeping(tmp_path):
            pass
