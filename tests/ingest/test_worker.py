"""The worker: what sources yield is committed, each block together with its checkpoint."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from edgetally import _core
from edgetally.errors import Unavailable
from edgetally.ingest.fold_pool import INLINE_BLOCK_BYTES, FoldPool
from edgetally.ingest.stream import InputStream
from edgetally.ingest.totals import MAX_UNKNOWN_WORDS
from edgetally.ingest.worker import COMMIT_SECONDS, Worker, log_rejections
from edgetally.journal.base import Checkpoints
from edgetally.model import Defaults, Framing
from edgetally.sources.base import Block
from edgetally.sources.files.follower import Follow, Follower
from tests.support.clock import START, ManualClock, until
from tests.support.ingest import Ingest
from tests.support.ledger import Ledger

DEFAULTS = Defaults("svc", "lab")
LINE = b'{"status":200}\n'


class Script:
    """A source that yields blocks, and then ends or waits without end."""

    name = "script"
    defaults = DEFAULTS
    framing: Framing = "lines"

    def __init__(self, *blocks: Block, ends: bool = True) -> None:
        self._blocks = blocks
        self._ends = ends
        self.done = asyncio.Event()
        """Set when all blocks are taken."""

    def note_progress(self, line: int, unfinished: int, recognised: int, rejected: int) -> None:
        pass

    async def blocks(self) -> AsyncIterator[Block]:
        for block in self._blocks:
            yield block
        self.done.set()
        if not self._ends:
            await asyncio.Event().wait()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def journal() -> Ledger:
    return Ledger()


@pytest.fixture
def ingest(journal: Ledger, clock: ManualClock) -> Iterator[Ingest]:
    ingest = Ingest(journal, clock)
    yield ingest
    ingest.close()


@pytest.fixture
def worker(ingest: Ingest) -> Worker:
    return ingest.worker


def open_stream(worker: Worker, framing: Framing = "lines") -> InputStream:
    return worker.open(DEFAULTS, framing, source="test")


# --- stream --------------------------------------------------------------------------------------------------------


async def test_committed_lines_are_in_the_journal(ingest: Ingest, worker: Worker, journal: Ledger) -> None:
    stream = open_stream(worker)
    await stream.feed(LINE * 3)
    report = await stream.commit({"test": "1"})

    assert (report.accepted, report.rejected, report.rejections) == (3, {}, [])
    assert journal.appended == [(3, {"test": "1"})]
    assert ingest.totals.accepted == 3


async def test_nothing_counts_before_the_commit(ingest: Ingest, worker: Worker, journal: Ledger) -> None:
    stream = open_stream(worker)
    await stream.feed(LINE * 3 + b"nonsense\n")
    stream.finish()

    assert journal.appended == []
    assert ingest.totals.accepted == 0
    assert ingest.totals.rejected == {}


async def test_streams_are_folded_apart(worker: Worker, journal: Ledger) -> None:
    one, two, uncommitted = (open_stream(worker) for _ in range(3))
    for stream in (one, two, uncommitted):
        await stream.feed(LINE[:7])
        await stream.feed(LINE[7:])
    await two.feed(LINE)
    await two.commit({})
    await one.commit({})

    assert journal.appended == [(2, {}), (1, {})]


async def test_a_commit_without_rows_and_checkpoints_appends_nothing(
    ingest: Ingest, worker: Worker, journal: Ledger
) -> None:
    stream = open_stream(worker)
    await stream.feed(b"nonsense\n")

    report = await stream.commit({})

    assert report.rejected == {"not_json": 1}
    assert journal.appended == []
    assert ingest.totals.rejected == {"not_json": 1}


async def test_a_line_counts_once_it_has_ended(worker: Worker, journal: Ledger) -> None:
    stream = open_stream(worker)
    await stream.feed(LINE + LINE[:-1])
    assert stream.unfinished == len(LINE) - 1
    await stream.commit({})
    stream.finish()
    await stream.commit({})

    assert stream.unfinished == 0
    assert journal.appended == [(1, {}), (1, {})]


async def test_blocks_that_are_folded_in_a_thread_count_the_same(worker: Worker, journal: Ledger) -> None:
    lines = 2 * INLINE_BLOCK_BYTES // len(LINE)
    stream = open_stream(worker)
    await stream.feed(LINE * lines)
    await stream.commit({})

    assert journal.appended == [(lines, {})]


async def test_a_rejected_line_is_reported_with_its_number_and_its_start(worker: Worker) -> None:
    stream = open_stream(worker)
    await stream.feed(LINE + b'{"status":9999}\n' + LINE)
    report = await stream.commit({})

    (rejection,) = report.rejections
    assert (rejection.line, rejection.reason, rejection.sample) == (2, "bad_status", b'{"status":9999}')
    assert (report.accepted, report.rejected) == (2, {"bad_status": 1})


async def test_lateness_is_measured_from_the_clock(worker: Worker, clock: ManualClock) -> None:
    stream = open_stream(worker)
    seconds = [START - 121, START - 120, START, START + 5, START + 6]
    await stream.feed(b"".join(b'{"status":200,"ts":%d}\n' % second for second in seconds))
    await clock.advance(1)
    await stream.feed(b'{"status":200,"ts":%d}\n' % (START + 6))
    report = await stream.commit({})

    assert report.rejected == {"too_old": 1, "too_new": 1}
    assert report.accepted == 4


async def test_the_framing_separates_records(worker: Worker) -> None:
    accepted: dict[Framing, int] = {"arrays": 2, "lines": 1}
    for framing, expected in accepted.items():
        stream = open_stream(worker, framing)
        await stream.feed(b'[{"status":200},{"status":\n200}]')
        stream.finish()
        assert (await stream.commit({})).accepted == expected


# --- follow --------------------------------------------------------------------------------------------------------


def block(lines: int, end: int, *, more: bool = False) -> Block:
    """Make a block of some lines, which ends at this byte of its file."""
    return Block(LINE * lines, more=more, checkpoints={"script": str(end)})


async def test_a_block_without_more_behind_it_is_committed_at_once(worker: Worker, journal: Ledger) -> None:
    await worker.follow(Script(block(1, 15), block(2, 45)))

    assert journal.appended[:2] == [(1, {"script": "15"}), (2, {"script": "45"})]
    assert journal.records == 3


async def test_a_source_that_never_pauses_is_committed_now_and_then(
    worker: Worker, journal: Ledger, clock: ManualClock
) -> None:
    class Busy(Script):
        async def blocks(self) -> AsyncIterator[Block]:
            for _ in range(200):
                await clock.advance(0.01)
                async for one in super().blocks():
                    yield one

    await worker.follow(Busy(block(1, 0, more=True)))

    # One block more per commit, because the time starts with the first. Where floats round up, it is two.
    sizes = [records for records, _ in journal.appended]
    blocks = round(COMMIT_SECONDS / 0.01)
    assert sum(sizes) == 200
    assert len(sizes) >= 9
    assert set(sizes[:-1]) <= {blocks + 1, blocks + 2}


async def test_blocks_with_more_behind_them_are_committed_together(worker: Worker, journal: Ledger) -> None:
    await worker.follow(Script(block(1, 15, more=True), block(1, 30, more=True), block(1, 45)))

    assert journal.appended[0] == (3, {"script": "45"})
    assert journal.records == 3


async def test_many_rows_are_committed_early(worker: Worker, journal: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgetally.ingest.stream.COMMIT_BYTES", 1)

    await worker.follow(Script(block(1, 15, more=True), block(1, 30, more=True)))

    assert journal.appended[:2] == [(1, {"script": "15"}), (1, {"script": "30"})]


async def test_the_end_of_a_block_may_end_its_last_line(worker: Worker, journal: Ledger) -> None:
    await worker.follow(Script(Block(LINE + LINE[:-1]), Block(b"", end=True), Block(LINE)))

    assert journal.records == 3


async def test_a_checkpoint_is_committed_even_without_records(worker: Worker, journal: Ledger) -> None:
    await worker.follow(
        Script(Block(b"", checkpoints={"script": "0"}), Block(b"nonsense\n", checkpoints={"script": "9"}))
    )

    assert journal.appended[:2] == [(0, {"script": "0"}), (0, {"script": "9"})]


async def test_checkpoints_of_blocks_are_committed_together_and_may_be_removed(worker: Worker, journal: Ledger) -> None:
    await worker.follow(Script(block(1, 15), Block(b"", checkpoints={"other": "1"}, more=True), block(1, 30)))
    assert dict(journal.checkpoints()) == {"script": "30", "other": "1"}

    await worker.follow(Script(Block(b"", checkpoints={"other": None})))
    assert dict(journal.checkpoints()) == {"script": "30"}


async def test_rejected_lines_are_logged(ingest: Ingest, journal: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    await ingest.worker.follow(Script(Block(b'{"status":9999}\n' + LINE + b"x\n")))

    assert journal.records == 1
    assert ingest.totals.rejected == {"bad_status": 1, "not_json": 1}
    assert [(record.levelno, record.getMessage().split(" at byte")[0]) for record in caplog.records] == [
        (logging.WARNING, "script: line rejected: status must be an integer up to 999 (bad_status)"),
        (
            logging.WARNING,
            "script: line rejected: not a JSON object: expected one record per line, in JSON (not_json)",
        ),
    ]
    assert "'{\"status\":9999}'" in caplog.text


async def test_a_flood_of_rejected_lines_does_not_flood_the_log(
    ingest: Ingest, caplog: pytest.LogCaptureFixture
) -> None:
    await ingest.worker.follow(Script(Block(b"nonsense\n" * 1000 + b'{"status":9999}\n')))

    assert len(caplog.records) == 11
    assert caplog.messages[-1] == "script: 1001 lines of this batch rejected: not_json 1000, bad_status 1"
    assert ingest.totals.rejected == {"not_json": 1000, "bad_status": 1}


# --- stopping ------------------------------------------------------------------------------------------------------


async def reached(event: asyncio.Event, follow: asyncio.Task[None]) -> None:
    """Wait for `event`, unless the task that should set it has ended."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait([waiting, follow], return_when=asyncio.FIRST_COMPLETED)
    assert waiting.done(), follow.exception()


