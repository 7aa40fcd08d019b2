"""Threads in the background yield to all others."""

import os
import sys
import threading

import pytest

from edgetally.background import NICE, background_threads


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_threads_in_the_background_yield_to_others() -> None:
    with background_threads(1, "test") as threads:
        assert threads.submit(priority).result() == min(19, priority() + NICE)
