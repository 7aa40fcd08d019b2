"""What the next process shows of what the last one was told."""

import logging
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edgetally.errors import ConfigError
from edgetally.journal.sqlite import SqliteJournal
from tests.support.clock import START, TurnedClock, until
from tests.support.served import Json, Served, ndjson, record, served

ROOMS = ("domains", "origins", "channel")


@asynccontextmanager
async def keeping(directory: Path, at: float = 0.0, **settings: dict[str, object]) -> AsyncIterator[Served]:
    """Run a service whose journal is in `directory`, from `at` seconds after the start."""
    given: dict[str, dict[str, object]] = {
        **settings,
        "journal": {"data_dir": str(directory), **settings.get("journal", {})},
    }
    async with served(given, TurnedClock(START + at)) as running:
        running.clock.settled = lambda: (
            running.service.shelf.newest >= int(running.clock.now()) - running.service.config.window.aggregate_delay
            and running.service.journal.end == running.service.sealer.position
        )
        yield running


def killed(directory: Path) -> Path:
    """Return what a process that is killed now leaves behind."""
    left = directory.with_name(f"{directory.name}-left")
    shutil.copytree(directory, left)
    return left


async def shown(service: Served, services: tuple[str, ...] = ("svc",)) -> dict[tuple[str, str], bytes]:
    """Return, byte for byte, what readers with an old cursor are shown."""
    found = {}
    for room in ROOMS:
        for service_id in services:
            kind = "?kind=origin_insights" if room == "channel" else ""
            answer = await service.client.get(f"/v1/{room}/{service_id}/ts/1{kind}")
            found[room, service_id] = answer.content
    return found


async def requests(service: Served, service_id: str = "svc") -> dict[int, int]:
    """Count the requests of every second since the start, of those that are shown."""
    answer: Json = await service.get(f"/v1/domains/{service_id}/ts/1")
    return {
        entry["recorded"] - START: sum(counts["requests"] for counts in entry["aggregated"].values())
        for entry in answer["Data"]
    }