async def stopped(follow: asyncio.Task[None]) -> None:
    await asyncio.wait([follow])
    assert follow.cancelled()


class Received(Script):
    """A source that has received more than was taken from it, as those without checkpoints have."""

    async def blocks(self) -> AsyncIterator[Block]:
        try:
            for one in self._blocks:
                yield one
            self.done.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield Block(LINE + LINE.rstrip())
            raise


async def test_what_was_received_counts_when_the_process_stops(ingest: Ingest, worker: Worker) -> None:
    source = Received(Block(LINE, more=True), ends=False)
    follow = asyncio.create_task(worker.follow(source))
    await reached(source.done, follow)
    follow.cancel()
    await stopped(follow)

    assert ingest.totals.accepted == 3


async def test_what_was_received_while_a_block_was_folded_counts_when_the_process_stops(
    ingest: Ingest, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folding, go_on = asyncio.Event(), asyncio.Event()
    feed = FoldPool.feed

    async def feed_slowly(self: FoldPool, fold: _core.Fold, block: bytes) -> None:
        folding.set()
        await go_on.wait()
        await feed(self, fold, block)

    monkeypatch.setattr(FoldPool, "feed", feed_slowly)
    follow = asyncio.create_task(worker.follow(Received(Block(LINE), ends=False)))
    await reached(folding, follow)
    follow.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await stopped(follow)

    assert ingest.totals.accepted == 3


async def test_a_journal_that_fails_when_the_process_stops_is_not_waited_for(clock: ManualClock) -> None:
    class Disk(Ledger):
        is_full = True

        async def append(
            self, partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None
        ) -> None:
            if self.is_full:
                raise Unavailable("the disk is full")
            await super().append(partial, checkpoints, push_id=push_id)

    ingest = Ingest(Disk(), clock)
    source = Received(Block(LINE, more=True), ends=False)
    follow = asyncio.create_task(ingest.worker.follow(source))
    await reached(source.done, follow)
    follow.cancel()
    await clock.advance(0.0)
    is_stopped = follow.done()
    follow.cancel()
    await stopped(follow)
    ingest.close()

    assert is_stopped
    assert ingest.totals.accepted == 0


@pytest.mark.parametrize(("last", "rejected"), [(LINE.rstrip(), 0), (LINE[:7], 1)])
async def test_a_last_line_without_a_newline_ends_when_the_process_stops(
    ingest: Ingest, worker: Worker, last: bytes, rejected: int
) -> None:
    source = Script(Block(LINE + last, more=True), ends=False)
    follow = asyncio.create_task(worker.follow(source))
    await reached(source.done, follow)
    follow.cancel()
    await stopped(follow)

    assert (ingest.totals.accepted, ingest.totals.rejected.total()) == (2 - rejected, rejected)


async def test_a_last_line_without_a_newline_does_not_end_if_it_is_read_again(ingest: Ingest, worker: Worker) -> None:
    source = Script(Block(LINE * 2 + LINE.rstrip(), more=True), ends=False)
    follow = asyncio.create_task(worker.follow(source, goes_back=True))
    await reached(source.done, follow)
    follow.cancel()
    await stopped(follow)

    assert ingest.totals.accepted == 2


async def test_lines_that_are_folded_when_the_process_stops_count(worker: Worker, journal: Ledger) -> None:
    source = Script(block(2, 30, more=True), ends=False)
    follow = asyncio.create_task(worker.follow(source))
    await reached(source.done, follow)
    assert journal.appended == []

    follow.cancel()
    await stopped(follow)

    assert journal.appended == [(2, {"script": "30"})]


async def test_a_block_that_is_being_folded_when_the_process_stops_is_committed_with_its_checkpoint(
    worker: Worker, journal: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded, go_on = asyncio.Event(), asyncio.Event()

    feed = FoldPool.feed

    async def feed_slowly(self: FoldPool, fold: _core.Fold, block: bytes) -> None:
        await feed(self, fold, block)
        if len(block) > INLINE_BLOCK_BYTES:
            folded.set()
            await go_on.wait()

    monkeypatch.setattr(FoldPool, "feed", feed_slowly)
    lines = INLINE_BLOCK_BYTES
    follow = asyncio.create_task(worker.follow(Script(block(1, 15), block(lines, 15 + lines * 15))))
    await reached(folded, follow)

    follow.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await stopped(follow)

    # Everything up to the checkpoint is counted, once, and nothing else is.
    assert journal.records == 1 + lines
    assert dict(journal.checkpoints()) == {"script": str(15 + lines * 15)}


async def test_a_commit_that_runs_when_the_process_stops_is_completed(clock: ManualClock) -> None:
    begun, durable = asyncio.Event(), asyncio.Event()

    class Disk(Ledger):
        async def append(
            self, partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None
        ) -> None:
            begun.set()
            await durable.wait()
            await super().append(partial, checkpoints, push_id=push_id)

    journal = Disk()
    ingest = Ingest(journal, clock)
    follow = asyncio.create_task(ingest.worker.follow(Script(block(2, 30), ends=False)))
    await reached(begun, follow)

    follow.cancel()
    await asyncio.sleep(0)
    durable.set()
    await stopped(follow)
    ingest.close()

    assert journal.records == 2
    assert dict(journal.checkpoints()) == {"script": "30"}


# --- with a file -------------------------------------------------------------------------------------------------


async def test_a_file_that_several_processes_follow_one_after_the_other_counts_once(
    ingest: Ingest, journal: Ledger, clock: ManualClock, tmp_path: Path
) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"")
    data = LINE * 20
    pieces = [data[at : at + 34] for at in range(0, len(data), 34)]  # 34: two lines and a part
    for number, piece in enumerate([b"", *pieces, b""]):
        follower = Follower([Follow(path, DEFAULTS)], clock, quiet_seconds=300, max_files=1, read=ingest.worker.follow)
        await follower.open(journal.checkpoints())
        follow = asyncio.create_task(follower.run())
        # Every third piece is written while no process follows.
        if number % 3 != 1:
            await clock.advance(1)
        with path.open("ab") as file:
            file.write(piece)
        if number % 3 != 1:
            await clock.advance(1)
        # Without a checkpoint, the next process would begin at the end; behind the last one there is none.
        if number in (0, len(pieces) + 1):
            counted = 20 if number else 0
            await until(lambda: bool(dict(journal.checkpoints())) and journal.records == counted)  # noqa: B023 - at once
        follow.cancel()
        await stopped(follow)
        await follower.close()

    assert ingest.totals.rejected == {}
    assert journal.records == 20


def part(text: bytes, tag: bytes) -> bytes:
    """A part of a line, or its end, as a container runtime writes it."""
    return b"2025-11-22T00:00:00.1Z stdout %b %b\n" % (tag, text)


async def test_a_record_in_parts_counts_once_though_its_file_is_copied_and_truncated_between_them(
    ingest: Ingest, journal: Ledger, clock: ManualClock, tmp_path: Path
) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"")
    follower = Follower([Follow(path, DEFAULTS)], clock, quiet_seconds=300, max_files=1, read=ingest.worker.follow)
    await follower.open({})
    follow = asyncio.create_task(follower.run())
    await clock.advance(1)
    line = b'{"status":200,"ts":%d}' % START
    with path.open("ab") as file:
        file.write(part(line, b"F") + part(line[:9], b"P"))
    await clock.advance(1)
    path.with_name("0.log.1").write_bytes(path.read_bytes() + part(line[9:], b"F"))
    path.write_bytes(part(line, b"F"))
    await clock.advance(1)
    await journal.shows(lambda: journal.records == 3)
    follow.cancel()
    await stopped(follow)
    await follower.close()

    assert ingest.totals.rejected == {}
    assert journal.records == 3


