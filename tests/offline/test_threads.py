"""Work on several threads."""

import threading

import pytest

from edgetally.offline.threads import map_on


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    assert list(map_on(threads, str, range(100))) == [str(number) for number in range(100)]


def test_several_threads_work_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=30)

    assert len(list(map_on(2, lambda _: both.wait(), range(2)))) == 2


def test_one_thread_is_this_one() -> None:
    assert list(map_on(1, lambda _: threading.current_thread(), range(2))) == [threading.current_thread()] * 2
