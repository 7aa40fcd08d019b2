"""`edgetally history`: old logs go into the history, and rows come out of it."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from edgetally.cli.main import main
from edgetally.history.base import ServiceMinute
from edgetally.history.retention import KeepLimits
from edgetally.history.store import HistoryFile
from edgetally.history.tiers import DAY, HOUR
from tests.support.clock import START, ManualClock
from tests.support.history import MIDNIGHT, keeping, sealed_seconds
from tests.support.programs import program
from tests.support.served import Json, Served, record, served

LIMITS = KeepLimits({"minute": 35, "hour": 400, "day": 3_650}, 1 << 40)


@pytest.fixture(autouse=True)
def _yesterday(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands run a day after the logs."""
    monkeypatch.setattr("edgetally.clock.SystemClock.now", lambda _: MIDNIGHT + 90_000.0)


def log(path: Path, *seconds: int, pop: str = "AMS", **fields: object) -> Path:
    """Write a log: one request at each of these seconds after midnight."""
    records = [
        {"ts": MIDNIGHT + second, "domain": "a.example", "pop": pop, "status": 200, "service_id": "svc", **fields}
        for second in seconds
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


def load(directory: Path, *arguments: str | Path) -> int:
    return main(["history", "import", "--data-dir", str(directory), *map(str, arguments)])


def rows(directory: Path, capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> list[dict[str, Any]]:
    capfdbinary.readouterr()
    assert main(["history", "export", "--data-dir", str(directory), *arguments]) == 0
    return [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def test_what_is_imported_is_exported(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    one = log(tmp_path / "one.log", 0, 1, 59, 60, resp_body_bytes=7)
    two = log(tmp_path / "two.log", 2, 3_600, pop="FRA", domain="b.example", status=503)
    assert load(tmp_path, one, two) == 0
    assert capfdbinary.readouterr().err.decode().splitlines()[-1] == "minutes added: 3"

    exported = rows(tmp_path, capfdbinary)
    assert [
        (one["service_id"], one["domain"], one["datacenter"], one["timestamp"] - MIDNIGHT, one["requests"])
        for one in exported
    ] == [
        ("svc", "a.example", "AMS", 0, 3),
        ("svc", "a.example", "AMS", 60, 1),
        ("svc", "b.example", "FRA", 0, 1),
        ("svc", "b.example", "FRA", 3_600, 1),
    ]
    assert [one.get("resp_body_bytes", 0) for one in exported] == [21, 7, 0, 0]
    assert [one.get("status_503", 0) for one in exported] == [0, 0, 1, 1]


@pytest.mark.parametrize(("downsample", "windows"), [("hour", [(0, 5), (3_600, 1)]), ("day", [(0, 6)])])
def test_hours_and_days_are_sums_of_minutes(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], downsample: str, windows: list[tuple[int, int]]
) -> None:
    assert load(tmp_path, log(tmp_path / "a.log", 0, 1, 59, 60, 3_599, 3_600)) == 0
    for dataset in ("domains", "channel"):
        exported = rows(tmp_path, capfdbinary, "--downsample", downsample, "--dataset", dataset)
        assert [(one["timestamp"] - MIDNIGHT, one["requests"]) for one in exported] == windows


def test_only_windows_and_services_that_are_asked_for_are_exported(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    mine = log(tmp_path / "mine.log", 0, 60, 120, 180)
    other = log(tmp_path / "other.log", 60, service_id="other")
    assert load(tmp_path, mine, other) == 0

    some = rows(tmp_path, capfdbinary, "--from", str(MIDNIGHT + 60), "--to", str(MIDNIGHT + 180), "--service", "svc")
    assert [one["timestamp"] - MIDNIGHT for one in some] == [60, 120]
    assert {one["service_id"] for one in some} == {"svc"}
    assert len(rows(tmp_path, capfdbinary)) == 5


def test_an_import_that_is_repeated_counts_nothing_twice(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    first = log(tmp_path / "first.log", 0, 60)
    assert load(tmp_path, first) == 0
    longer = log(tmp_path / "longer.log", 0, 60, 120)
    assert load(tmp_path, longer) == 0
    assert capfdbinary.readouterr().err.decode().splitlines()[-1] == (
        "minutes added: 1; in the history already, and left as they are (see --add): 2"
    )
    assert [one["requests"] for one in rows(tmp_path, capfdbinary)] == [1, 1, 1]


@pytest.mark.parametrize("age", [40, 500])
@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_logs_that_are_cut_within_an_hour_are_imported_whole(
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    age: int,
    order: int,
) -> None:
    monkeypatch.setattr("edgetally.clock.SystemClock.now", lambda _: MIDNIGHT + age * DAY + 0.0)
    cut = 6 * HOUR + 25 * 60
    logs = [
        log(tmp_path / "before.log", *range(0, cut, 60)),
        log(tmp_path / "after.log", *range(cut, DAY + 60, 60)),
    ]
    for one in logs[::order]:
        assert load(tmp_path, one) == 0
        assert b"left as they are" not in capfdbinary.readouterr().err
    for one in logs:
        assert load(tmp_path, one) == 0
        assert b"minutes added: 0; in the history already" in capfdbinary.readouterr().err

    found = rows(tmp_path, capfdbinary, "--downsample", "day")
    assert [(one["timestamp"] - MIDNIGHT, one["requests"]) for one in found] == [(0, 1_440), (DAY, 1)]


@pytest.mark.parametrize("age", [1, 40, 500])
def test_an_import_that_was_killed_can_be_repeated(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, age: int
) -> None:
    monkeypatch.setattr("edgetally.clock.SystemClock.now", lambda _: MIDNIGHT + age * DAY + 0.0)
    whole = log(tmp_path / "whole.log", *range(0, 3 * HOUR, 60))
    with monkeypatch.context() as killed:
        add, commits = HistoryFile.add, iter([1])

        def add_once(file: HistoryFile, minutes: list[ServiceMinute], **options: bool) -> int:
            if not next(commits, 0):
                raise LookupError
            return add(file, minutes, **options)

        killed.setattr(HistoryFile, "add", add_once)
        with pytest.raises(LookupError):
            load(tmp_path, whole)
    assert load(tmp_path, whole) == 0

    found = rows(tmp_path, capfdbinary, "--downsample", "day")
    assert [one["requests"] for one in found] == [180]


def test_what_a_server_recorded_is_not_imported_when_only_its_day_is_kept(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgetally.clock.SystemClock.now", lambda _: MIDNIGHT + 500 * DAY + 0.0)
    with keeping(tmp_path) as kept:
        records = ({"ts": MIDNIGHT + at, "service_id": "svc", "domain": "a.example"} for at in (0, 120))
        kept.seal_each(sealed_seconds(records), until=MIDNIGHT + 180)
        kept.settle()
    # The first of these begins with the compaction of what the server recorded.
    assert load(tmp_path, log(tmp_path / "later.log", DAY)) == 0
    assert load(tmp_path, log(tmp_path / "all.log", 0, 60, 120, 180)) == 0

    found = rows(tmp_path, capfdbinary, "--downsample", "day")
    assert [one["requests"] for one in found] == [4, 1]


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Served]:
    """Serve a minute, count a request of each of two minutes, and leave the second uncommitted."""
    settings: dict[str, Json] = {"journal": {"kind": "sqlite", "data_dir": str(directory)}}
    async with served(settings, ManualClock(MIDNIGHT + 30)) as running:
        for second in (30, 70):
            await running.to(MIDNIGHT + second - START)
            await running.push(record(MIDNIGHT + second - START))
        await running.to(MIDNIGHT + 75 - START)
        yield running


async def test_minutes_that_the_journal_has_are_left_to_the_server(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    logs = [log(tmp_path / "all.log", 30, 70), log(tmp_path / "later.log", 600), log(tmp_path / "early.log", -60)]
    live, killed = tmp_path / "live", tmp_path / "killed"
    async with serving(live):
        await asyncio.to_thread(shutil.copytree, live, killed)  # as a kill leaves it
        assert await asyncio.to_thread(load, live, *logs) == 0
        running = capfdbinary.readouterr().err.decode().splitlines()[-2:]
    assert load(killed, *logs) == 0
    stopped = capfdbinary.readouterr().err.decode().splitlines()[-2:]

    # While it runs, it may add to all that comes; a journal says what it adds.
    sentence = (
        "minutes left to the server, which may still add what it has counted: {}; "
        "repeat the import when it has run for two minutes"
    )
    present = "minutes added: {}; in the history already, and left as they are (see --add): 1"
    assert running == [sentence.format(2), present.format(1)]
    assert stopped == [sentence.format(1), present.format(2)]

    for directory, added in ((live, 1), (killed, 0)):
        settings: dict[str, Json] = {"journal": {"kind": "sqlite", "data_dir": str(directory)}}
        async with served(settings, ManualClock(MIDNIGHT + 90)) as again:
            await again.to(MIDNIGHT + 200 - START)
        assert load(directory, *logs) == 0
        assert capfdbinary.readouterr().err.decode().splitlines()[-1].startswith(f"minutes added: {added};")
        found = rows(directory, capfdbinary)
        assert [(one["timestamp"] - MIDNIGHT, one["requests"]) for one in found] == [
            (-60, 1),
            (0, 1),
            (60, 1),
            (600, 1),
        ]


async def test_a_server_that_has_only_just_started_is_waited_for(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    early = log(tmp_path / "early.log", -60)
    async with served({"journal": {"kind": "sqlite", "data_dir": str(tmp_path)}}, ManualClock(MIDNIGHT + 30)):
        assert await asyncio.to_thread(load, tmp_path, early) == 1
    assert "has written no minute to the history yet: try again in a minute" in capfdbinary.readouterr().err.decode()


def test_the_log_of_another_edge_is_added(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert load(tmp_path, log(tmp_path / "one.log", 0, 60)) == 0
    assert load(tmp_path, "--add", log(tmp_path / "two.log", 1, 2, pop="FRA")) == 0

    assert [
        (one["datacenter"], one["timestamp"] - MIDNIGHT, one["requests"]) for one in rows(tmp_path, capfdbinary)
    ] == [
        ("AMS", 0, 1),
        ("AMS", 60, 1),
        ("FRA", 0, 2),
    ]


@pytest.mark.parametrize("more", [[], ["--add"]])
def test_minutes_older_than_what_is_kept_are_left_out(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], more: list[str]
) -> None:
    (tmp_path / "edgetally.toml").write_text("[history]\nminute_days = 0\nhour_days = 1\nday_days = 40\n")
    settings = ["--config", str(tmp_path / "edgetally.toml")]
    # A day is kept as long as the last one of its month.
    oldest = -30 * 86_400
    logs = log(tmp_path / "a.log", -80 * 86_400, -80 * 86_400 + 1, -80 * 86_400 + 60, oldest, 0)
    assert load(tmp_path, *settings, *more, logs) == 0
    assert capfdbinary.readouterr().err.decode().splitlines()[-1] == (
        "minutes added: 2; older than what is kept, and left out (see history.day_days): 2"
    )
    exported = rows(tmp_path, capfdbinary, "--downsample", "day")
    assert [(one["timestamp"] - MIDNIGHT, one["requests"]) for one in exported] == [(oldest, 1), (0, 1)]


def test_minutes_that_are_not_over_are_left_out(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    now = 90_000
    assert load(tmp_path, log(tmp_path / "a.log", 0, now - 1, now, now + 61, now + 86_400)) == 0
    assert capfdbinary.readouterr().err.decode().splitlines()[-1] == (
        "minutes added: 2; not over yet by the clock of this machine, and left out: 3"
    )
    exported = rows(tmp_path, capfdbinary, "--to", "2027-01-01")
    assert [one["timestamp"] - MIDNIGHT for one in exported] == [0, now - 60]


def test_lines_that_do_not_count_are_reported_as_by_fold(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    broken = log(tmp_path / "a.log", 0)
    broken.write_text(broken.read_text() + "what is this\n")
    assert load(tmp_path, broken) == main(["fold", str(broken)]) == 0
    nothing = tmp_path / "nothing.log"
    nothing.write_text("what is this\n")
    assert load(tmp_path, nothing) == main(["fold", str(nothing)]) != 0
    assert "1 rejected" in capfdbinary.readouterr().err.decode()
    assert [one["requests"] for one in rows(tmp_path, capfdbinary)] == [1]


def test_a_log_in_another_format_is_not_imported(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    caddy = log(tmp_path / "caddy.log", 0, domain=None, request={"host": "b.example"})
    caddy.write_text(caddy.read_text().replace('"domain": null, ', ""))

    assert load(tmp_path, caddy) == 2
    assert (
        b"lines look like format caddy, and are read as canonical: pass --format caddy\n"
        in capfdbinary.readouterr().err
    )
    assert load(tmp_path, "--format", "caddy", caddy) == 0
    assert [row["domain"] for row in rows(tmp_path, capfdbinary)] == ["b.example"]


def test_without_a_history_there_is_nothing_to_export(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["history", "export", "--data-dir", str(tmp_path)]) == 2
    assert f"there is no history in {tmp_path}" in capfdbinary.readouterr().err.decode()


@pytest.mark.parametrize("when", ["yesteryear", "", "2026-13-01"])
def test_a_time_that_is_none_is_refused(when: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["history", "export", "--from", when])
    assert "expected Unix seconds, a date, or `2 weeks ago`" in capfdbinary.readouterr().err.decode()


def test_an_end_before_the_start_is_refused(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert load(tmp_path, log(tmp_path / "a.log", 0)) == 0
    assert main(["history", "export", "--data-dir", str(tmp_path), "--from", "20", "--to", "10"]) == 2
    assert "--from: must not be after --to (got 20 and 10)" in capfdbinary.readouterr().err.decode()


def test_files_that_are_no_history_are_refused(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert load(tmp_path, log(tmp_path / "a.log", *range(0, DAY, 60))) == 0
    path = tmp_path / "history.sqlite"
    whole = path.read_bytes()

    def changed(*statements: str) -> bytes:
        path.write_bytes(whole)
        with closing(sqlite3.connect(path)) as database:
            for one in statements:
                database.execute(one)
            database.commit()
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()

    page = 8_192
    for content, problem in {
        b"": "there is no history in",
        b"what is this" * 1_000: "is damaged (file is not a database): to start over, move it",
        whole[: len(whole) // 2]: "is damaged (database disk image is malformed): to start over, move it",
        whole[: page + 100]: "is damaged (database disk image is malformed): to start over, move it",
        whole[:page]
        + bytes(len(whole) - page): "is damaged (database disk image is malformed): to start over, move it",
        changed("UPDATE chunks SET rows = x'00'"): "is damaged (expected history of version 1, got 0): to start over",
        changed("PRAGMA user_version = 99"): "was written by a newer version of edgetally: run that version",
        changed("PRAGMA application_id = 77"): "belongs to another program: choose another directory",
    }.items():
        path.write_bytes(content)
        capfdbinary.readouterr()
        assert main(["history", "export", "--data-dir", str(tmp_path)]) == 2
        said = capfdbinary.readouterr()
        assert problem in said.err.decode()
        if content:
            assert load(tmp_path, "--add", tmp_path / "a.log") == 2
            assert problem in capfdbinary.readouterr().err.decode()

    path.unlink()
    path.mkdir()
    assert main(["history", "export", "--data-dir", str(tmp_path)]) == 2
    assert f"cannot open {path}: unable to open database file" in capfdbinary.readouterr().err.decode()


@pytest.mark.skipif(os.geteuid() == 0 and not program("setpriv"), reason="root may write everything")
def test_a_user_who_may_only_read_exports(tmp_path: Path) -> None:
    logs = [log(tmp_path / "a.log", 0), log(tmp_path / "b.log", 60)]
    directory = tmp_path / "data"
    path, wal, shm = (directory / f"history.sqlite{end}" for end in ("", "-wal", "-shm"))
    powerless = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []

    def export() -> tuple[int, int, str]:
        there = [one for one in (path, wal, shm) if one.exists()]
        for one in there:
            one.chmod(one.stat().st_mode & 0o444)
        directory.chmod(0o555)
        command = [*powerless, sys.executable, "-m", "edgetally", "history", "export", "--data-dir", str(directory)]
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
        directory.chmod(0o755)
        for one in there:
            one.chmod(0o644)
        return done.returncode, len(done.stdout.splitlines()), done.stderr.decode()

    assert load(directory, logs[0]) == 0
    assert export() == (0, 1, "")
    with closing(HistoryFile(directory, LIMITS, names=10)):
        # As beside a server.
        assert load(directory, logs[1]) == 0
        assert wal.stat().st_size
        assert export() == (0, 2, "")
        contents = [(one, one.read_bytes()) for one in (path, wal, shm)]
    for one, content in contents:
        one.write_bytes(content)  # as a kill leaves it
    assert export() == (0, 2, "")
    shm.unlink()
    status, _, problem = export()
    assert status == 2
    assert "a user who may not write needs a server that runs: start it, or read as its user" in problem
    path.chmod(0o200)
    problem = f"edgetally: --data-dir: cannot open {path}: expected a file that this user may read\n"
    assert export() == (2, 0, problem)