async def test_unknown_cache_words_are_counted(ingest: Ingest) -> None:
    for number in range(MAX_UNKNOWN_WORDS + 3):
        stream = open_stream(ingest.worker)
        await stream.feed(b'{"status":200,"cache":"w%d"}\n{"status":200,"cache":"HIT"}\n' % number)
        await stream.commit({})

    assert ingest.totals.unknown_cache_words["w0"] == 1
    assert ingest.totals.unknown_cache_words["_other"] == 3
    assert len(ingest.totals.unknown_cache_words) == MAX_UNKNOWN_WORDS + 1


async def test_a_source_in_another_format_is_logged(ingest: Ingest, caplog: pytest.LogCaptureFixture) -> None:
    await ingest.worker.follow(Script(Block(b'{"request":{"host":"a.example"},"status":200}\n')))

    assert caplog.messages == ["script: lines look like format caddy, and are read as canonical"]


async def test_lines_of_other_logs_are_counted_and_not_logged(ingest: Ingest, caplog: pytest.LogCaptureFixture) -> None:
    caddy = b'{"level":"error","ts":1,"logger":"http.log.error","msg":"x"}\n'
    stream = ingest.worker.open(DEFAULTS._replace(format="caddy"), source="test")
    await stream.feed(caddy * 20)
    report = await stream.commit({})
    log_rejections("test", report)

    assert (report.accepted, report.other_log, report.errors, report.rejections) == (0, 20, {}, [])
    assert ingest.totals.rejected == {"other_log": 20}
    assert ingest.dead_letters.to_json() == b"[]\n"
    assert caplog.records == []


async def test_lines_without_a_time_are_counted(ingest: Ingest) -> None:
    stream = open_stream(ingest.worker)
    await stream.feed(LINE * 2 + b'{"status":200,"ts":%d}\n' % START)
    report = await stream.commit({})

    assert (report.accepted, report.without_time) == (3, 2)
    assert ingest.totals.without_time == 2


# --- formats -------------------------------------------------------------------------------------------------------


async def test_connections_to_one_address_share_the_look_at_their_format(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    lines = b'{"request":{"host":"a.example"},"status":200}\n'
    for _ in range(3):
        await worker.follow(Script(Block(lines)), counted_as="syslog:tcp:127.0.0.1:514")
    assert caplog.messages == [
        "syslog:tcp:127.0.0.1:514: lines look like format caddy, and are read as canonical",
    ]
