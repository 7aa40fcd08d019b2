"""The journal in memory."""

from edgetally.journal.base import Journal
from edgetally.journal.memory import MemoryJournal
from tests.journal.conformance import Conformance, said, take


class TestMemoryJournal(Conformance):
    async def open(self) -> Journal:
        return MemoryJournal()

    async def reopen(self, journal: Journal) -> Journal:
        # It lives and dies with its process, so within one there is nothing to restart.
        return journal


async def test_what_is_forgotten_takes_no_memory() -> None:
    journal = MemoryJournal()
    for number in range(4):
        await journal.append(b"%d" % number)
    facts = await take(journal, 4)

    journal.forget(facts[2].position)

    assert said(await take(journal, 1)) == [b"3"]
