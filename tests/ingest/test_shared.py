"""Pushes and datagrams on their way into a journal that other nodes write, too, and whose brokers may be away."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from edgetally.errors import Unavailable, Unknown
from edgetally.ingest.group_commit import CONCURRENT_GROUPS, MAX_WAIT, SharedPushes
from edgetally.ingest.idempotency import IdempotencyKey
from edgetally.journal.base import Checkpoints
from edgetally.model import Defaults, Framing, Report
from edgetally.sources import syslog
from edgetally.sources.base import Block
from edgetally.sources.piece_reader import PieceReader
from edgetally.sources.syslog import SyslogConnection
from tests.support.clock import ManualClock, until
from tests.support.gate import Gate
from tests.support.ingest import Ingest
from tests.support.ledger import Ledger

DEFAULTS = Defaults("svc", "lab")
LINE = b'{"status":200}\n'
PATIENCE = 10.0


class Brokers(Ledger):
    """A shared journal whose appends wait at a gate."""

    is_shared = True

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()
        self.ids: list[bytes | None] = []

    async def append(
        self, partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None
    ) -> None:
        self.ids.append(push_id)
        await self.gate.pass_through()
        await super().append(partial, checkpoints, push_id=push_id)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def journal() -> Brokers:
    return Brokers()


def node(journal: Brokers, clock: ManualClock) -> Ingest:
    return Ingest(journal, clock, shared=SharedPushes(clock, PATIENCE), fold_on_bytes=1 << 20)


@pytest.fixture
def ingest(journal: Brokers, clock: ManualClock) -> Iterator[Ingest]:
    ingest = node(journal, clock)
    yield ingest
    ingest.close()


Commit = asyncio.Task[Report]


async def push(
    ingest: Ingest, body: bytes = LINE, *, key: str | None = None, content: int = 0, pop: str = DEFAULTS.pop
) -> Commit:
    """Start to commit a push at a node of a POP."""
    one = ingest.group_commit.open(DEFAULTS._replace(pop=pop))
    await one.feed(body)

    async def commit() -> Report:
        try:
            return await one.commit(IdempotencyKey(key, content) if key else None)
        finally:
            one.close()

    task = asyncio.create_task(commit())
    for _ in range(3):
        await asyncio.sleep(0)
    return task


def test_the_id_of_a_push_is_made_of_its_key_and_its_content() -> None:
    """It must not change: nodes of two versions may get the same push."""
    first = IdempotencyKey("*::key", 7).push_id
    others = [IdempotencyKey("*::other", 7).push_id, IdempotencyKey("*::key", 8).push_id]

    assert first.hex() == "4864d55ff15c6e18c65f33f8f3b795a0"
    assert len({first, *others}) == 3


async def test_pushes_with_keys_are_appended_alone_and_others_together(
    ingest: Ingest, journal: Brokers, clock: ManualClock
) -> None:
    several = [await push(ingest) for _ in range(CONCURRENT_GROUPS)]
    several += [await push(ingest), await push(ingest, key="one"), await push(ingest), await push(ingest, key="two")]
    await until(lambda: len(journal.ids) == CONCURRENT_GROUPS + 2)
    journal.gate.let_all()
    assert [(await one).accepted for one in several] == [1] * len(several)

    ids = [IdempotencyKey(key, 0).push_id for key in ("one", "two")]
    assert [one for one in journal.ids if one in ids] == ids
    # Those without keys have ids, too, so that the journal says so when it does not know whether they count.
    assert len(set(journal.ids) - {None}) == len(journal.ids)
    assert sorted(records for records, _ in journal.appended) == [1, 1, 1, 1, 2]
    # A node in another POP gives the same push the same id.
    elsewhere = Brokers()
    elsewhere.gate.let_all()
    other = node(elsewhere, clock)
    assert (await (await push(other, key="one", pop="ams"))).accepted == 1
    assert elsewhere.ids == ids[:1]
    other.close()


async def test_a_sender_is_told_in_time_that_the_outcome_is_unknown(
    ingest: Ingest, journal: Brokers, clock: ManualClock
) -> None:
    first = await push(ingest, key="one")
    plain = await push(ingest)
    await journal.gate.come(2)
    again = await push(ingest, key="one")
    await clock.advance(PATIENCE - 0.1)
    assert [one.done() for one in (first, plain, again)] == [False] * 3

    await clock.advance(0.1)
    for one in (first, plain, again):
        with pytest.raises(Unknown, match="the brokers have not acknowledged the push for 10 seconds"):
            await one
    later = await push(ingest, key="one")
    journal.gate.let_all()

    # It was counted, once, and who sends it again learns so.
    assert (await later).accepted == 1
    assert journal.records == 2
    assert ingest.group_commit.pending_bytes == 0


async def test_a_push_that_was_not_handed_over_does_not_count(
    ingest: Ingest, journal: Brokers, clock: ManualClock
) -> None:
    began = [await push(ingest) for _ in range(CONCURRENT_GROUPS)]
    await journal.gate.come(CONCURRENT_GROUPS)
    waiting = await push(ingest)
    await clock.advance(PATIENCE)

    with pytest.raises(Unavailable) as refused:
        await waiting
    assert not isinstance(refused.value, Unknown)
    assert [type(error) for error in await asyncio.gather(*began, return_exceptions=True)] == [Unknown] * len(began)
    journal.gate.let_all()
    await ingest.group_commit.drain()
    assert journal.records == CONCURRENT_GROUPS


async def test_a_push_that_waited_too_long_for_its_turn_is_refused(
    ingest: Ingest, journal: Brokers, clock: ManualClock
) -> None:
    began = [await push(ingest) for _ in range(CONCURRENT_GROUPS)]
    await journal.gate.come(CONCURRENT_GROUPS)
    waiting = await push(ingest)
    await clock.advance(MAX_WAIT + 1)
    journal.gate.let_all()

    with pytest.raises(Unavailable, match="the push waited for 3 seconds in this node"):
        await waiting
    assert [report.accepted for report in await asyncio.gather(*began)] == [1] * len(began)
    await ingest.group_commit.drain()
    assert journal.records == CONCURRENT_GROUPS


@pytest.mark.parametrize("key", [None, "one"])
async def test_a_sender_that_leaves_before_its_push_fails_costs_no_line_in_the_log(
    ingest: Ingest, journal: Brokers, key: str | None
) -> None:
    logged: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
    pushing = await push(ingest, key=key)
    await journal.gate.come(1)
    # As at the end of a process whose brokers are away.
    pushing.cancel()
    await asyncio.wait([pushing])
    journal.gate.waiting[0].set_exception(Unknown("the brokers had not acknowledged it"))
    await ingest.group_commit.drain()
    journal.gate.waiting.clear()
    del pushing
    gc.collect()

    assert not logged


async def test_a_push_whose_sender_leaves_before_it_is_handed_over_does_not_count(
    ingest: Ingest, journal: Brokers
) -> None:
    began = [await push(ingest) for _ in range(CONCURRENT_GROUPS)]
    await journal.gate.come(CONCURRENT_GROUPS)
    waiting = await push(ingest)
    waiting.cancel()
    await asyncio.wait([waiting])
    journal.gate.let_all()
    await asyncio.gather(*began)
    await ingest.group_commit.drain()

    assert journal.records == CONCURRENT_GROUPS
    assert ingest.group_commit.pending_bytes == 0


class Datagrams:
    """A source that cannot go back: it yields what it is given."""

    name = "syslog"
    defaults = DEFAULTS
    framing: Framing = "lines"

    def __init__(self) -> None:
        self.given: asyncio.Queue[bytes] = asyncio.Queue()
        self.taken = 0

    def note_progress(self, line: int, unfinished: int, recognised: int, rejected: int) -> None:
        pass

    async def blocks(self) -> AsyncIterator[Block]:
        while data := await self.given.get():
            self.taken += 1
            yield Block(data)


async def test_datagrams_are_folded_on_while_the_brokers_are_away(
    ingest: Ingest, journal: Brokers, clock: ManualClock
) -> None:
    source = Datagrams()
    follow = asyncio.create_task(ingest.worker.follow(source))
    for _ in range(50):
        source.given.put_nowait(LINE)
    await until(lambda: source.taken == 50)
    assert len(journal.ids) == 1

    journal.gate.let_all()
    await until(lambda: journal.records > 0)
    await clock.advance(1)
    assert (journal.records, len(journal.appended)) == (50, 2)
    source.given.put_nowait(b"")
    await follow


async def test_what_is_folded_meanwhile_is_bounded(ingest: Ingest, journal: Brokers, clock: ManualClock) -> None:
    source = Datagrams()
    follow = asyncio.create_task(ingest.worker.follow(source))
    for number in range(200):
        lines = (b'{"status":200,"domain":"%d-%d.example"}\n' % (number, line) for line in range(100))
        source.given.put_nowait(b"".join(lines))
    await until(lambda: source.taken > 10)
    for _ in range(100):
        await asyncio.sleep(0)
    assert source.taken < 150

    journal.gate.let_all()
    source.given.put_nowait(b"")
    while not follow.done():
        await clock.advance(0.1)
    assert journal.records == 20_000


def connection(clock: ManualClock) -> tuple[PieceReader, SyslogConnection]:
    """Return a connection, and the reader that is told what comes."""

    async def accept(_: PieceReader, __: asyncio.Transport) -> None:
        """Is never called."""

    reader = PieceReader(clock, accept)
    return reader, SyslogConnection("stream", reader, DEFAULTS, clock)


async def test_a_connection_stays_open_while_the_brokers_are_away(
    ingest: Ingest, journal: Brokers, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "MAX_UNFINISHED_BYTES", 1000)
    reader, source = connection(clock)
    following = asyncio.create_task(ingest.worker.follow(source))
    reader.data_received(LINE[:7])
    for _ in range(100):
        reader.data_received(LINE[7:] + LINE[:7])
        await clock.advance(0.0)
    reader.data_received(LINE[7:])
    assert journal.records == 0
    journal.gate.let_all()
    reader.eof_received()
    while not following.done():
        await clock.advance(0.1)
    assert (journal.records, ingest.totals.accepted, ingest.totals.rejected.total()) == (101, 101, 0)


async def test_a_connection_that_sends_no_record_is_closed(
    ingest: Ingest, journal: Brokers, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    journal.gate.let_all()
    reader, source = connection(clock)
    following = asyncio.create_task(ingest.worker.follow(source))
    while not following.done():
        reader.data_received(b"no record\n" * 10)
        await clock.advance(0.1)
    assert "lines is a record" in caplog.text


async def test_what_was_folded_counts_when_the_process_stops(ingest: Ingest, journal: Brokers) -> None:
    source = Datagrams()
    follow = asyncio.create_task(ingest.worker.follow(source))
    for _ in range(5):
        source.given.put_nowait(LINE)
    await until(lambda: source.taken == 5)

    follow.cancel()
    await asyncio.sleep(0)
    journal.gate.let_all()
    await asyncio.wait([follow])
    assert journal.records == 5


class Script(Datagrams):
    """A source that goes back to its checkpoints, though not every block has one."""

    async def blocks(self) -> AsyncIterator[Block]:
        async for number, block in counted(super().blocks()):
            yield block._replace(checkpoints={self.name: str(number)} if number else None)


async def counted(blocks: AsyncIterator[Block]) -> AsyncIterator[tuple[int, Block]]:
    number = 0
    async for block in blocks:
        yield number, block
        number += 1


async def test_what_can_go_back_is_committed_once_with_its_checkpoint(
    ingest: Ingest, journal: Brokers, clock: ManualClock
) -> None:
    source = Script()
    follow = asyncio.create_task(ingest.worker.follow(source, goes_back=True))
    for number in range(3):
        source.given.put_nowait(LINE * (number + 1))
    await journal.gate.come(1)
    # Nothing else is taken before it is durable.
    await clock.advance(1)
    assert (source.taken, len(journal.ids)) == (1, 1)

    journal.gate.let_all()
    source.given.put_nowait(b"")
    await follow
    assert journal.appended == [(1, {}), (2, {"syslog": "1"}), (3, {"syslog": "2"})]
