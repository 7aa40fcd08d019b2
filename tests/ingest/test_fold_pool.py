"""Tests for the threads and folds that inputs share."""

import asyncio
import os
import sys
import threading
from typing import Any

import pytest

from edgetally.background import NICE
from edgetally.ingest.fold_pool import INLINE_BLOCK_BYTES, FoldPool, RecordLimits
from tests.support.clock import ManualClock


class Fed:
    """A fold that takes note of what it is fed."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def feed(self, block: bytes, _: int) -> None:
        self.sizes.append(len(block))


async def test_large_blocks_wait_for_readers() -> None:
    answered = asyncio.Event()
    pool = FoldPool(ManualClock(), RecordLimits(1 << 18, None, 5), pause=answered.wait)
    fold: Any = Fed()
    large = asyncio.ensure_future(pool.feed(fold, b" " * (INLINE_BLOCK_BYTES + 1)))
    await pool.feed(fold, b" ")
    assert fold.sizes == [1], "only a small block is folded at once"
    answered.set()
    await large
    assert fold.sizes == [1, INLINE_BLOCK_BYTES + 1]
    pool.close()


class Priorities:
    """A fold that takes note of the priority with which it is fed."""

    def __init__(self) -> None:
        self.found: list[int] = []

    def feed(self, _: bytes, __: int) -> None:
        self.found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
async def test_threads_that_fold_yield_to_the_event_loop() -> None:
    pool = FoldPool(ManualClock(), RecordLimits(1 << 18, None, 5))
    fold: Any = Priorities()
    for size in (INLINE_BLOCK_BYTES, INLINE_BLOCK_BYTES + 1):
        await pool.feed(fold, b" " * size)
    pool.close()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert fold.found == [own, min(19, own + NICE)]
