"""The journal of a cluster: the Python face of the core. Its laws are in crates/edgetally-core/tests/cluster.rs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetally import _core
from tests.support.records import NOW

HORIZON = 600
ID = bytes(range(16))


def partial_of(*services: str) -> bytes:
    """Return a partial with a record of each service."""
    fold = _core.Fold()
    for service_id in services:
        line = f'{{"ts":{NOW},"status":200,"service_id":"{service_id}","domain":"{service_id}.example"}}\n'
        fold.feed(line.encode(), NOW)
    return fold.drain()


def in_envelopes(partial: bytes, **options: int) -> list[tuple[int, bytes]]:
    """Return a partial in envelopes."""
    return _core.envelopes([(ID, partial)], born=NOW, attempt=1, **{"partitions": 1, **options})


def reader(*, is_beginning: bool = True) -> _core.LogReader:
    """Return a reader that has read nothing."""
    return _core.LogReader(horizon=HORIZON, aggregate_delay=2, is_beginning=is_beginning)


def merged(*partials: bytes) -> list[tuple[str, int, int]]:
    """Return what a window says of partials: service, records, late ones."""
    window = _core.Window()
    return sorted(one for partial in partials for one in window.merge(partial))


def placed(service_id: str, partitions: int) -> int:
    """Return the partition of a service, by the words of its documentation."""
    mask = 2**64 - 1
    hashed = 0xCBF29CE484222325
    for byte in service_id.encode():
        hashed = ((hashed ^ byte) * 0x100000001B3) & mask
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        hashed = ((hashed ^ (hashed >> 33)) * factor) & mask
    return (hashed ^ (hashed >> 33)) % partitions


@given(st.text(max_size=64), st.integers(1, 2**32 - 1))
def test_a_service_has_one_partition(service_id: str, partitions: int) -> None:
    assert _core.partition(service_id, partitions) == placed(service_id, partitions)


@pytest.mark.parametrize(
    ("service_id", "expected"),
    [
        ("default", (1, 3426114190)),
        ("shop", (11, 1145483537)),
        ("", (2, 2859026567)),
        ("SU1Z0isxPaozGVKXdv0eY", (3, 2410668099)),
    ],
)
def test_a_service_stays_where_it_is(service_id: str, expected: tuple[int, int]) -> None:
    """These numbers never change: if they did, journals in use would count a service in two halves."""
    assert (_core.partition(service_id, 12), _core.partition(service_id, 2**32 - 1)) == expected


def test_a_partial_is_split_by_service() -> None:
    services = [f"s{number}" for number in range(30)]

    envelopes = in_envelopes(partial_of(*services), partitions=4)

    assert [partition for partition, _ in envelopes] == [0, 1, 2, 3]
    found = [
        (partition, one)
        for partition, envelope in envelopes
        for one in merged(reader().read(envelope, NOW * 1000).partial)
    ]
    assert sorted(service_id for _, (service_id, _, _) in found) == sorted(services)
    assert all(partition == _core.partition(service_id, 4) for partition, (service_id, _, _) in found)


def test_a_large_partial_counts_when_all_of_its_parts_are_there() -> None:
    whole = partial_of(*(f"s{number}" for number in range(30)))
    envelopes = [envelope for _, envelope in in_envelopes(whole, max_bytes=500)]
    log = reader()

    *first, last = [log.read(envelope, NOW * 1000) for envelope in envelopes]

    assert len(first) > 2
    assert all(len(envelope) <= 500 for envelope in envelopes)
    assert not any(reading.partial for reading in first)
    assert merged(last.partial) == merged(whole)
    assert log.held_bytes == 0


def test_a_copy_counts_once_and_another_id_again() -> None:
    one, two = (
        _core.envelopes([(one, partial_of("a"))], born=NOW, attempt=1, partitions=1)[0][1] for one in (ID, ID[::-1])
    )
    log = reader()

    readings = [log.read(envelope, NOW * 1000) for envelope in (one, one, two, two)]

    assert [(bool(reading.partial), reading.copies) for reading in readings] == [(True, 0), (False, 1)] * 2
    assert log.has(ID)
    assert log.ids == 2


@pytest.mark.parametrize(
    ("appended", "expected"),
    [(NOW - 6, "early"), (NOW - 5, None), (NOW + HORIZON, None), (NOW + HORIZON + 1, "expired")],
)
def test_readers_refuse_what_the_appender_knows_they_refuse(appended: int, expected: str | None) -> None:
    ((_, envelope),) = in_envelopes(partial_of("a"))

    reading = reader().read(envelope, appended * 1000)

    assert _core.refusal(NOW, appended * 1000, horizon=HORIZON) == expected
    assert (bool(reading.partial), reading.refused) == ((False, 1) if expected else (True, 0))


def test_a_seal_reaches_no_further_than_the_brokers_clock_admits() -> None:
    log = reader()
    second = NOW - 2

    seals = [
        log.read(_core.seal_envelope(second + ahead, writer=f"r{ahead}", terms=b"t"), NOW * 1000).seal
        for ahead in (-1, 5, 0)
    ]

    assert [(seal.second, seal.effective, seal.is_news, seal.writer, seal.terms) for seal in seals if seal] == [
        (second - 1, second - 1, True, "r-1", b"t"),
        (second + 5, second, True, "r5", b"t"),
        (second, second, False, "r0", b"t"),
    ]
    assert (log.effective, log.appended) == (second, NOW * 1000)


def test_a_reader_that_begins_in_the_middle_follows_before_it_merges() -> None:
    log = reader(is_beginning=False)
    ((_, envelope),) = in_envelopes(partial_of("a"))
    assert log.read(envelope, NOW * 1000).partial == b""
    assert (log.is_merging, log.has(ID), log.missing) == (False, True, log.needed)
    for second in range(NOW, NOW + log.needed):
        assert log.missing == NOW + log.needed - second
        log.read(_core.seal_envelope(second, writer="r", terms=b""), second * 1000)

    assert log.missing == 0
    assert log.start_merging(60) == NOW + log.needed + 65
    assert log.is_merging


def test_what_cannot_be_read_is_an_error_and_what_others_wrote_is_ignored() -> None:
    log = reader()
    ((_, envelope),) = in_envelopes(partial_of("a"))
    for damaged, message in [
        (envelope[:9], "damaged at byte"),
        (envelope[:2] + b"\x02" + envelope[3:], "got version 2: upgrade readers before writers"),
    ]:
        with pytest.raises(ValueError, match=message):
            log.read(damaged, NOW * 1000)
    assert log.read(b"hello", NOW * 1000).is_foreign
    assert not log.read(envelope, NOW * 1000).is_foreign


def test_wrong_arguments_are_errors() -> None:
    with pytest.raises(ValueError, match="expected an id of 16 bytes, got 3"):
        _core.envelopes([(b"abc", b"")], born=1, attempt=1, partitions=1)
    with pytest.raises(ValueError, match="expected an id of 16 bytes, got 0"):
        reader().has(b"")
    with pytest.raises(ValueError, match="partial damaged"):
        _core.envelopes([(ID, b"\x02")], born=1, attempt=1, partitions=1)
    with pytest.raises(ValueError, match="expected at most 255 bytes, got 256"):
        _core.seal_envelope(1, writer="a" * 256, terms=b"")
    for call in (lambda: _core.partition("a", 0), lambda: _core.envelopes([], born=1, attempt=1, partitions=0)):
        with pytest.raises(ValueError, match="expected 1 partition or more, got 0"):
            call()
