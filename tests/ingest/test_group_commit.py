"""Pushes: each counts as a whole or not at all, also when it is folded together with others."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from edgetally.errors import TooLarge, Unavailable
from edgetally.ingest.group_commit import AT_ONCE, TOGETHER_BYTES, Bounds, Push
from edgetally.ingest.stream import Report
from edgetally.ingest.worker import Limits, Worker
from edgetally.journal.base import Checkpoints
from edgetally.model import Defaults
from tests.support.clock import PATIENCE, TurnedClock
from tests.support.gate import Gate
from tests.support.ledger import Ledger

DEFAULTS = Defaults("svc", "lab")
LIMITS = Limits(max_line=4096, max_lateness=120, max_ahead=5)
LINE = b'{"status":200}\n'
BAD = b'{"status":9999}\n'


class Disk(Ledger):
    """A journal whose appends wait to be let through."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    async def append(self, partial: bytes, checkpoints: Checkpoints | None = None) -> None:
        await self.gate.pass_through()
        await super().append(partial, checkpoints)


@pytest.fixture
def journal() -> Disk:
    return Disk()


@pytest.fixture
def worker(journal: Disk) -> Iterator[Worker]:
    worker = Worker(journal=journal, clock=TurnedClock(), limits=LIMITS, bounds=Bounds(tally_bytes=3_000_000))
    yield worker
    worker.close()


Commit = asyncio.Task[Report]


async def push(
    worker: Worker, *body: bytes, marks: Callable[[Report], Checkpoints] | None = None, defaults: Defaults = DEFAULTS
) -> Commit:
    """Begin to commit a push."""
    one = worker.pushes.open(defaults)
    for block in body:
        await one.feed(block)

    async def commit(one: Push) -> Report:
        try:
            return await one.commit(marks)
        finally:
            one.close()

    task = asyncio.create_task(commit(one))
    await asyncio.sleep(0)
    return task


async def busy(worker: Worker, journal: Disk) -> list[Commit]:
    """Let as many pushes of one line as are worked on at once wait for the journal."""
    began = []
    for number in range(1, AT_ONCE + 1):
        began.append(await push(worker, LINE))
        await journal.gate.come(number)
    return began


async def test_pushes_that_wait_together_are_one_partial_and_each_is_told_what_became_of_it(
    worker: Worker, journal: Disk
) -> None:
    await busy(worker, journal)
    mixed = [
        await push(worker, LINE * 2, marks=lambda report: {"one": f"{report.accepted}"}),
        await push(worker, b"[" + LINE + b"," + LINE + b"]"),
        await push(worker, LINE + BAD + LINE[:-1], marks=lambda report: {"three": f"{report.rejected.total()}"}),
        await push(worker, BAD),
        await push(worker, b""),
    ]
    journal.gate.let_all()
    reports = [await one for one in mixed]

    assert len(journal.appended) == AT_ONCE + 1
    assert (6, {"one": "2", "three": "1"}) in journal.appended
    assert [report.accepted for report in reports] == [2, 2, 2, 0, 0]
    assert [[line.line for line in report.rejections] for report in reports] == [[], [], [2], [1], []]
    assert (worker.accepted, worker.rejected) == (AT_ONCE + 6, {"bad_status": 2})
    assert worker.brought["push"].accepted == AT_ONCE + 6
    assert worker.pushes.pending == 0


async def test_one_that_is_too_large_is_refused_and_those_beside_it_count(worker: Worker, journal: Disk) -> None:
    hosts = b"".join(b'{"status":200,"domain":"%d.example"}\n' % number for number in range(20_000))
    await busy(worker, journal)
    beside = [await push(worker, body) for body in (LINE * 2, hosts, LINE * 3)]
    journal.gate.let_all()

    assert (await beside[0]).accepted == 2
    with pytest.raises(TooLarge, match="3000000 bytes"):
        await beside[1]
    assert (await beside[2]).accepted == 3
    assert journal.records == worker.accepted == AT_ONCE + 5


async def test_what_takes_too_much_only_together_counts(worker: Worker, journal: Disk) -> None:
    half = b"".join(b'{"status":200,"domain":"%d.example"}\n' % number for number in range(1_500))
    await busy(worker, journal)
    several = [await push(worker, half.replace(b"example", b"%d.example" % number)) for number in range(6)]
    journal.gate.let_all()

    assert [(await one).accepted for one in several] == [1_500] * 6
    assert journal.records == AT_ONCE + 9_000
    assert len(journal.appended) == AT_ONCE + 6


