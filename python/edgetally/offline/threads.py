"""Work on several threads, where there is enough of it."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_on(threads: int, call: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """
    Yield what `call` returns for each of `items`, in their order.

    Args:
        threads: How many threads call. One: this one, which takes an item when its result is asked for.
        call: Releases the GIL.
        items: Few: all wait at once for a thread.
    """
    if threads == 1:
        yield from map(call, items)
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - takes longer than a small log

    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(call, items)
