"""The journal in a file."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from edgetally.errors import ConfigError, Unavailable
from edgetally.journal import sqlite
from edgetally.journal.base import Partial, Seal
from edgetally.journal.sqlite import SqliteJournal
from edgetally.journal.sqlite_file import FILE, VERSION
from tests.journal.conformance import Conformance, OnePartition, contents, take


class TestSqliteJournal(Conformance):
    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> None:
        self.path = tmp_path

    async def open(self) -> OnePartition:
        return SqliteJournal(self.path / "first")

    async def reopen(self, journal: OnePartition) -> OnePartition:
        # A killed process leaves the file and its log as they are.
        assert not journal.failing
        shutil.copytree(self.path / "first", self.path / "second")
        return SqliteJournal(self.path / "second")


async def test_a_reader_far_behind_reads_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "TAIL_BYTES", 3000)
    monkeypatch.setattr(sqlite, "READ_BYTES", 2500)
    journal = SqliteJournal(tmp_path)
    partials = [bytes([number]) * 1000 for number in range(20)]
    for partial in partials[:10]:
        await journal.append(partial)
    facts = journal.read()
    found = [await anext(facts) for _ in range(5)]
    for partial in partials[10:]:
        await journal.append(partial)
    found += [await anext(facts) for _ in range(15)]

    assert contents(found) == partials
    assert contents(await take(journal, 1, 19)) == partials[19:]
    await journal.close()


async def test_appends_during_a_commit_are_committed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = SqliteJournal(tmp_path)
    await journal.append(b"first")
    before = journal.commits
    began, goes_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    remove = journal._remove  # noqa: SLF001 - called in the middle of a commit

    def wait(forgotten: sqlite.Forgotten) -> bool:
        loop.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result()
        return remove(forgotten)

    monkeypatch.setattr(journal, "_remove", wait)
    journal.forget(0)
    one = asyncio.create_task(journal.append(b"one"))
    await began.wait()
    others = [asyncio.create_task(journal.append(b"%d" % number)) for number in range(100)]
    await asyncio.sleep(0)
    assert not any(other.done() for other in others)
    goes_on.set()
    await asyncio.gather(one, *others)

    assert journal.commits == before + 2
    await journal.close()


async def test_free_pages_are_used_again_and_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "FREE_BYTES", 1 << 20)
    journal = SqliteJournal(tmp_path)
    sizes = []
    for second in range(1, 40):
        for _ in range(4):
            await journal.append(b"x" * 250_000)
        await journal.seal(second)
        journal.forget(journal.end - 20)
        sizes.append((tmp_path / FILE).stat().st_size)
    assert max(sizes) < 20_000_000
    largest = journal.size

    journal.forget(journal.end)
    for second in range(40, 60):
        await journal.seal(second)
    await journal.close()

    assert largest > 4_000_000
    assert (tmp_path / FILE).stat().st_size < 2_000_000


async def test_many_facts_are_removed_in_several_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "REMOVE_ROWS", 3)
    journal = SqliteJournal(tmp_path)
    for second in range(1, 11):
        await journal.seal(second)
    journal.forget(9, complete_after=7)
    left = []
    for second in range(11, 15):
        await journal.seal(second)
        left.append(journal._stored(0)[0].position)  # noqa: SLF001 - reads the file, not the tail
        if second == 11:
            # All of them are forgotten already, though some rows are still there.
            half = SqliteJournal(Path(shutil.copytree(tmp_path, tmp_path.with_name("half"))))
            assert await take(half, 1) == [Seal(10, 10)]
            assert half.complete_after == 7
            await half.close()
    assert left == [5, 9, 10, 10]
    await journal.close()
    again = SqliteJournal(tmp_path)
    assert again.complete_after == 7
    assert again.newest_seal == Seal(14, 14)
    assert await take(again, 5) == [Seal(number, number) for number in range(10, 15)]
    await again.close()


async def test_a_cancelled_append_is_stored_all_the_same(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    task = asyncio.create_task(journal.append(b"a", {"one": "1"}))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert await take(journal, 1) == [Partial(1, b"a")]
    assert journal.checkpoints() == {"one": "1"}
    await journal.close()


HOLD = """
import sys
from pathlib import Path
from edgetally.journal.sqlite import SqliteJournal
journal = SqliteJournal(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_directory_in_use_is_refused_until_its_process_has_ended(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=r"journal\.data_dir: .* is in use by another process"):
            SqliteJournal(tmp_path)
        holder.kill()
        holder.wait()
    SqliteJournal(tmp_path)._database.close()  # noqa: SLF001 - there is no event loop to close it in


def test_a_directory_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"journal\.data_dir: cannot open .*file/below/journal.sqlite: "):
        SqliteJournal(tmp_path / "file" / "below")


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    await SqliteJournal(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(ConfigError, match="written by a newer version of edgetally: run that version, or move"):
        SqliteJournal(tmp_path)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("CREATE TABLE bookmarks (address TEXT)")
    with pytest.raises(ConfigError, match="belongs to another program"):
        SqliteJournal(tmp_path)


def test_a_file_that_is_not_a_database_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database, but quite long" * 200)
    with pytest.raises(ConfigError, match=r"is damaged \(.*\): to start over, move it and journal.sqlite-wal away"):
        SqliteJournal(tmp_path)
    assert (tmp_path / FILE).read_bytes() == b"not a database, but quite long" * 200


async def test_damage_that_is_found_while_reading_is_named_too(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    for number in range(50):
        await journal.append(bytes([number]) * 20_000)
    await journal.close()
    damaged = bytearray((tmp_path / FILE).read_bytes())
    # All but the first pages, which name the tables, and the last, where the checkpoints may be.
    damaged[4096 * 5 : -4096 * 20] = b"\xaa" * (len(damaged) - 4096 * 25)
    (tmp_path / FILE).write_bytes(damaged)

    with pytest.raises(ConfigError, match="is damaged"):
        await take(SqliteJournal(tmp_path), 50)


class Disk:
    """The disk of a journal, whose writes fail with `problem` if there is one."""

    def __init__(self, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
        self.problem = ""
        insert = journal._insert  # noqa: SLF001 - every write passes here

        def write(job: sqlite.Write) -> int | None:
            position = insert(job)
            if self.problem:
                raise sqlite3.OperationalError(self.problem)
            return position

        monkeypatch.setattr(journal, "_insert", write)


async def test_nothing_of_a_failed_commit_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = SqliteJournal(tmp_path)
    disk = Disk(journal, monkeypatch)
    await journal.append(b"a", {"one": "1"})
    disk.problem = "database or disk is full"
    tried = await asyncio.gather(
        journal.append(b"b", {"one": "2"}), journal.seal(7), journal.append(b"c"), return_exceptions=True
    )

    assert {str(error) for error in tried} == {"the journal cannot be written: database or disk is full"}
    assert {type(error) for error in tried} == {Unavailable}
    assert journal.failing == "the journal cannot be written: database or disk is full"
    assert (dict(journal.checkpoints()), journal.newest_seal, journal.end) == ({"one": "1"}, None, 1)

    disk.problem = ""
    await journal.append(b"d", {"one": "3"})

    assert not journal.failing
    assert await take(journal, 2) == [Partial(1, b"a"), Partial(2, b"d")]
    await journal.close()
    again = SqliteJournal(tmp_path)
    assert await take(again, 2) == [Partial(1, b"a"), Partial(2, b"d")]
    assert dict(again.checkpoints()) == {"one": "3"}
    await again.close()


async def test_forgotten_facts_are_removed_once_the_disk_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SqliteJournal(tmp_path)
    disk = Disk(journal, monkeypatch)
    await journal.append(b"a")
    await journal.append(b"b")
    journal.forget(1, complete_after=5)
    disk.problem = "disk I/O error"
    with pytest.raises(Unavailable, match="disk I/O error"):
        await journal.append(b"c")
    disk.problem = ""
    await journal.append(b"d")
    await journal.close()

    again = SqliteJournal(tmp_path)
    assert again.complete_after == 5
    assert contents(await take(again, 2)) == [b"b", b"d"]
    await again.close()


async def test_a_file_that_was_moved_is_missed(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    await journal.append(b"a")
    (tmp_path / FILE).rename(tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match="its file was moved or deleted: put it back, or restart"):
        await journal.append(b"b")
    (tmp_path / "elsewhere").rename(tmp_path / FILE)
    await journal.append(b"c")

    assert contents(await take(journal, 2)) == [b"a", b"c"]
    await journal.close()


async def test_a_bug_is_not_a_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = SqliteJournal(tmp_path)

    def bug(_: sqlite.Write) -> int | None:
        raise KeyError("a bug")

    monkeypatch.setattr(journal, "_insert", bug)
    with pytest.raises(KeyError, match="a bug"):
        await journal.append(b"a")
    monkeypatch.undo()
    await journal.append(b"b")
    assert contents(await take(journal, 1)) == [b"b"]
    await journal.close()


async def test_a_journal_that_begins_anew_has_another_id_from_its_next_commit_on(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    before = journal.id
    await journal.append(b"a")
    await journal.seal(7)
    journal.start_over(journal.end)
    assert journal.id != before
    await journal.append(b"b")
    await journal.close()

    after = SqliteJournal(tmp_path)
    assert (after.id, after.complete_after) == (journal.id, 0)
    assert await take(after, 1) == [Partial(3, b"b")]
    await after.close()
