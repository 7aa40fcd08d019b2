"""Work on several threads, where there is enough of it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 64
"""Items that are worked on, or done, before the first result is asked for."""


def map_on(threads: int, call: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """
    Yield what `call` returns for each of `items`, in their order.

    Args:
        threads: How many threads call. One: this one, which takes an item when its result is asked for.
        call: Releases the GIL.
        items: Any number.
    """
    if threads == 1:
        yield from map(call, items)
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - takes longer than a small log

    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append(pool.submit(call, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
