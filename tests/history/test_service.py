"""The history of a whole server: what was accepted is in it once, also when the clock was set back."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from edgetally.history.sqlite_file import open_reader
from edgetally.history.tiers import HOUR
from edgetally.journal.sqlite import SqliteJournal
from tests.support.clock import START, ManualClock
from tests.support.served import Json, Served, record, served


@asynccontextmanager
async def keeping(directory: Path, now: float = START) -> AsyncIterator[Served]:
    settings: dict[str, Json] = {"journal": {"kind": "sqlite", "data_dir": str(directory)}}
    async with served(settings, ManualClock(now)) as running:
        yield running


async def requests(running: Served) -> int:
    """Return the requests of all minutes, also of those that are in the future since the clock was set back."""
    question = f"downsample=minute&start=0&end={START + HOUR}&metric=requests"
    answer = await running.get(f"/metrics/domains/services/svc?{question}")
    return sum(one["requests"] for series in answer["data"] for one in series["values"])


@pytest.mark.parametrize("set_back", [0, 30, 120, 2 * HOUR])
async def test_a_kill_and_a_clock_that_was_set_back_lose_and_double_nothing(tmp_path: Path, set_back: int) -> None:
    async with keeping(tmp_path / "first") as running:
        for second in (0, 58, 61, 70):
            await running.to(second)
            await running.push(record(second))
        await running.to(75)
        # The seals behind it do not seal it.
        await running.push(record(75))
        await running.to(76)
        shutil.copytree(tmp_path / "first", tmp_path / "second")  # as a kill leaves it
        assert await requests(running) == 4

    now = START + 77 - set_back
    async with keeping(tmp_path / "second", now) as running:
        assert await requests(running) in (4, 5)
        # If the clock is only a little behind, time goes on where the journal ends.
        begin = running.clock.now()
        await running.push(record(begin - START), record(begin - START))
        await running.to(begin - START + 65)
        assert await requests(running) == 7

    async with keeping(tmp_path / "second", begin + 66) as running:
        assert await requests(running) == 7


async def test_a_journal_begins_anew_once_all_of_it_is_in_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keeping(tmp_path / "first") as running:
        await running.push(record(0))
        await running.to(61)
        await running.push(record(61))
        await running.to(75)
        shutil.copytree(tmp_path / "first", tmp_path / "second")  # as a kill leaves it

    there: list[tuple[int, int]] = []

    def start_over(journal: SqliteJournal, position: int) -> None:
        with closing(sqlite3.connect(tmp_path / "second" / "history.sqlite")) as database:
            there.extend(database.execute("SELECT (SELECT count(*) FROM minutes), (SELECT until FROM marks)"))
        original(journal, position)

    original = SqliteJournal.start_over
    monkeypatch.setattr(SqliteJournal, "start_over", start_over)
    async with keeping(tmp_path / "second", START - HOUR) as running:
        assert await requests(running) == 2
    # From here on the journal forgets, so a kill must not lose what waits for a commit of the history.
    ((minutes, until),) = there
    assert minutes == 4  # two of domains, two of origins
    assert until > START + 61


async def test_a_file_that_was_moved_is_missed(tmp_path: Path) -> None:
    async with keeping(tmp_path) as running:
        (tmp_path / "history.sqlite").rename(tmp_path / "elsewhere")
        await running.push(record(0))
        await running.to(65)
        history = (await running.get("/readyz"))["checks"]["history"]
        problem = "the history cannot be written: its file was moved or deleted: put it back, or restart to start over"
        assert history["problem"].startswith(problem)

        (tmp_path / "elsewhere").rename(tmp_path / "history.sqlite")
        await running.to(70)
        assert await requests(running) == 1


def test_a_reader_creates_no_file_in_the_place_of_one_that_was_moved(tmp_path: Path) -> None:
    log = tmp_path / "history.sqlite-wal"
    log.write_bytes(b"of the file that was moved")
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        open_reader(tmp_path / "history.sqlite")
    assert [*tmp_path.iterdir()] == [log]


async def test_a_full_disk_does_not_make_a_server_unready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with keeping(tmp_path) as running:
        monkeypatch.setattr("edgetally.history.store.RESERVED_BYTES", 1 << 62)
        monkeypatch.setattr("edgetally.history.store.RESERVED_PART", 1.0)
        await running.push(record(0))
        await running.to(65)
        ready = await running.client.get("/readyz")
        metrics = (await running.client.get("/metrics")).text

        assert ready.status_code == 200
        assert (
            "left, which are reserved for the journal; 2 minutes wait" in ready.json()["checks"]["history"]["problem"]
        )
        assert "edgetally_history_failing 1.0" in metrics
        assert (await running.push(record(65)))["accepted"] == 1

        monkeypatch.undo()
        await running.to(70)
        assert (await running.get("/readyz"))["checks"]["history"] == {"ok": True, "problem": None}
        assert await requests(running) == 2
