"""The worker: what sources bring becomes durable, all of it or none."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from edgetally.ingest.stream import INLINE
from edgetally.ingest.worker import MAX_WORDS, Limits, P, T, Worker
from edgetally.journal.base import Checkpoints
from edgetally.model import Defaults, Framing
from edgetally.sources.base import Block
from edgetally.sources.file import FollowedFile
from tests.support.clock import START, TurnedClock
from tests.support.ledger import Ledger

DEFAULTS = Defaults("svc", "lab")
LIMITS = Limits(max_line=4096, max_lateness=120, max_ahead=5)
LINE = b'{"status":200}\n'


class Script:
    """A source that yields blocks, one after the other, and then is over or waits for more without end."""

    name = "script"
    defaults = DEFAULTS
    framing: Framing = "lines"

    def __init__(self, *blocks: Block, ends: bool = True) -> None:
        self._blocks = blocks
        self._ends = ends
        self.done = asyncio.Event()
        """Set when all blocks were taken."""

    def told(self, unfinished: int, accepted: int, rejected: int) -> None:
        """Nothing follows from it here."""

    async def blocks(self, mark: str | None) -> AsyncIterator[Block]:
        assert mark is None
        for block in self._blocks:
            yield block
        self.done.set()
        if not self._ends:
            await asyncio.Event().wait()


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def journal() -> Ledger:
    return Ledger()


@pytest.fixture
def worker(journal: Ledger, clock: TurnedClock) -> Iterator[Worker]:
    worker = Worker(journal=journal, clock=clock, limits=LIMITS)
    yield worker
    worker.close()


# --- intake --------------------------------------------------------------------------------------------------------


async def test_what_is_committed_is_in_the_journal(worker: Worker, journal: Ledger) -> None:
    intake = worker.intake(DEFAULTS)
    await intake.feed(LINE * 3)
    report = await intake.commit({"push": "1"})

    assert (report.accepted, report.rejected, report.rejections) == (3, {}, [])
    assert journal.appended == [(3, {"push": "1"})]
    assert worker.accepted == 3


async def test_nothing_of_what_is_not_committed_counts(worker: Worker, journal: Ledger) -> None:
    intake = worker.intake(DEFAULTS)
    await intake.feed(LINE * 3 + b"nonsense\n")
    intake.finish()

    assert journal.appended == []
    assert worker.accepted == 0
    assert worker.rejected == {}


async def test_stretches_know_nothing_of_each_other(worker: Worker, journal: Ledger) -> None:
    one, two, left = (worker.intake(DEFAULTS) for _ in range(3))
    for intake in (one, two, left):
        await intake.feed(LINE[:7])
        await intake.feed(LINE[7:])
    await two.feed(LINE)
    await two.commit()
    await one.commit()

    assert journal.appended == [(2, {}), (1, {})]


async def test_a_commit_with_nothing_in_it_writes_nothing(worker: Worker, journal: Ledger) -> None:
    intake = worker.intake(DEFAULTS)
    await intake.feed(b"nonsense\n")

    report = await intake.commit()

    assert report.rejected == {"not_json": 1}
    assert journal.appended == []
    assert worker.rejected == {"not_json": 1}


async def test_a_line_counts_once_it_is_finished(worker: Worker, journal: Ledger) -> None:
    intake = worker.intake(DEFAULTS)
    await intake.feed(LINE + LINE[:-1])
    assert intake.unfinished == len(LINE) - 1
    await intake.commit()
    intake.finish()
    await intake.commit()

    assert intake.unfinished == 0
    assert journal.appended == [(1, {}), (1, {})]


async def test_blocks_that_are_folded_in_a_thread_count_the_same(worker: Worker, journal: Ledger) -> None:
    lines = 2 * INLINE // len(LINE)
    intake = worker.intake(DEFAULTS)
    await intake.feed(LINE * lines)
    await intake.commit()

    assert journal.appended == [(lines, {})]


async def test_a_refused_line_is_reported_with_its_number_and_its_begin(worker: Worker) -> None:
    intake = worker.intake(DEFAULTS)
    await intake.feed(LINE + b'{"status":9999}\n' + LINE)
    report = await intake.commit()

    (refused,) = report.rejections
    assert (refused.line, refused.reason, refused.sample) == (2, "bad_status", b'{"status":9999}')
    assert (report.accepted, report.rejected) == (2, {"bad_status": 1})


async def test_lateness_is_measured_from_the_clock(worker: Worker, clock: TurnedClock) -> None:
    intake = worker.intake(DEFAULTS)
    seconds = [START - 121, START - 120, START, START + 5, START + 6]
    await intake.feed(b"".join(b'{"status":200,"ts":%d}\n' % second for second in seconds))
    await clock.advance(1)
    await intake.feed(b'{"status":200,"ts":%d}\n' % (START + 6))
    report = await intake.commit()

    assert report.rejected == {"too_old": 1, "too_new": 1}
    assert report.accepted == 4


async def test_the_framing_tells_records_apart(worker: Worker) -> None:
    accepted: dict[Framing, int] = {"arrays": 2, "lines": 0}
    for framing, expected in accepted.items():
        intake = worker.intake(DEFAULTS, framing)
        await intake.feed(b'[{"status":200},{"status":200}]')
        intake.finish()
        assert (await intake.commit()).accepted == expected


# --- follow --------------------------------------------------------------------------------------------------------


def block(lines: int, end: int, *, more: bool = False) -> Block:
    """Make a block of some lines that ends at this byte of its file."""
    return Block(LINE * lines, more=more, mark=lambda unfinished: str(end - unfinished))


async def test_what_comes_alone_is_committed_at_once(worker: Worker, journal: Ledger) -> None:
    await worker.follow(Script(block(1, 15), block(2, 45)))

    assert journal.appended[:2] == [(1, {"script": "15"}), (2, {"script": "45"})]
    assert journal.records == 3


async def test_what_keeps_coming_is_committed_about_every_hundred_milliseconds(
    worker: Worker, journal: Ledger, clock: TurnedClock
) -> None:
    class Busy(Script):
        async def blocks(self, mark: str | None) -> AsyncIterator[Block]:
            for _ in range(100):
                await clock.advance(0.01)
                async for one in super().blocks(mark):
                    yield one

    await worker.follow(Busy(block(1, 0, more=True)))

    # A commit takes eleven: the first one begins the wait. Where floats round up, it takes one more.
    sizes = [records for records, _ in journal.appended]
    assert sum(sizes) == 100
    assert len(sizes) >= 9
    assert set(sizes[:-1]) <= {11, 12}


async def test_what_was_read_ahead_is_committed_together(worker: Worker, journal: Ledger) -> None:
    await worker.follow(Script(block(1, 15, more=True), block(1, 30, more=True), block(1, 45)))

    assert journal.appended[0] == (3, {"script": "45"})
    assert journal.records == 3


async def test_large_tallies_are_committed_before_their_time(
    worker: Worker, journal: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgetally.ingest.stream.COMMIT_BYTES", 1)

    await worker.follow(Script(block(1, 15, more=True), block(1, 30, more=True)))

    assert journal.appended[:2] == [(1, {"script": "15"}), (1, {"script": "30"})]


async def test_an_unfinished_line_is_left_out_of_the_mark(worker: Worker, journal: Ledger) -> None:
    def mark(unfinished: int) -> str:
        return str(20 - unfinished)

    await worker.follow(Script(Block(LINE + LINE[:5], mark=mark), Block(LINE[5:], end=True)))

    assert journal.appended[0] == (1, {"script": "15"})
    assert journal.records == 2


async def test_a_line_ends_where_nothing_will_continue_it(worker: Worker, journal: Ledger) -> None:
    await worker.follow(Script(Block(LINE + LINE[:-1]), Block(b"", end=True), Block(LINE)))

    assert journal.records == 3


async def test_where_a_source_stands_is_durable_though_nothing_came_of_it(worker: Worker, journal: Ledger) -> None:
    await worker.follow(Script(Block(b"", mark=lambda _: "0"), Block(b"nonsense\n", mark=lambda _: "9")))

    assert journal.appended[:2] == [(0, {"script": "0"}), (0, {"script": "9"})]


async def test_a_source_goes_on_where_its_mark_says(worker: Worker, journal: Ledger) -> None:
    marks = []

    class Back(Script):
        async def blocks(self, mark: str | None) -> AsyncIterator[Block]:
            marks.append(mark)
            yield Block(b"")

    await worker.follow(Script(block(1, 15)))
    await worker.follow(Back())

    assert marks == ["15"]
    assert dict(journal.checkpoints()) == {"script": "15"}


async def test_refused_lines_are_logged(worker: Worker, journal: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    await worker.follow(Script(Block(b'{"status":9999}\n' + LINE + b"[]\n")))

    assert journal.records == 1
    assert worker.rejected == {"bad_status": 1, "not_json": 1}
    assert [(record.levelno, record.getMessage().split(" at byte")[0]) for record in caplog.records] == [
        (logging.WARNING, "script: line rejected: status is no number up to 999 (bad_status)"),
        (
            logging.WARNING,
            "script: line rejected: the line is no JSON object, or follows the end of an array (not_json)",
        ),
    ]
    assert "'{\"status\":9999}'" in caplog.text


async def test_a_flood_of_refused_lines_does_not_flood_the_log(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    await worker.follow(Script(Block(b"nonsense\n" * 1000 + b'{"status":9999}\n')))

    assert len(caplog.records) == 11
    assert caplog.messages[-1] == "script: 1001 lines of this batch rejected: not_json 1000, bad_status 1"
    assert worker.rejected == {"not_json": 1000, "bad_status": 1}


# --- stopping ------------------------------------------------------------------------------------------------------


async def reached(event: asyncio.Event, follow: asyncio.Task[None]) -> None:
    """Wait for `event`, unless what should bring it about is over."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait([waiting, follow], return_when=asyncio.FIRST_COMPLETED)
    assert waiting.done(), follow.exception()


