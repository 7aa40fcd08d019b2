"""The journal in memory."""

from edgetally.journal.memory import MemoryJournal
from tests.journal.conformance import Conformance, OnePartition, contents, take


class TestMemoryJournal(Conformance):
    remembers_what_is_forgotten = False

    async def open(self) -> OnePartition:
        return MemoryJournal()

    async def reopen(self, journal: OnePartition) -> OnePartition:
        # It ends with its process, so there is nothing to reopen.
        return journal


async def test_forgotten_facts_are_removed_from_memory() -> None:
    journal = MemoryJournal()
    for number in range(4):
        await journal.append(b"%d" % number)
    facts = await take(journal, 4)

    journal.forget(facts[2].position)

    assert contents(await take(journal, 1)) == [b"3"]
