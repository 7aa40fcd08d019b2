"""The shelf: which entries it holds, how often they are encoded, and which readers wake."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edgetally.window.shelf import Shelf, ShelvedSecond

SERVICES = ("news", "shop")
DATASETS = ("domains", "origins")

Leave = Callable[[], None]


@dataclass
class Second:
    """A sealed second that counts how often it was encoded."""

    service_id: str
    second: int
    bodies: dict[str, bytes] = field(default_factory=lambda: {"domains": b"domains", "origins": b"origins"})
    encoded: list[str] = field(default_factory=list)
    size: int = 1000

    def has(self, dataset: str, /) -> bool:
        return dataset in self.bodies

    def entry(self, dataset: str, /) -> bytes:
        self.encoded.append(dataset)
        return self.bodies[dataset]


def seconds(shelf: Shelf, service_id: str = "shop", dataset: str = "domains", *, after: int = 0) -> list[int]:
    return [entry.second for entry in shelf.entries(service_id, dataset, after=after)]


# --- entries -------------------------------------------------------------------------------------------------------


def test_an_empty_shelf() -> None:
    shelf = Shelf(keep=3, cache_bytes=100)

    assert (shelf.newest, shelf.services, shelf.waiting) == (0, [], 0)
    assert seconds(shelf) == []


def test_entries_after_a_second_are_returned_oldest_first() -> None:
    shelf = Shelf(keep=10, cache_bytes=100)
    for second in (5, 6, 8):
        shelf.put(second, [Second("shop", second)])

    assert {after: seconds(shelf, after=after) for after in (0, 4, 5, 6, 7, 8, 99)} == {
        0: [5, 6, 8],
        4: [5, 6, 8],
        5: [6, 8],
        6: [8],
        7: [8],
        8: [],
        99: [],
    }


def test_services_are_kept_apart() -> None:
    shelf = Shelf(keep=10, cache_bytes=100)
    shelf.put(5, [Second("shop", 5), Second("news", 5)])
    shelf.put(6, [Second("news", 6)])

    assert shelf.services == ["news", "shop"]
    assert (seconds(shelf, "shop"), seconds(shelf, "news"), seconds(shelf, "absent")) == ([5], [5, 6], [])


def test_a_dataset_without_traffic_has_no_entry() -> None:
    shelf = Shelf(keep=10, cache_bytes=100)
    shelf.put(5, [Second("shop", 5, {"domains": b"{}"})])
    shelf.put(6, [Second("shop", 6, {"origins": b"{}"})])

    assert (seconds(shelf, dataset="domains"), seconds(shelf, dataset="origins")) == ([5], [6])


def test_several_seconds_may_be_sealed_at_once() -> None:
    shelf = Shelf(keep=10, cache_bytes=100)
    shelf.put(9, [Second("shop", 6), Second("shop", 7), Second("news", 7)])

    assert shelf.newest == 9
    assert (seconds(shelf), seconds(shelf, "news")) == ([6, 7], [7])


def test_old_seconds_are_evicted_even_without_traffic() -> None:
    shelf = Shelf(keep=3, cache_bytes=100)
    for second in (5, 6, 7):
        shelf.put(second, [Second("shop", second)])

    left = {}
    for newest in (7, 8, 9, 10):
        shelf.put(newest, [])
        left[newest] = seconds(shelf)

    assert left == {7: [5, 6, 7], 8: [6, 7], 9: [7], 10: []}
    assert shelf.services == []


def test_the_size_is_that_of_all_seconds() -> None:
    shelf = Shelf(keep=2, cache_bytes=100)

    sizes = []
    for second in (5, 6, 7):
        shelf.put(second, [Second("shop", second, size=second), Second("news", second, size=100)])
        sizes.append(shelf.size)
    shelf.put(99, [])

    assert sizes == [105, 211, 213]
    assert shelf.size == 0


def test_encoded_and_reused_entries_are_counted() -> None:
    shelf = Shelf(keep=2, cache_bytes=100)
    shelf.put(5, [Second("shop", 5)])
    (entry,) = shelf.entries("shop", "domains", after=0)

    for dataset in ("domains", "origins", "domains", "domains"):
        shelf.body(entry, dataset)

    assert (shelf.encoded, shelf.reused, shelf.cached_size) == (2, 2, len("domains" + "origins"))


# --- encoding ------------------------------------------------------------------------------------------------------


def test_an_entry_is_encoded_once_for_any_number_of_readers() -> None:
    shelf = Shelf(keep=3, cache_bytes=100)
    second = Second("shop", 5)
    shelf.put(5, [second])
    (entry,) = shelf.entries("shop", "domains", after=0)

    bodies = [shelf.body(entry, dataset) for dataset in ("domains", "domains", "origins", "domains")]

    assert bodies == [b"domains", b"domains", b"origins", b"domains"]
    assert second.encoded == ["domains", "origins"]
    assert bodies[0] is bodies[1]


def test_an_entry_that_is_not_asked_for_is_not_encoded() -> None:
    shelf = Shelf(keep=3, cache_bytes=100)
    second = Second("shop", 5)
    shelf.put(5, [second])
    shelf.entries("shop", "domains", after=0)

    assert second.encoded == []


def test_beyond_cache_bytes_the_entries_encoded_first_are_encoded_again() -> None:
    shelf = Shelf(keep=9, cache_bytes=20)
    found = [Second("shop", number, {"domains": b"x" * 10}) for number in (1, 2, 3)]
    shelf.put(3, found)
    entries = shelf.entries("shop", "domains", after=0)

    for index in (0, 1, 0, 1, 2, 1, 2, 0):
        assert shelf.body(entries[index], "domains") == b"x" * 10

    assert [len(second.encoded) for second in found] == [2, 1, 1]


def test_an_entry_larger_than_cache_bytes_is_kept_while_it_is_the_only_one() -> None:
    shelf = Shelf(keep=9, cache_bytes=20)
    large, small = Second("shop", 1, {"domains": b"x" * 100}), Second("shop", 2, {"domains": b"x"})
    shelf.put(2, [large, small])
    entries = shelf.entries("shop", "domains", after=0)

    for index in (0, 0, 1, 1, 0):
        shelf.body(entries[index], "domains")

    assert (len(large.encoded), len(small.encoded)) == (2, 1)


def test_eviction_frees_cache_bytes() -> None:
    shelf = Shelf(keep=2, cache_bytes=20)
    found = [Second("shop", number, {"domains": b"x" * 10}) for number in range(1, 7)]
    for second in found:
        shelf.put(second.second, [second])
        for _ in range(2):
            for entry in shelf.entries("shop", "domains", after=0):
                shelf.body(entry, "domains")

    assert [len(second.encoded) for second in found] == [1] * 6


def test_an_evicted_second_is_not_evicted_twice() -> None:
    shelf = Shelf(keep=1, cache_bytes=20)
    for number in range(1, 7):
        shelf.put(number, [Second(service_id, number, {"domains": b"x" * 15}) for service_id in SERVICES])
        for service_id in SERVICES:
            for entry in shelf.entries(service_id, "domains", after=0):
                assert shelf.body(entry, "domains") == b"x" * 15


def test_an_entry_that_is_evicted_while_it_is_read_can_still_be_read() -> None:
    shelf = Shelf(keep=2, cache_bytes=20)
    shelf.put(5, [Second("shop", 5)])
    (entry,) = shelf.entries("shop", "domains", after=0)
    shelf.body(entry, "domains")

    shelf.put(99, [])

    assert shelf.body(entry, "domains") == b"domains"


# --- waiting -------------------------------------------------------------------------------------------------------


class Reader:
    """Waits for an entry, and leaves when it wakes."""

    def __init__(self, shelf: Shelf, service_id: str = "shop", dataset: str = "domains", *, after: int = 0) -> None:
        self.woken = 0
        self.leave = shelf.wait(service_id, dataset, after=after, wake=self._wake)

    def _wake(self) -> None:
        self.woken += 1
        self.leave()


@pytest.mark.parametrize(
    ("after", "service_id", "dataset", "is_woken"),
    [
        pytest.param(4, "shop", "domains", True, id="the second after its cursor"),
        pytest.param(3, "shop", "domains", True, id="two seconds after its cursor"),
        pytest.param(5, "shop", "domains", False, id="the second of its cursor"),
        pytest.param(99, "shop", "domains", False, id="a cursor in the future"),
        pytest.param(4, "news", "domains", False, id="another service"),
        pytest.param(4, "shop", "origins", False, id="another dataset"),
    ],
)
def test_a_reader_wakes_for_an_entry_after_its_cursor_in_its_service_and_dataset(
    after: int, service_id: str, dataset: str, *, is_woken: bool
) -> None:
    shelf = Shelf(keep=3, cache_bytes=100)
    reader = Reader(shelf, service_id, dataset, after=after)
    assert shelf.waiting == 1

    shelf.put(5, [Second("shop", 5, {"domains": b"{}"})])

    assert reader.woken == is_woken
    assert shelf.waiting == 1 - is_woken


def test_all_entries_of_a_seal_are_there_when_a_reader_wakes() -> None:
    shelf = Shelf(keep=3, cache_bytes=100)
    seen: list[tuple[int, list[int]]] = []
    leave = shelf.wait("news", "domains", after=0, wake=lambda: seen.append((shelf.newest, seconds(shelf, "shop"))))

    shelf.put(6, [Second("news", 5), Second("shop", 5), Second("shop", 6)])
    leave()

    assert seen == [(6, [5, 6])]


def test_a_second_without_traffic_wakes_no_reader() -> None:
    shelf = Shelf(keep=3, cache_bytes=100)
    reader = Reader(shelf)

    shelf.put(5, [])

    assert (reader.woken, shelf.waiting) == (0, 1)


def test_a_reader_that_has_left_is_not_woken_and_may_leave_again() -> None:
    shelf = Shelf(keep=3, cache_bytes=100)
    gone, stays = Reader(shelf), Reader(shelf)
    gone.leave()
    gone.leave()
    assert shelf.waiting == 1

    shelf.put(5, [Second("shop", 5)])
    gone.leave()

    assert (gone.woken, stays.woken, shelf.waiting) == (0, 1, 0)


def test_a_reader_that_waits_again_when_it_wakes_waits_for_the_next_entry() -> None:
    shelf = Shelf(keep=3, cache_bytes=100)
    woken: list[int] = []

    def wait() -> None:
        def wake() -> None:
            woken.append(shelf.newest)
            leave()
            wait()

        leave = shelf.wait("shop", "domains", after=shelf.newest, wake=wake)

    wait()
    for second in (5, 6, 7):
        shelf.put(second, [Second("shop", second)])

    assert woken == [5, 6, 7]
    assert shelf.waiting == 1


def test_a_reader_that_another_one_makes_leave_is_not_woken() -> None:
    shelf = Shelf(keep=3, cache_bytes=100)
    second = Reader(shelf)
    leave_both: list[Leave] = []
    leave_both += [shelf.wait("shop", "origins", after=0, wake=lambda: [leave() for leave in leave_both]), second.leave]

    shelf.put(5, [Second("shop", 5, {"origins": b"{}"})])

    assert (second.woken, shelf.waiting) == (0, 0)


# --- against a model ------------------------------------------------------------------------------------------------


@dataclass
class Waiting:
    service_id: str
    dataset: str
    after: int
    woken: int = 0


class Model(RuleBasedStateMachine):
    """The shelf, compared with lists that do the same slowly."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf(keep=1, cache_bytes=0)
        self.shelved: list[Second] = []
        self.cached: list[tuple[int, str, int]] = []
        self.waiting: dict[int, tuple[Waiting, Leave]] = {}
        self.encoded = 0
        self.number = 0
        self.listed: list[str] = []
        self.turnover = 0

    @initialize(keep=st.integers(1, 6), cache_bytes=st.integers(0, 30))
    def empty(self, keep: int, cache_bytes: int) -> None:
        self.keep = keep
        self.cache_bytes = cache_bytes
        self.shelf = Shelf(keep=keep, cache_bytes=cache_bytes)

    @rule(
        later=st.integers(1, 4),
        traffic=st.sets(st.tuples(st.integers(0, 3), st.sampled_from(SERVICES)), max_size=5),
        sizes=st.dictionaries(st.sampled_from(DATASETS), st.integers(5, 20), min_size=1),
    )
    def put(self, later: int, traffic: set[tuple[int, str]], sizes: dict[str, int]) -> None:
        before, newest = self.shelf.newest, self.shelf.newest + later
        bodies = {dataset: b"x" * size for dataset, size in sizes.items()}
        sealed = [
            Second(service_id, newest - age, dict(bodies))
            for age, service_id in sorted(traffic, key=lambda one: (-one[0], one[1]))
            if newest - age > before
        ]
        expected = {
            number: waiting.woken + 1
            for number, (waiting, _) in self.waiting.items()
            if any(
                one.service_id == waiting.service_id and one.has(waiting.dataset) and one.second > waiting.after
                for one in sealed
            )
        }
        waited = {number: waiting for number, (waiting, _) in self.waiting.items()}

        self.shelf.put(newest, sealed)

        self.shelved = [one for one in [*self.shelved, *sealed] if one.second > newest - self.keep]
        shelved = {id(one) for one in self.shelved}
        self.cached = [cached for cached in self.cached if cached[0] in shelved]
        assert {number: waiting.woken for number, waiting in waited.items() if waiting.woken} == expected

    @rule()
    def read_everything(self) -> None:
        for service_id in SERVICES:
            for dataset in DATASETS:
                self.read(service_id, dataset, 99)

    @rule(service_id=st.sampled_from(SERVICES), dataset=st.sampled_from(DATASETS), ago=st.integers(-1, 7))
    def read(self, service_id: str, dataset: str, ago: int) -> None:
        after = self.shelf.newest - ago
        expected = [
            one for one in self.shelved if one.service_id == service_id and one.has(dataset) and one.second > after
        ]

        entries = self.shelf.entries(service_id, dataset, after=after)

        assert [entry.sealed for entry in entries] == expected
        for entry, one in zip(entries, expected, strict=True):
            self._read(entry, one, dataset)

    def _read(self, entry: ShelvedSecond, one: Second, dataset: str) -> None:
        key = (id(one), dataset, len(one.bodies[dataset]))
        if key not in self.cached:
            self.encoded += 1
            self.cached.append(key)
            while len(self.cached) > 1 and sum(size for _, _, size in self.cached) > self.cache_bytes:
                self.cached.pop(0)
        already = one.encoded.count(dataset)
        assert self.shelf.body(entry, dataset) == one.bodies[dataset]
        self.encoded -= one.encoded.count(dataset) - already

    @rule(service_id=st.sampled_from(SERVICES), dataset=st.sampled_from(DATASETS), ago=st.integers(-3, 3))
    def wait(self, service_id: str, dataset: str, ago: int) -> None:
        self.number += 1
        number = self.number
        waiting = Waiting(service_id, dataset, self.shelf.newest - ago)

        def wake() -> None:
            waiting.woken += 1
            _, leave = self.waiting.pop(number)
            leave()

        self.waiting[number] = (waiting, self.shelf.wait(service_id, dataset, after=waiting.after, wake=wake))

    @rule(which=st.integers(0, 9))
    def leave(self, which: int) -> None:
        if self.waiting:
            number = sorted(self.waiting)[which % len(self.waiting)]
            _, leave = self.waiting.pop(number)
            leave()
            leave()

    @invariant()
    def entries_are_encoded_only_when_they_must_be(self) -> None:
        assert self.encoded == 0

    @invariant()
    def only_services_with_entries_are_listed(self) -> None:
        assert self.shelf.services == sorted({one.service_id for one in self.shelved})

        assert [one for one in SERVICES if self.shelf.has_service(one)] == self.shelf.services

    @invariant()
    def the_seconds_of_a_service_are_those_of_its_entries(self) -> None:
        for service_id in SERVICES:
            of = [one for one in self.shelved if one.service_id == service_id]
            assert self.shelf.sealed(service_id) == of[::-1]

    @invariant()
    def a_service_that_came_or_left_is_counted(self) -> None:
        if self.listed != self.shelf.services:
            assert self.turnover < self.shelf.turnover
        self.listed, self.turnover = self.shelf.services, self.shelf.turnover

    @invariant()
    def all_waiting_readers_are_counted(self) -> None:
        assert self.shelf.waiting == len(self.waiting)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=30)
