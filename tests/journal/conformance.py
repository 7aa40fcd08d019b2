"""What every journal must do: one suite, which the test of each journal inherits."""

import asyncio
from collections.abc import AsyncIterator

from edgetally.journal.base import Fact, Journal, Partial, Seal


async def take(journal: Journal, count: int, position: int = 0) -> list[Fact]:
    """Read `count` facts after `position`, waiting for them if need be."""
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


def said(facts: list[Fact]) -> list[bytes | int]:
    """Give what facts say, whatever their positions: the bytes of a partial, the second of a seal."""
    return [fact.partial if isinstance(fact, Partial) else fact.second for fact in facts]


class Conformance:
    """Inherit this, and say how your journal is opened and what a restart does to it."""

    async def open(self) -> Journal:
        raise NotImplementedError

    async def reopen(self, journal: Journal) -> Journal:
        """Return what the next process finds where `journal` was, which is not closed but abandoned."""
        raise NotImplementedError

    async def test_facts_are_read_in_the_order_in_which_they_were_appended(self) -> None:
        journal = await self.open()
        await journal.append(b"a")
        await journal.seal(1_700_000_000)
        await journal.append(b"b")
        await journal.append(b"c")
        await journal.seal(1_700_000_001)

        facts = await take(journal, 5)

        assert said(facts) == [b"a", 1_700_000_000, b"b", b"c", 1_700_000_001]
        assert [type(fact) for fact in facts] == [Partial, Seal, Partial, Partial, Seal]
        await journal.close()

    async def test_a_partial_is_bytes_that_the_journal_does_not_look_into(self) -> None:
        partials = [bytes(range(256)), b"\0", "é\n".encode(), b"x" * (1 << 20)]
        journal = await self.open()
        for partial in partials:
            await journal.append(partial)

        assert said(await take(journal, 4)) == partials
        await journal.close()

    async def test_positions_grow(self) -> None:
        journal = await self.open()
        for number in range(6):
            await journal.append(b"%d" % number)

        positions = [fact.position for fact in await take(journal, 6)]

        assert positions == sorted(set(positions))
        assert positions[0] > 0
        await journal.close()

    async def test_reading_goes_on_after_any_position(self) -> None:
        journal = await self.open()
        for number in range(6):
            await journal.append(b"%d" % number)
        facts = await take(journal, 6)

        for read, fact in enumerate(facts[:-1], start=1):
            assert await take(journal, 6 - read, fact.position) == facts[read:]
        await journal.close()

    async def test_reading_twice_gives_the_same(self) -> None:
        journal = await self.open()
        await journal.append(b"a")
        await journal.seal(7)

        assert await take(journal, 2) == await take(journal, 2)
        await journal.close()

    async def test_a_reader_who_is_up_to_date_is_woken_by_the_next_fact(self) -> None:
        journal = await self.open()
        facts = journal.read()
        for fact in (b"a", 5, b"b"):
            waiting = asyncio.ensure_future(anext(facts))
            await asyncio.sleep(0)
            assert not waiting.done()

            await (journal.seal(fact) if isinstance(fact, int) else journal.append(fact))

            assert said([await waiting]) == [fact]
        await close(facts)
        await journal.close()

    async def test_facts_that_come_while_a_reader_is_busy_are_not_missed(self) -> None:
        journal = await self.open()
        await journal.append(b"0")
        await journal.append(b"1")
        facts = journal.read()
        seen = []
        for number in range(2, 12):
            seen.append(await anext(facts))
            await journal.append(b"%d" % number)

        seen += [await anext(facts), await anext(facts)]

        assert said(seen) == [b"%d" % number for number in range(12)]
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

        assert said(firsts) == [b"a", b"a"]
        assert said([second, *rest]) == [b"b", 3, b"b", 3]
        await close(slow)
        await close(fast)
        await journal.close()

    async def test_a_reader_who_gives_up_takes_nothing_from_the_others(self) -> None:
        journal = await self.open()
        waiting = [asyncio.ensure_future(anext(journal.read())) for _ in range(3)]
        await asyncio.sleep(0)

        waiting[1].cancel()
        await asyncio.wait([waiting[1]])
        await journal.append(b"a")

        assert said([await waiting[0], await waiting[2]]) == [b"a", b"a"]
        await journal.close()

    async def test_what_is_appended_at_the_same_time_is_there_once(self) -> None:
        journal = await self.open()
        await asyncio.gather(*(journal.append(b"%d" % number) for number in range(50)))

        assert sorted(said(await take(journal, 50)), key=str) == sorted((b"%d" % n for n in range(50)), key=str)
        await journal.append(b"last")
        assert said(await take(journal, 51))[-1] == b"last"
        await journal.close()

    async def test_what_is_not_forgotten_stays(self) -> None:
        journal = await self.open()
        for number in range(4):
            await journal.append(b"%d" % number)
        facts = await take(journal, 4)

        journal.forget(facts[1].position)

        assert await take(journal, 2, facts[1].position) == facts[2:]
        assert await take(journal, 1, facts[2].position) == facts[3:]
        # Whether the forgotten ones can still be read is the journal's choice.
        oldest = journal.read()
        found = [await anext(oldest)]
        while found[-1] != facts[3]:
            found.append(await anext(oldest))
        assert found[-2:] == facts[2:]
        await close(oldest)
        await journal.close()

    async def test_who_comes_after_everything_was_forgotten_waits_for_what_is_new(self) -> None:
        journal = await self.open()
        await journal.append(b"a")
        await journal.append(b"b")
        facts = await take(journal, 2)
        journal.forget(facts[1].position)

        late = asyncio.ensure_future(take(journal, 1, facts[1].position))
        later = asyncio.ensure_future(last_of(journal, b"c"))
        await asyncio.sleep(0)
        await journal.append(b"c")

        assert said(await late) == [b"c"]
        assert await later == b"c"
        await journal.close()

    async def test_forgetting_is_harmless_twice_and_before_anything_was_appended(self) -> None:
        journal = await self.open()
        journal.forget(0)
        await journal.append(b"a")
        await journal.append(b"b")
        facts = await take(journal, 2)

        journal.forget(facts[0].position)
        journal.forget(facts[0].position)

        assert await take(journal, 1, facts[0].position) == facts[1:]
        await journal.close()

    async def test_there_are_no_marks_at_first(self) -> None:
        journal = await self.open()

        assert dict(journal.marks()) == {}
        await journal.close()

    async def test_the_last_mark_of_every_source_is_kept(self) -> None:
        journal = await self.open()
        await journal.append(b"a", {"one": "1", "two": "1"})
        await journal.append(b"b", {"one": "2"})
        await journal.append(b"c")

        assert dict(journal.marks()) == {"one": "2", "two": "1"}
        await journal.close()

    async def test_marks_come_without_a_partial_too(self) -> None:
        journal = await self.open()
        await journal.append(b"a", {"one": "1"})
        await journal.append(b"", {"one": "2"})
        await journal.append(b"b")

        # Nobody is handed an empty partial.
        assert said(await take(journal, 2)) == [b"a", b"b"]
        assert dict(journal.marks()) == {"one": "2"}
        await journal.close()

    async def test_a_restart_finds_facts_and_marks_together(self) -> None:
        journal = await self.open()
        await journal.append(b"a", {"one": "1"})
        await journal.seal(4)
        await journal.append(b"b", {"one": "2", "two": "é"})
        await journal.append(b"", {"three": "3"})
        facts = await take(journal, 3)

        after = await self.reopen(journal)

        assert await take(after, 3) == facts
        assert dict(after.marks()) == {"one": "2", "two": "é", "three": "3"}
        await after.close()

    async def test_a_mark_can_be_taken_back(self) -> None:
        journal = await self.open()
        await journal.append(b"a", {"one": "1", "two": "1"})
        await journal.append(b"b", {"one": None, "never": None})

        assert dict(journal.marks()) == {"two": "1"}
        after = await self.reopen(journal)
        assert dict(after.marks()) == {"two": "1"}
        await after.close()

    async def test_the_newest_seal_the_end_and_what_is_gone_are_known(self) -> None:
        journal = await self.open()
        assert (journal.sealed, journal.end, journal.gone, journal.failing) == (None, 0, 0, None)
        await journal.append(b"a")
        await journal.seal(5)
        await journal.seal(6)
        await journal.append(b"b")
        facts = await take(journal, 4)
        journal.forget(facts[0].position, gone=4)
        await journal.append(b"", {"one": "1"})

        after = await self.reopen(journal)

        assert (after.sealed, after.end, after.gone) == (facts[2], facts[3].position, 4)
        assert (journal.sealed, journal.end, journal.gone) == (facts[2], facts[3].position, 4)
        await after.close()

    async def test_a_position_is_never_given_twice(self) -> None:
        journal = await self.open()
        await journal.append(b"a", {"one": "1"})
        await journal.append(b"b")
        before = await take(journal, 2)
        journal.forget(before[-1].position)

        after = await self.reopen(journal)
        await after.append(b"c")

        (fact,) = await take(after, 1, before[-1].position)
        assert fact.position > before[-1].position
        assert said([fact]) == [b"c"]
        assert dict(after.marks()) == {"one": "1"}
        await after.close()


async def last_of(journal: Journal, partial: bytes) -> bytes:
    """Read from the beginning up to `partial`."""
    facts = journal.read()
    while True:
        fact = await anext(facts)
        if isinstance(fact, Partial) and fact.partial == partial:
            await close(facts)
            return fact.partial