async def test_what_another_process_has_counted_is_not_counted_again(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data", window={"max_domains": 1}) as first:
        await first.traffic(range(6))
        await first.push(record(0), record(6, domain="b.example"), record(6, domain="c.example"))
        await first.to(10)
        sealer = first.service.sealer
        assert (sealer.records, sealer.late) == ({"svc": 9}, {"svc": 1})
        assert sealer.overflowed["svc"] > 0

    async with keeping(tmp_path / "data", at=11, window={"max_domains": 1}) as second:
        sealer = second.service.sealer
        assert (sealer.records, sealer.late, sealer.overflowed) == ({}, {}, {})
        await second.push(record(11))
        await second.to(14)
        assert (sealer.records, sealer.late, sealer.overflowed) == ({"svc": 1}, {}, {})


async def test_what_was_shown_is_shown_again_and_what_is_open_goes_on(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data") as first:
        await first.traffic(range(6))
        await first.push(record(6), record(5), record(1))
        before = await shown(first)
        left = killed(tmp_path / "data")

    async with keeping(left, at=5) as second:
        assert await shown(second) == before
        await second.push(record(6))
        await second.to(8)
        # Second 1 was late in the first process already, and came into the oldest that was open then.
        assert await requests(second) == {0: 1, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2}


async def test_the_start_says_what_it_shows_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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


async def test_what_was_late_stays_late(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data") as first:
        await first.to(5.5)
        await first.push(record(0), record(1), record(4))
        await first.to(7)
        before = await shown(first)
        assert await requests(first) == {4: 3}
        left = killed(tmp_path / "data")

    async with keeping(left, at=7) as second:
        assert await shown(second) == before


async def test_after_a_gap_one_seal_stands_for_all_that_were_missed(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data") as first:
        await first.push(record(0), record(1), record(2))
        left = killed(tmp_path / "data")

    async with keeping(left, at=30) as second:
        assert await requests(second) == {0: 1, 1: 1, 2: 1}
        # One from the first process, one for the gap.
        assert second.service.journal.end == 3
        assert (await second.get("/v1/domains/svc/ts/h"))["Timestamp"] == START + 30


async def test_a_reader_who_chains_misses_and_repeats_nothing(tmp_path: Path) -> None:
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
async def test_a_journal_that_was_cut_off_at_its_begin_gives_the_same_entries(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - traffic, not secrets
    services = ("svc", "other")
    async with keeping(tmp_path / "data", shelf={"keep": 120}) as first:
        for now in range(150):
            await first.to(now + chance.random())
            for _ in range(chance.randrange(3)):
                # From long ago to as far ahead as may be.
                ages = [chance.choice([0, 0, 1, 2, 5, 60, -1, -5]) for _ in range(chance.randrange(1, 5))]
                records = [record(now - age, service_id=chance.choice(services)) for age in ages]
                await first.push(*records)
        before = await shown(first, services)
        size = first.service.sealer.retention.size
        left = killed(tmp_path / "data")
        end = first.clock.now() - START

    async with keeping(left, at=end, shelf={"keep": 120}) as second:
        assert await shown(second, services) == before
        # Begun again with what the first needed, and not with everything; the places that it reserves are its own.
        assert size <= second.service.sealer.retention.size < size + 1000
        assert second.service.journal.complete_after > START
        await second.to(end + 10)
        after = await requests(second)
    assert sum(after.values()) > 0

    async with keeping(tmp_path / "data", at=end + 10, shelf={"keep": 120}) as third:
        assert await requests(third) == after


async def test_a_longer_shelf_shows_no_second_of_which_only_a_part_is_left(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data", shelf={"keep": 120}) as first:
        for now in range(140):
            await first.to(now)
            await first.push(record(now), record(now + 4))
        before = await requests(first)
        gone = first.service.journal.complete_after - START
        left = killed(tmp_path / "data")
    assert gone > 10

    async with keeping(left, at=139, shelf={"keep": 300}) as second:
        found = await requests(second)
    assert found == {at: count for at, count in before.items() if at > gone}


async def test_beyond_its_size_a_restart_shows_less_and_loses_nothing_that_is_open(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data", journal={"max_bytes": 300_000}) as first:
        for now in range(30):
            await first.to(now)
            await first.push(*(record(now, domain=f"{number}.example") for number in range(300)))
        assert len(await requests(first)) == 28
        left = killed(tmp_path / "data")

    async with keeping(left, at=29) as second:
        await second.to(31)
        found = await requests(second)
        assert set(found.values()) == {300}
        assert 5 < len(found) < 25
        assert max(found) == 29


async def test_a_clock_that_is_a_little_behind_goes_on_where_the_journal_ends(tmp_path: Path) -> None:
    async with keeping(tmp_path / "data", at=40) as first:
        await first.push(record(40))
        await first.to(42)
        left = killed(tmp_path / "data")

    async with keeping(left, at=20) as second:
        assert (await second.get("/v1/domains/svc/ts/h"))["Timestamp"] == START + 42
        await second.push(record(20))
        await second.to(44)
        assert await requests(second) == {40: 1, 41: 1}


async def test_a_clock_that_is_far_behind_begins_anew_and_what_was_not_shown_counts(tmp_path: Path) -> None:
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


async def test_a_followed_file_goes_on_at_the_byte(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.touch()
    sources: dict[str, object] = {"follow": [{"path": str(log)}]}

    def write(*records: Json, unfinished: bytes = b"") -> None:
        with log.open("ab") as file:
            file.write(ndjson(records) + unfinished)

    async def counts(service: Served, records: int) -> None:
        """Turn the clock until a file was looked at, and wait until so many records are durable: the clock does not."""
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


async def test_a_partial_of_another_version_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    await journal.seal(START)
    await journal.append(b"of another version")
    await journal.close()

    with pytest.raises(
        ConfigError, match=r"journal\.data_dir: cannot read fact 2: .*; to start over, move the journal away"
    ):
        async with keeping(tmp_path):
            pass
