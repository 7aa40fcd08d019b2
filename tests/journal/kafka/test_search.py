"""The search for an append of which it is not known whether readers count it: in which logs it is there."""

import secrets

import pytest

from edgetally import _core
from edgetally.journal.kafka.search import LogSearch
from tests.support import cluster

BORN, HORIZON = 1_795_314_035, 20
ID = bytes(range(16))
TERMS = cluster.TERMS._replace(horizon=HORIZON)


def envelopes(*, append_id: bytes = ID, max_bytes: int = 900_000) -> list[bytes]:
    """Return a partial of some services in envelopes."""
    fold = _core.Fold()
    for number in range(20):
        fold.feed(f'{{"status":200,"service_id":"s{number}"}}\n'.encode(), BORN)
    return [
        envelope
        for _, envelope in _core.envelopes(
            [(append_id, fold.drain())],
            born=BORN,
            attempt=secrets.randbits(64),
            partitions=1,
            max_bytes=max_bytes,
        )
    ]


def seals(first: int, last: int) -> list[tuple[bytes, int]]:
    """Return a seal in each of these seconds."""
    return [(_core.seal_envelope(second - 2, writer="r", terms=b""), second * 1000) for second in range(first, last)]


def find(*messages: tuple[bytes, int]) -> bool | None:
    """Return the result of a search."""
    return LogSearch(TERMS, ID, BORN).read(messages)


@pytest.mark.parametrize("appended", [BORN - 5, BORN, BORN + HORIZON])
def test_what_was_appended_in_time_is_there_however_long_the_log_goes_on(appended: int) -> None:
    (envelope,) = envelopes()

    assert find(*seals(BORN - 6, appended), (envelope, appended * 1000), *seals(appended, BORN + 10 * HORIZON)) is True


@pytest.mark.parametrize("appended", [BORN - 6, BORN + HORIZON + 1])
def test_what_readers_refuse_is_not_there(appended: int) -> None:
    (envelope,) = envelopes()

    assert find((envelope, appended * 1000), *seals(appended, BORN + HORIZON + 17)) is False


def test_parts_are_there_when_all_are() -> None:
    first, *others = envelopes(max_bytes=500)
    later = seals(BORN, BORN + HORIZON + 17)

    assert find((first, BORN * 1000), *later) is False
    assert find((first, BORN * 1000), *((one, BORN * 1000) for one in others), *later) is True


def test_nothing_is_decided_before_a_copy_could_count_no_more() -> None:
    (other,) = envelopes(append_id=ID[::-1])

    assert find((other, BORN * 1000), *seals(BORN, BORN + HORIZON + 16)) is None
