"""Idempotency keys: a push that has one counts once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from edgetally.errors import KeyReused, Unavailable
from edgetally.ingest.idempotency import KEEP_SECONDS, OLD_PREFIX, PREFIX, IdempotencyKey, IdempotencyKeys
from edgetally.journal.base import Checkpoints
from edgetally.model import Defaults, Report
from tests.support.clock import START, ManualClock, until
from tests.support.ingest import Ingest
from tests.support.ledger import Ledger

DEFAULTS = Defaults("svc", "lab")
LINE = b'{"status":200}\n'
BAD = b'{"status":9999}\n'


class Disk(Ledger):
    """A journal whose appends can be stopped, and can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.problem = ""
        self.started = 0
        """How many appends have started."""

    async def append(
        self, partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None
    ) -> None:
        self.started += 1
        problem = self.problem
        await self.go_on.wait()
        if problem:
            raise Unavailable(problem)
        await super().append(partial, checkpoints, push_id=push_id)


class Sender:
    """Pushes lines into a journal, each push with a key."""

    def __init__(self, *, max_keys: int) -> None:
        self.clock = ManualClock()
        self.journal = Disk()
        self.ingest = Ingest(self.journal, self.clock, max_keys=max_keys)

    @property
    def keys(self) -> IdempotencyKeys:
        return self.ingest.group_commit.keys

    @property
    def counted(self) -> list[int]:
        """The lines of every push that counts."""
        return [records for records, _ in self.journal.appended]

    @property
    def stored(self) -> list[str]:
        """The names of the records in the journal."""
        return list(self.journal.checkpoints())

    async def push(self, key: str, lines: int, body: bytes = LINE) -> Report:
        push = self.ingest.group_commit.open(DEFAULTS)
        try:
            await push.feed(body * lines)
            return await push.commit(IdempotencyKey(key, lines))
        finally:
            push.close()

    def restart(self, checkpoints: Mapping[str, str], *, max_keys: int) -> None:
        """Forget the keys, and read them from these checkpoints."""
        self.ingest.group_commit.keys = IdempotencyKeys(checkpoints, self.clock, limit=max_keys)


@asynccontextmanager
async def sending(*, max_keys: int = 100) -> AsyncIterator[Sender]:
    sender = Sender(max_keys=max_keys)
    yield sender
    sender.ingest.close()


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with sending() as sender:
        yield sender


async def test_a_repeated_push_gets_the_first_report(sender: Sender) -> None:
    first = await sender.push("k", 2, LINE + BAD)
    again = await sender.push("k", 2, LINE + BAD)

    assert (first.accepted, first.rejected) == (again.accepted, again.rejected) == (2, {"bad_status": 2})
    assert [(line.line, line.reason, line.at) for line in again.rejections] == [
        (line.line, line.reason, line.at) for line in first.rejections
    ]
    assert sender.counted == [2]
    assert sender.keys.repeated == 1


async def test_other_content_with_the_same_key_is_refused(sender: Sender) -> None:
    await sender.push("k", 1)
    with pytest.raises(KeyReused, match="was used for other records"):
        await sender.push("k", 2)
    assert sender.counted == [1]


async def test_a_repeated_push_waits_for_the_first(sender: Sender) -> None:
    sender.journal.go_on.clear()
    pushes = [asyncio.create_task(sender.push("k", 1)) for _ in range(5)]
    await sender.clock.advance(1)
    assert sender.journal.started == 1
    sender.journal.go_on.set()

    assert [report.accepted for report in await asyncio.gather(*pushes)] == [1] * 5
    assert sender.counted == [1]


async def test_a_push_with_a_key_counts_though_its_sender_has_left(sender: Sender) -> None:
    sender.journal.go_on.clear()
    first = asyncio.create_task(sender.push("k", 1))
    await sender.clock.advance(1)
    first.cancel()
    again = asyncio.create_task(sender.push("k", 1))
    await sender.clock.advance(1)
    sender.journal.go_on.set()

    assert (await again).accepted == 1
    assert first.cancelled()
    assert sender.counted == [1]


async def test_a_push_with_a_key_counts_though_its_sender_leaves_before_it_is_folded(sender: Sender) -> None:
    first = asyncio.create_task(sender.push("k", 1))
    await asyncio.sleep(0)
    assert sender.journal.started == 0
    first.cancel()

    assert (await sender.push("k", 1)).accepted == 1
    assert first.cancelled()
    assert sender.counted == [1]


