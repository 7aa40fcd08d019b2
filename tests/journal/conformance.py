"""What every journal must do. The test class of each journal inherits this suite."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from edgetally.journal.base import Fact, Gap, Journal, Partial, Partition, Seal


class OnePartition(Journal, Partition, Protocol):
    """A journal that is its own only partition."""


async def take(journal: Partition, count: int, position: int = 0) -> list[Fact]:
    """Read `count` facts after `position`, and wait for them if necessary."""
    found: list[Fact] = []
    facts = journal.read(position)
    while len(found) < count:
        found.append(await anext(facts))
    await close(facts)
    return found


async def close(facts: AsyncIterator[Fact]) -> None:
    """Stop reading."""
    aclose = getattr(facts, "aclose", None)
    if aclose:
        await aclose()


def contents(facts: list[Fact]) -> list[bytes | int]:
    """Return the partials and the seconds of seals, without positions."""
    found: list[bytes | int] = []
    for fact in facts:
        assert not isinstance(fact, Gap)
        found.append(fact.partial if isinstance(fact, Partial) else fact.second)
    return found


class Conformance:
    """Inherit this, and define how the journal is opened and reopened."""

    remembers_what_is_forgotten = True
    """Whether the next process finds which seconds have lost rows."""

    async def open(self) -> OnePartition:
        raise NotImplementedError

    async def reopen(self, journal: OnePartition) -> OnePartition:
        """Open what a killed process leaves of `journal`, which is not closed."""
        raise NotImplementedError

    async def test_facts_are_read_in_the_order_in_which_they_were_appended(self) -> None:
        journal = await self.open()
        await journal.append(b"a")
        await journal.seal(1_700_000_000)
        await journal.append(b"b")
        await journal.append(b"c")
        await journal.seal(1_700_000_001)

        facts = await take(journal, 5)

        assert contents(facts) == [b"a", 1_700_000_000, b"b", b"c", 1_700_000_001]
        assert [type(fact) for fact in facts] == [Partial, Seal, Partial, Partial, Seal]
        await journal.close()

    async def test_a_partial_may_be_any_bytes(self) -> None:
        partials = [bytes(range(256)), b"\0", "é\n".encode(), b"x" * (1 << 20)]
        journal = await self.open()
        for partial in partials:
            await journal.append(partial)

        assert contents(await take(journal, 4)) == partials
        await journal.close()

    async def test_positions_grow(self) -> None:
        journal = await self.open()
        for number in range(6):
            await journal.append(b"%d" % number)

        positions = [fact.position for fact in await take(journal, 6)]

        assert positions == sorted(set(positions))
        assert positions[0] > 0
        await journal.close()

    async def test_reading_continues_after_any_position(self) -> None:
        journal = await self.open()
        for number in range(6):
            await journal.append(b"%d" % number)
        facts = await take(journal, 6)

        for read, fact in enumerate(facts[:-1], start=1):
            assert await take(journal, 6 - read, fact.position) == facts[read:]
        await journal.close()

    async def test_reading_twice_returns_the_same_facts(self) -> None:
        journal = await self.open()
        await journal.append(b"a")
        await journal.seal(7)

        assert await take(journal, 2) == await take(journal, 2)
        await journal.close()

    async def test_a_reader_at_the_end_wakes_for_the_next_fact(self) -> None:
        journal = await self.open()
        facts = journal.read()
        for fact in (b"a", 5, b"b"):
            waiting = asyncio.ensure_future(anext(facts))
            await asyncio.sleep(0)
            assert not waiting.done()

            await (journal.seal(fact) if isinstance(fact, int) else journal.append(fact))

            assert contents([await waiting]) == [fact]
        await close(facts)
        await journal.close()

    async def test_a_busy_reader_misses_no_fact(self) -> None:
        journal = await self.open()
        await journal.append(b"0")
        await journal.append(b"1")
        facts = journal.read()
        seen = []
        for number in range(2, 12):
            seen.append(await anext(facts))
            await journal.append(b"%d" % number)

        seen += [await anext(facts), await anext(facts)]

        assert contents(seen) == [b"%d" % number for number in range(12)]
        await close(facts)
        await journal.close()

    async def test_every_reader_gets_every_fact_at_its_own_pace(self) -> None:
        journal = await self.open()
        slow, fast = journal.read(), journal.read()
        waiting = [asyncio.ensure_future(anext(facts)) for facts in (slow, fast)]
        await asyncio.sleep(0)

        await journal.append(b"a")
        await journal.append(b"b")
        firsts = [await first for first in waiting]
        second = await anext(fast)
        await journal.seal(3)
        rest = [await anext(fast), await anext(slow), await anext(slow)]

        assert contents(firsts) == [b"a", b"a"]
        assert contents([second, *rest]) == [b"b", 3, b"b", 3]
        await close(slow)
        await close(fast)
        await journal.close()

    async def test_a_cancelled_reader_takes_no_fact_from_the_others(self) -> None:
        journal = await self.open()
        waiting = [asyncio.ensure_future(anext(journal.read())) for _ in range(3)]
        await asyncio.sleep(0)

        waiting[1].cancel()
        await asyncio.wait([waiting[1]])
        await journal.append(b"a")

        assert contents([await waiting[0], await waiting[2]]) == [b"a", b"a"]
        await journal.close()

    async def test_concurrent_appends_are_stored_once_each(self) -> None:
        journal = await self.open()
        await asyncio.gather(*(journal.append(b"%d" % number) for number in range(50)))

        assert sorted(contents(await take(journal, 50)), key=str) == sorted((b"%d" % n for n in range(50)), key=str)
        await journal.append(b"last")
        assert contents(await take(journal, 51))[-1] == b"last"
        await journal.close()

    async def test_facts_that_are_not_forgotten_stay(self) -> None:
        journal = await self.open()
        for number in range(4):
            await journal.append(b"%d" % number)
        facts = await take(journal, 4)

        journal.forget(facts[1].position)

        assert await take(journal, 2, facts[1].position) == facts[2:]
        assert await take(journal, 1, facts[2].position) == facts[3:]
        # The forgotten ones may still be there.
        oldest = journal.read()
        found = [await anext(oldest)]
        while found[-1] != facts[3]:
            found.append(await anext(oldest))
        assert found[-2:] == facts[2:]
        await close(oldest)
        await journal.close()

    async def test_a_reader_after_forgotten_facts_waits_for_new_ones(self) -> None:
        journal = await self.open()
        await journal.append(b"a")
        await journal.append(b"b")
        facts = await take(journal, 2)
        journal.forget(facts[1].position)

        late = asyncio.ensure_future(take(journal, 1, facts[1].position))
        later = asyncio.ensure_future(last_of(journal, b"c"))
        await asyncio.sleep(0)
        await journal.append(b"c")

        assert contents(await late) == [b"c"]
        assert await later == b"c"
        await journal.close()

    async def test_forgetting_twice_or_before_the_first_append_is_harmless(self) -> None:
        journal = await self.open()
        journal.forget(0)
        await journal.append(b"a")
        await journal.append(b"b")
        facts = await take(journal, 2)

        journal.forget(facts[0].position)
        journal.forget(facts[0].position)

        assert await take(journal, 1, facts[0].position) == facts[1:]
        await journal.close()

    async def test_a_new_journal_has_no_checkpoints(self) -> None:
        journal = await self.open()

        assert dict(journal.checkpoints()) == {}
        await journal.close()

    async def test_the_last_checkpoint_of_every_name_is_kept(self) -> None:
        journal = await self.open()
        await journal.append(b"a", {"one": "1", "two": "1"})
        await journal.append(b"b", {"one": "2"})
        await journal.append(b"c")

        assert dict(journal.checkpoints()) == {"one": "2", "two": "1"}
        await journal.close()

    async def test_checkpoints_can_be_appended_without_a_partial(self) -> None:
        journal = await self.open()
        await journal.append(b"a", {"one": "1"})
        await journal.append(b"", {"one": "2"})
        await journal.append(b"b")

        # An empty partial is not a fact.
        assert contents(await take(journal, 2)) == [b"a", b"b"]
        assert dict(journal.checkpoints()) == {"one": "2"}
        await journal.close()

    async def test_a_restart_finds_facts_and_their_checkpoints(self) -> None:
        journal = await self.open()
        await journal.append(b"a", {"one": "1"})
        await journal.seal(4)
        await journal.append(b"b", {"one": "2", "two": "é"})
        await journal.append(b"", {"three": "3"})
        facts = await take(journal, 3)

        after = await self.reopen(journal)

        assert await take(after, 3) == facts
        assert dict(after.checkpoints()) == {"one": "2", "two": "é", "three": "3"}
        await after.close()

    async def test_a_checkpoint_can_be_removed(self) -> None:
        journal = await self.open()
        await journal.append(b"a", {"one": "1", "two": "1"})
        await journal.append(b"b", {"one": None, "never": None})

        assert dict(journal.checkpoints()) == {"two": "1"}
        after = await self.reopen(journal)
        assert dict(after.checkpoints()) == {"two": "1"}
        await after.close()

    async def test_a_restart_finds_the_newest_seal_the_end_and_the_complete_seconds(self) -> None:
        journal = await self.open()
        assert (journal.newest_seal, journal.end, journal.complete_after, journal.failing) == (None, 0, 0, None)
        await journal.append(b"a")
        await journal.seal(5)
        await journal.seal(6)
        await journal.append(b"b")
        facts = await take(journal, 4)
        journal.forget(facts[0].position, complete_after=4)
        await journal.append(b"", {"one": "1"})

        after = await self.reopen(journal)

        for one in (journal, after):
            assert (one.newest_seal, one.end) == (facts[2], facts[3].position)
        # What was read before it was removed is still known.
        assert journal.complete_after == 0
        assert after.complete_after == (4 if self.remembers_what_is_forgotten else 0)
        await after.close()

    async def test_a_journal_keeps_its_id(self) -> None:
        journal = await self.open()
        await journal.append(b"a", {"one": "1"})

        after = await self.reopen(journal)

        assert after.id == journal.id != ""
        await after.close()

    async def test_a_position_is_never_used_twice(self) -> None:
        journal = await self.open()
        await journal.append(b"a", {"one": "1"})
        await journal.append(b"b")
        before = await take(journal, 2)
        journal.forget(before[-1].position)

        after = await self.reopen(journal)
        await after.append(b"c")

        (fact,) = await take(after, 1, before[-1].position)
        assert fact.position > before[-1].position
        assert contents([fact]) == [b"c"]
        assert dict(after.checkpoints()) == {"one": "1"}
        await after.close()


async def last_of(journal: Partition, partial: bytes) -> bytes:
    """Read from the beginning up to `partial`."""
    facts = journal.read()
    while True:
        fact = await anext(facts)
        if isinstance(fact, Partial) and fact.partial == partial:
            await close(facts)
            return fact.partial