async def stopped(follow: asyncio.Task[None]) -> None:
    await asyncio.wait([follow])
    assert follow.cancelled()


async def test_what_was_fed_when_the_process_stops_counts(worker: Worker, journal: Ledger) -> None:
    source = Script(block(2, 30, more=True), ends=False)
    follow = asyncio.create_task(worker.follow(source))
    await reached(source.done, follow)
    assert journal.appended == []

    follow.cancel()
    await stopped(follow)

    assert journal.appended == [(2, {"script": "30"})]


async def test_a_line_that_is_unfinished_when_the_process_stops_waits_for_the_next(
    worker: Worker, journal: Ledger
) -> None:
    source = Script(Block(LINE + LINE[:5], more=True, mark=lambda unfinished: str(20 - unfinished)), ends=False)
    follow = asyncio.create_task(worker.follow(source))
    await reached(source.done, follow)

    follow.cancel()
    await stopped(follow)

    assert journal.appended == [(1, {"script": "15"})]


async def test_a_block_that_is_being_folded_when_the_process_stops_counts_and_so_does_its_mark(
    journal: Ledger, clock: TurnedClock
) -> None:
    folded, told = asyncio.Event(), asyncio.Event()

    class Slow(Worker):
        async def in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            done = await super().in_thread(call, *args, **kwargs)
            folded.set()
            await told.wait()
            return done

    worker = Slow(journal=journal, clock=clock, limits=LIMITS)
    lines = INLINE
    follow = asyncio.create_task(worker.follow(Script(block(1, 15), block(lines, 15 + lines * 15))))
    await reached(folded, follow)

    follow.cancel()
    await asyncio.sleep(0)
    told.set()
    await stopped(follow)
    worker.close()

    # Whatever the marks say was read was counted, once, and nothing else was.
    assert journal.records == 1 + lines
    assert dict(journal.checkpoints()) == {"script": str(15 + lines * 15)}