async def test_when_the_first_push_fails_the_next_one_counts(sender: Sender) -> None:
    sender.journal.go_on.clear()
    sender.journal.problem = "full"
    first = asyncio.create_task(sender.push("k", 1))
    again = asyncio.create_task(sender.push("k", 1))
    await sender.clock.advance(1)
    sender.journal.problem = ""
    sender.journal.go_on.set()

    with pytest.raises(Unavailable, match="full"):
        await first
    assert (await again).accepted == 1
    assert sender.counted == [1]


async def test_a_key_is_forgotten_after_ten_minutes(sender: Sender) -> None:
    await sender.push("k", 1)
    await sender.clock.advance(KEEP_SECONDS - 1)
    assert (await sender.push("k", 1)).accepted == 1
    await sender.clock.advance(1)
    assert (await sender.push("k", 2)).accepted == 2
    await sender.clock.advance(KEEP_SECONDS)
    await sender.push("other", 3)

    assert sender.counted == [1, 2, 3]
    assert sender.stored == [f"{PREFIX}other"]


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_key_that_is_used_again_is_not_removed_by_a_concurrent_push(sender: Sender, *, is_first: bool) -> None:
    await sender.push("k", 1)
    await sender.clock.advance(KEEP_SECONDS + 1)
    sender.journal.go_on.clear()
    pushes = []
    for number, (key, lines) in enumerate([("k", 2), ("other", 3)] if is_first else [("other", 3), ("k", 2)]):
        pushes.append(asyncio.create_task(sender.push(key, lines)))
        await until(lambda started=number + 2: sender.journal.started == started)  # type: ignore[misc]
    sender.journal.go_on.set()
    await asyncio.wait(pushes)

    assert (await sender.push("k", 2)).accepted == 2
    assert sorted(sender.counted) == [1, 2, 3]


async def test_pushes_of_one_group_are_remembered_each_by_its_own_key(sender: Sender) -> None:
    pushes = [asyncio.create_task(sender.push(f"k{lines}", lines)) for lines in (1, 2, 3)]
    await asyncio.wait(pushes)
    assert sender.counted == [6]

    assert [(await sender.push(f"k{lines}", lines)).accepted for lines in (1, 2, 3)] == [1, 2, 3]
    assert sender.counted == [6]


async def test_the_oldest_keys_are_evicted_beyond_the_limit() -> None:
    async with sending(max_keys=3) as sender:
        for number in range(10):
            await sender.push(f"k{number}", 1)

        assert sender.stored == [f"{PREFIX}k7", f"{PREFIX}k8", f"{PREFIX}k9"]
        assert sender.keys.evicted == 7


async def test_a_restart_finds_the_keys_and_the_order_in_which_they_expire(sender: Sender) -> None:
    for number in range(4):
        await sender.push(f"k{number}", 1)
        await sender.clock.advance(100)
    sender.restart(dict(reversed(list(sender.journal.checkpoints().items()))), max_keys=3)
    assert (await sender.push("k0", 1)).accepted == 1
    assert sender.counted == [1] * 4
    sender.restart(sender.journal.checkpoints(), max_keys=2)
    await sender.push("k4", 1)

    assert sender.stored == [f"{PREFIX}k3", f"{PREFIX}k4"]


async def test_a_record_has_no_samples(sender: Sender) -> None:
    await sender.push("k", 2, BAD)

    (text,) = sender.journal.checkpoints().values()
    assert "9999" not in text


# Records of before, which hold an HTTP answer.

OLD = r'[%d,7,[400,"{\"accepted\":0,\"rejected\":12,\"errors\":[%s]}"]]'
ERRORS = ",".join(
    rf"{{\"line\":{line},\"reason\":\"{reason}: some reason\"}}"
    for line, reason in enumerate(["not_json"] * 9 + ["no_such_reason"], start=1)
)


async def test_a_record_of_the_first_version_is_read_and_expires(sender: Sender) -> None:
    await sender.journal.append(b"", {f"{OLD_PREFIX}k": OLD % (START + 10, ERRORS)})
    sender.restart(sender.journal.checkpoints(), max_keys=100)

    report = await sender.push("k", 7)
    assert (report.accepted, report.rejected.total()) == (0, 12)
    assert [(line.line, line.reason) for line in report.rejections] == [(line, "not_json") for line in range(1, 10)]
    with pytest.raises(KeyReused):
        await sender.push("k", 1)
    assert sender.journal.records == 0

    await sender.clock.advance(10)
    assert (await sender.push("k", 1)).accepted == 1
    assert sender.stored == [f"{PREFIX}k"]