async def test_what_holds_for_other_records_or_is_large_is_folded_apart(worker: Worker, journal: Disk) -> None:
    await busy(worker, journal)
    large = b'{"status":200,"x":"%b"}\n' % (b"y" * 4000) * (TOGETHER_BYTES // 5000)
    several = [
        await push(worker, LINE, defaults=DEFAULTS._replace(pop="AMS")),
        await push(worker, LINE),
        await push(worker, LINE, LINE * 4),
        await push(worker, large),
        await push(worker, large),
        await push(worker, LINE * 2, defaults=DEFAULTS._replace(pop="AMS")),
    ]
    journal.gate.let_all()
    reports = [await one for one in several]

    lines = TOGETHER_BYTES // 5000
    assert [report.accepted for report in reports] == [1, 1, 5, lines, lines, 2]
    assert sorted(records for records, _ in journal.appended) == [*[1] * AT_ONCE, 3, 5, lines, 1 + lines]


async def test_nothing_of_those_together_counts_when_it_cannot_be_made_durable(worker: Worker, journal: Disk) -> None:
    began = await busy(worker, journal)
    together = [await push(worker, LINE * count) for count in (2, 3)]
    journal.gate.waiting[0].set_result(None)
    await journal.gate.come(AT_ONCE + 1)
    journal.gate.waiting[AT_ONCE].set_exception(Unavailable("the disk is full"))
    for one in together:
        with pytest.raises(Unavailable, match="the disk is full"):
            await one
    journal.gate.let_all()

    assert [(await one).accepted for one in began] == [1] * AT_ONCE
    assert journal.records == worker.accepted == AT_ONCE
    again = await push(worker, LINE * 2)
    assert (await again).accepted == 2


async def test_pushes_that_follow_as_soon_as_others_are_counted_are_not_left_waiting(
    worker: Worker, journal: Disk
) -> None:
    async def several(count: int) -> int:
        accepted = 0
        for _ in range(count):
            one = worker.pushes.open(DEFAULTS)
            await one.feed(LINE)
            accepted += (await one.commit()).accepted
        return accepted

    following = []
    for number in range(1, AT_ONCE + 1):
        # All are counted at the same time, and only the first goes on.
        following.append(asyncio.create_task(several(3 if number == 1 else 1)))
        await journal.gate.come(number)
    async with asyncio.timeout(PATIENCE):
        journal.gate.let_all()
        assert await asyncio.gather(*following) == [3, *[1] * (AT_ONCE - 1)]


async def test_who_leaves_before_it_is_folded_counts_nothing_and_later_everything(
    worker: Worker, journal: Disk
) -> None:
    began = await busy(worker, journal)
    early = await push(worker, LINE * 10)
    early.cancel()
    began[0].cancel()
    await asyncio.wait([early, began[0]])
    journal.gate.let_all()
    await worker.pushes.drained()

    assert journal.records == worker.accepted == AT_ONCE
    assert worker.pushes.pending == 0


LEAVINGS = {
    "one that broke off": [b'{"status":200,"domain":"left.example"}\n{"sta'],
    "a cut array": [b'[{"status":200},{"status', b'":200'],
    "a last line that is too long": [LINE, b'{"status":' + b"2" * 5_000],
    "refused lines": [b"nonsense\n" * 3, LINE],
    "other members": [b'{"x":1,"status":404,"ts":"","domain":"other.example"}\n' * 2],
    "nothing": [],
}


@pytest.mark.parametrize("blocks", LEAVINGS.values(), ids=LEAVINGS)
@pytest.mark.parametrize("is_whole", [True, False])
async def test_nothing_of_one_push_is_in_the_next(
    worker: Worker, journal: Disk, blocks: list[bytes], *, is_whole: bool
) -> None:
    journal.gate.let_all()
    clean = [b'\n[{"status":200,"domain":"a.example"},{"sta', b'tus":"x"},{"status":404}]']

    async def whole(worker: Worker, blocks: list[bytes], *, is_whole: bool) -> Report | None:
        one = worker.pushes.open(DEFAULTS)
        for block in blocks:
            await one.feed(block)
        report = await one.commit() if is_whole else None
        one.close()
        return report

    fresh = Ledger()
    other = Worker(journal=fresh, clock=worker.clock, limits=LIMITS)
    want = await whole(other, clean, is_whole=True)
    other.close()
    for _ in range(2):
        await whole(worker, blocks, is_whole=is_whole)
        assert await whole(worker, clean, is_whole=True) == want
        assert journal.partials[-1] == fresh.partials[-1]
