"""What follows from the append times of an append."""

import pytest

from edgetally.journal.kafka.settlement import AppendAttempt, settle

SENT = AppendAttempt(b"i" * 16, 1_000)
COUNTS, EARLY, EXPIRED = 1_000_000, 990_000, 1_060_000
"""Append times, in milliseconds."""


class Log:
    """Counts from 5 seconds before an append was made until 50 after, and knows whether its id is there."""

    def __init__(self, *, is_there: bool | None = None) -> None:
        self.is_there = is_there
        self.searched: list[tuple[int, bytes, int]] = []

    def refusal(self, born: int, appended: int) -> str | None:
        if appended < (born - 5) * 1000:
            return "early"
        return "expired" if appended > (born + 50) * 1000 else None

    async def find(self, partition: int, append_id: bytes, born: int) -> bool | None:
        self.searched.append((partition, append_id, born))
        return self.is_there


async def test_what_readers_count_is_settled() -> None:
    log = Log()

    assert await settle(log, 7, SENT, [COUNTS, COUNTS + 1]) == "counts"
    assert await settle(log, 7, SENT, []) == "counts"
    assert log.searched == []


async def test_what_came_early_is_sent_again_under_its_id() -> None:
    """Also if a part of it counts: readers know that part."""
    log = Log()

    assert await settle(log, 7, SENT, [EARLY]) == AppendAttempt(SENT.append_id, 990)
    assert await settle(log, 7, SENT, [EARLY, COUNTS]) == AppendAttempt(SENT.append_id, 1_000)
    assert log.searched == []


@pytest.mark.parametrize("times", [[EXPIRED], [COUNTS, EXPIRED], [EARLY, EXPIRED]])
async def test_what_is_expired_is_sent_again_under_a_new_id_only_if_no_copy_counts(times: list[int]) -> None:
    log = Log(is_there=False)

    found = await settle(log, 7, SENT, times)

    assert isinstance(found, AppendAttempt)
    assert found.append_id != SENT.append_id
    assert found.born == 1_060
    assert log.searched == [(7, *SENT)]
    assert await settle(Log(is_there=True), 7, SENT, times) == "counts"


async def test_what_the_log_cannot_tell_is_unknown() -> None:
    assert await settle(Log(is_there=None), 7, SENT, [EXPIRED]) == "unknown"


async def test_a_log_that_may_not_be_searched_is_not() -> None:
    log = Log(is_there=True)

    assert await settle(log, 7, SENT, [EXPIRED], searches=False) == "unknown"
    assert log.searched == []