async def test_a_commit_that_is_on_its_way_when_the_process_stops_arrives(clock: TurnedClock) -> None:
    begun, durable = asyncio.Event(), asyncio.Event()

    class Disk(Ledger):
        async def append(self, partial: bytes, checkpoints: Checkpoints | None = None) -> None:
            begun.set()
            await durable.wait()
            await super().append(partial, checkpoints)

    journal = Disk()
    worker = Worker(journal=journal, clock=clock, limits=LIMITS)
    follow = asyncio.create_task(worker.follow(Script(block(2, 30), ends=False)))
    await reached(begun, follow)

    follow.cancel()
    await asyncio.sleep(0)
    durable.set()
    await stopped(follow)
    worker.close()

    assert journal.records == 2
    assert dict(journal.checkpoints()) == {"script": "30"}


# --- together with a file ------------------------------------------------------------------------------------------


async def test_a_file_that_is_followed_by_one_process_after_the_other_counts_once(
    worker: Worker, journal: Ledger, clock: TurnedClock, tmp_path: Path
) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"")
    data = LINE * 20
    pieces = [data[at : at + 34] for at in range(0, len(data), 34)]  # 34: two lines and a bit
    for number, piece in enumerate([b"", *pieces, b""]):
        follow = asyncio.create_task(worker.follow(FollowedFile(path, DEFAULTS, clock)))
        # Every third comes while nobody follows.
        if number % 3 != 1:
            await clock.advance(1)
        with path.open("ab") as file:
            file.write(piece)
        if number % 3 != 1:
            await clock.advance(1)
        follow.cancel()
        await stopped(follow)

    assert worker.rejected == {}
    assert journal.records == 20


async def test_words_for_the_cache_that_no_table_knows_are_counted(worker: Worker) -> None:
    for number in range(MAX_WORDS + 3):
        intake = worker.intake(DEFAULTS)
        await intake.feed(b'{"status":200,"cache":"w%d"}\n{"status":200,"cache":"HIT"}\n' % number)
        await intake.commit()

    assert worker.unknown_cache_words["w0"] == 1
    assert worker.unknown_cache_words["_other"] == 3
    assert len(worker.unknown_cache_words) == MAX_WORDS + 1
