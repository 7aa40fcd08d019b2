"""Group commit: each push counts as a whole or not at all, also when it is folded together with others."""

import asyncio
from collections.abc import Iterator

import pytest

from edgetally.errors import Busy, TooLarge, Unavailable
from edgetally.ingest.group_commit import CONCURRENT_GROUPS, GROUP_BYTES, Push, PushLimits
from edgetally.ingest.idempotency import PREFIX, IdempotencyKey, decode
from edgetally.journal.base import Checkpoints
from edgetally.model import Defaults, Report
from tests.support.clock import TIMEOUT_SECONDS, ManualClock
from tests.support.gate import Gate
from tests.support.ingest import Ingest
from tests.support.ledger import Ledger

DEFAULTS = Defaults("svc", "lab")
LINE = b'{"status":200}\n'
BAD = b'{"status":9999}\n'


class Disk(Ledger):
    """A journal whose appends wait at a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    async def append(
        self, partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None
    ) -> None:
        await self.gate.pass_through()
        await super().append(partial, checkpoints, push_id=push_id)


@pytest.fixture
def journal() -> Disk:
    return Disk()


@pytest.fixture
def ingest(journal: Disk) -> Iterator[Ingest]:
    ingest = Ingest(journal, ManualClock(), push_limits=PushLimits(tally_bytes=3_000_000))
    yield ingest
    ingest.close()


Commit = asyncio.Task[Report]


async def push(ingest: Ingest, *body: bytes, key: str | None = None, defaults: Defaults = DEFAULTS) -> Commit:
    """Start to commit a push."""
    one = ingest.group_commit.open(defaults)
    try:
        for block in body:
            await one.feed(block)
    except Busy:
        one.close()
        raise

    async def commit(one: Push) -> Report:
        try:
            return await one.commit(IdempotencyKey(key, 0) if key else None)
        finally:
            one.close()

    task = asyncio.create_task(commit(one))
    await asyncio.sleep(0)
    return task


async def busy(ingest: Ingest, journal: Disk) -> list[Commit]:
    """Let pushes of one line wait for the journal, each in a group of its own, until later ones have to wait."""
    began = []
    for number in range(1, CONCURRENT_GROUPS + 1):
        began.append(await push(ingest, LINE))
        await journal.gate.come(number)
    return began


async def test_pushes_that_wait_share_one_partial_and_each_gets_its_own_report(ingest: Ingest, journal: Disk) -> None:
    await busy(ingest, journal)
    mixed = [
        await push(ingest, LINE * 2, key="one"),
        await push(ingest, b"[" + LINE + b"," + LINE + b"]"),
        await push(ingest, LINE + BAD + LINE[:-1], key="three"),
        await push(ingest, BAD),
        await push(ingest, b""),
    ]
    journal.gate.let_all()
    reports = [await one for one in mixed]

    assert len(journal.appended) == CONCURRENT_GROUPS + 1
    (stored,) = [checkpoints for records, checkpoints in journal.appended if records == 6]
    records = {name.removeprefix(PREFIX): decode(text or "") for name, text in stored.items()}
    assert {name: record.accepted for name, record in records.items()} == {"one": 2, "three": 2}
    assert {name: record.rejected for name, record in records.items()} == {"one": {}, "three": {"bad_status": 1}}
    assert [report.accepted for report in reports] == [2, 2, 2, 0, 0]
    assert [[line.line for line in report.rejections] for report in reports] == [[], [], [2], [1], []]
    assert (ingest.totals.accepted, ingest.totals.rejected) == (CONCURRENT_GROUPS + 6, {"bad_status": 2})
    assert ingest.totals.sources["push"].accepted == CONCURRENT_GROUPS + 6
    assert ingest.group_commit.pending_bytes == 0


async def test_a_push_that_is_too_large_is_refused_and_the_others_in_its_group_count(
    ingest: Ingest, journal: Disk
) -> None:
    hosts = b"".join(b'{"status":200,"domain":"%d.example"}\n' % number for number in range(20_000))
    await busy(ingest, journal)
    group = [await push(ingest, body) for body in (LINE * 2, hosts, LINE * 3)]
    journal.gate.let_all()

    assert (await group[0]).accepted == 2
    with pytest.raises(TooLarge, match="3000000 bytes"):
        await group[1]
    assert (await group[2]).accepted == 3
    assert journal.records == ingest.totals.accepted == CONCURRENT_GROUPS + 5


async def test_a_group_that_is_too_large_only_together_is_committed_one_by_one(ingest: Ingest, journal: Disk) -> None:
    half = b"".join(b'{"status":200,"domain":"%d.example"}\n' % number for number in range(1_500))
    await busy(ingest, journal)
    several = [await push(ingest, half.replace(b"example", b"%d.example" % number)) for number in range(6)]
    journal.gate.let_all()

    assert [(await one).accepted for one in several] == [1_500] * 6
    assert journal.records == CONCURRENT_GROUPS + 9_000
    assert len(journal.appended) == CONCURRENT_GROUPS + 6


async def test_large_pushes_and_those_with_other_defaults_are_folded_apart(ingest: Ingest, journal: Disk) -> None:
    await busy(ingest, journal)
    large = b'{"status":200,"x":"%b"}\n' % (b"y" * 4000) * (GROUP_BYTES // 5000)
    several = [
        await push(ingest, LINE, defaults=DEFAULTS._replace(pop="AMS")),
        await push(ingest, LINE),
        await push(ingest, LINE, LINE * 4),
        await push(ingest, large),
        await push(ingest, large),
        await push(ingest, LINE * 2, defaults=DEFAULTS._replace(pop="AMS")),
    ]
    journal.gate.let_all()
    reports = [await one for one in several]

    lines = GROUP_BYTES // 5000
    assert [report.accepted for report in reports] == [1, 1, 5, lines, lines, 2]
    assert sorted(records for records, _ in journal.appended) == [*[1] * CONCURRENT_GROUPS, 3, 5, lines, 1 + lines]


async def test_nothing_of_a_group_counts_when_its_commit_fails(ingest: Ingest, journal: Disk) -> None:
    began = await busy(ingest, journal)
    group = [await push(ingest, LINE * count) for count in (2, 3)]
    journal.gate.waiting[0].set_result(None)
    await journal.gate.come(CONCURRENT_GROUPS + 1)
    journal.gate.waiting[CONCURRENT_GROUPS].set_exception(Unavailable("the disk is full"))
    for one in group:
        with pytest.raises(Unavailable, match="the disk is full"):
            await one
    journal.gate.let_all()

    assert [(await one).accepted for one in began] == [1] * CONCURRENT_GROUPS
    assert journal.records == ingest.totals.accepted == CONCURRENT_GROUPS
    again = await push(ingest, LINE * 2)
    assert (await again).accepted == 2


async def test_a_push_that_follows_as_soon_as_another_is_committed_does_not_wait_forever(
    ingest: Ingest, journal: Disk
) -> None:
    async def several(count: int) -> int:
        accepted = 0
        for _ in range(count):
            one = ingest.group_commit.open(DEFAULTS)
            await one.feed(LINE)
            accepted += (await one.commit()).accepted
        return accepted

    following = []
    for number in range(1, CONCURRENT_GROUPS + 1):
        # All are committed at the same time, and only the first sender continues.
        following.append(asyncio.create_task(several(3 if number == 1 else 1)))
        await journal.gate.come(number)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        journal.gate.let_all()
        assert await asyncio.gather(*following) == [3, *[1] * (CONCURRENT_GROUPS - 1)]


async def test_a_push_whose_sender_leaves_counts_only_if_it_is_folded_already(ingest: Ingest, journal: Disk) -> None:
    began = await busy(ingest, journal)
    early = await push(ingest, LINE * 10)
    early.cancel()
    began[0].cancel()
    await asyncio.wait([early, began[0]])
    journal.gate.let_all()
    await ingest.group_commit.drain()

    assert journal.records == ingest.totals.accepted == CONCURRENT_GROUPS
    assert ingest.group_commit.pending_bytes == 0


REMAINS = {
    "a sender that broke off": [b'{"status":200,"domain":"left.example"}\n{"sta'],
    "a cut array": [b'[{"status":200},{"status', b'":200'],
    "a last line that is too long": [LINE, b'{"status":' + b"2" * 5_000],
    "rejected lines": [b"nonsense\n" * 3, LINE],
    "other members": [b'{"x":1,"status":404,"ts":"","domain":"other.example"}\n' * 2],
    "nothing": [],
}


@pytest.mark.parametrize("blocks", REMAINS.values(), ids=REMAINS)
@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_pooled_fold_keeps_nothing_of_the_push_before(
    ingest: Ingest, journal: Disk, blocks: list[bytes], *, is_committed: bool
) -> None:
    journal.gate.let_all()
    clean = [b'\n[{"status":200,"domain":"a.example"},{"sta', b'tus":"x"},{"status":404}]']

    async def push_blocks(ingest: Ingest, blocks: list[bytes], *, is_committed: bool) -> Report | None:
        one = ingest.group_commit.open(DEFAULTS)
        for block in blocks:
            await one.feed(block)
        report = await one.commit() if is_committed else None
        one.close()
        return report

    fresh = Ledger()
    other = Ingest(fresh, ingest.clock)
    want = await push_blocks(other, clean, is_committed=True)
    other.close()
    for _ in range(2):
        await push_blocks(ingest, blocks, is_committed=is_committed)
        assert await push_blocks(ingest, clean, is_committed=True) == want
        assert journal.partials[-1] == fresh.partials[-1]


@pytest.mark.parametrize("key", [None, "key-{}"])
async def test_pushes_whose_senders_leave_count_as_pending_until_they_are_committed(
    key: str | None, ingest: Ingest, journal: Disk
) -> None:
    body = LINE * 1_000
    began = await busy(ingest, journal)
    ingest.group_commit.limits = PushLimits(pending_bytes=ingest.group_commit.pending_bytes + 10 * len(body))
    refused = 0
    for number in range(20):
        try:
            left = await push(ingest, body, key=key and key.format(number))
        except Busy:
            refused += 1
            continue
        left.cancel()
        await asyncio.wait([left])
    # Without a key, the push of a sender that has left does not count.
    assert (refused > 0) == (key is not None)
    journal.gate.let_all()
    await asyncio.gather(*began)
    await ingest.group_commit.drain()
    assert journal.records == len(began) + (0 if key is None else 1_000 * (20 - refused))
    assert ingest.group_commit.pending_bytes == 0
