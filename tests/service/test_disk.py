"""What still works while the journal cannot be written, and how it recovers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgetally.errors import Unavailable
from edgetally.journal.base import Checkpoints
from edgetally.journal.memory import MemoryJournal
from edgetally.service.service import Service
from tests.support.clock import START
from tests.support.served import Served, ndjson, record, served

PROBLEM = "the journal cannot be written: database or disk is full"


class Failing(MemoryJournal):
    """A journal that fails while `failing` is set."""

    failing: str | None = None  # type: ignore[assignment]
    seals_tried = 0
    """How often a seal was tried: once a second."""

    async def append(
        self, partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None
    ) -> None:
        self._try()
        await super().append(partial, checkpoints, push_id=push_id)

    async def seal(self, second: int) -> None:
        self.seals_tried += 1
        self._try()
        await super().seal(second)

    def _try(self) -> None:
        if self.failing:
            raise Unavailable(self.failing)


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Failing:
    journal = Failing()
    monkeypatch.setattr("edgetally.service.service._journal", lambda *_: journal)
    return journal


@pytest.fixture
async def service(journal: Failing, tmp_path: Path) -> AsyncIterator[Served]:
    (tmp_path / "access.log").touch()
    async with served(
        {"sources": {"follow": [{"path": str(tmp_path / "access.log"), "service_id": "file"}]}}
    ) as running:
        clock, shelf = running.clock, running.service.shelf
        clock.settled = lambda: (
            journal.seals_tried > int(clock.now()) - START
            and journal.newest_seal is not None
            and shelf.newest == journal.newest_seal.second
        )
        await running.to(0.5)
        yield running


async def test_pushes_are_refused_with_retry_after(service: Served, journal: Failing) -> None:
    journal.failing = PROBLEM
    answer = await service.client.post("/ingest", content=ndjson([record(0)]))

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json() == {
        "Error": f"{PROBLEM}; nothing of this push was counted: send it again",
        "Timestamp": START,
        "msg": f"{PROBLEM}; nothing of this push was counted: send it again",
    }
    journal.failing = None
    await service.push(record(0))
    await service.to(3)
    (entry,) = await service.entries()
    assert entry["aggregated"]["a.example"]["requests"] == 1


async def test_readiness_shows_the_problem(service: Served, journal: Failing) -> None:
    assert (await service.client.get("/readyz")).status_code == 200
    journal.failing = PROBLEM
    answer = await service.client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"]["journal"] == {"ok": False, "problem": PROBLEM}


async def test_readers_get_sealed_entries_and_an_unchanged_timestamp(service: Served, journal: Failing) -> None:
    await service.traffic(range(3))
    await service.to(4)
    before = await service.get("/v1/domains/svc/ts/1")
    waiting = await service.park(f"/v1/domains/svc/ts/{before['Timestamp']}")

    journal.failing = PROBLEM
    await service.to(60)

    assert await service.get("/v1/domains/svc/ts/1") == before
    assert (await waiting).json() == {
        "Data": [],
        "Timestamp": before["Timestamp"],
        "AggregateDelay": 2,
        "Error": "No data available, please retry",
    }


async def test_readiness_and_metrics_show_the_failure_and_the_recovery(service: Served, journal: Failing) -> None:
    journal.failing = PROBLEM
    failing = await service.client.get("/readyz")
    counted = (await service.client.get("/metrics")).text
    journal.failing = None

    assert failing.status_code == 503
    assert failing.json()["checks"]["journal"] == {"ok": False, "problem": PROBLEM}
    assert "\nedgetally_journal_failing 1.0\n" in counted
    assert (await service.client.get("/readyz")).status_code == 200
    assert "\nedgetally_journal_failing 0.0\n" in (await service.client.get("/metrics")).text


async def test_one_seal_covers_those_that_could_not_be_written(service: Served, journal: Failing) -> None:
    await service.traffic(range(3))
    journal.failing = PROBLEM
    await service.to(10)
    assert service.service.shelf.newest == START

    journal.failing = None
    await service.to(11)
    assert service.service.shelf.newest == START, "sources that waited for the journal come first"
    await service.to(12)
    assert service.service.shelf.newest == START + 10
    assert [entry["recorded"] - START for entry in await service.entries()] == [0, 1, 2]


async def test_a_followed_file_waits_and_every_line_of_it_counts_once(
    service: Served, journal: Failing, tmp_path: Path
) -> None:
    def write(second: int) -> None:
        with (tmp_path / "access.log").open("ab") as file:
            # Few enough to be folded and merged without threads, because the clock does not wait for those.
            file.write(ndjson([record(second, service_id=None)] * 10))

    write(0)
    await service.to(1)
    journal.failing = PROBLEM
    for second in range(1, 6):
        write(second)
        await service.to(second + 1)
    before = dict(journal.checkpoints())
    write(6)
    # The commit failed at 8.1, and is tried again at 9.1: after the next seal.
    await service.to(8.5)
    assert dict(journal.checkpoints()) == before

    journal.failing = None
    await service.to(12)
    counts = [entry["aggregated"]["a.example"]["requests"] for entry in await service.entries(service_id="file")]
    assert counts == [10] * 7


async def test_it_stops_while_the_journal_fails_and_logs_what_is_lost(
    service: Served, journal: Failing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    journal.failing = PROBLEM
    (tmp_path / "access.log").write_bytes(ndjson([record(0)] * 3))
    await service.to(1)
    async with asyncio.timeout(10):
        await service.service.__aexit__(None, None, None)

    messages = [one.getMessage() for one in caplog.records]
    assert messages == [f"file:{tmp_path}/access.log: 3 records not committed before the stop: {PROBLEM}"]


async def test_it_does_not_start_if_nothing_was_ever_sealed(journal: Failing) -> None:
    journal.failing = PROBLEM
    with pytest.raises(Unavailable, match="disk is full"):
        async with served():
            pass


async def test_it_starts_with_the_time_of_the_last_seal(journal: Failing) -> None:
    await journal.seal(START - 20)
    journal.failing = PROBLEM
    async with served() as running:
        assert (await running.get("/v1/domains/svc/ts/h"))["Timestamp"] == START - 18
        assert isinstance(running.service, Service)
