"""Threads for work that can wait for a moment."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

NICE = 2
"""How much they yield when processors are short. Much more, and other processes would hold up the logs: `nice` counts
between all threads of a machine, not only between ours."""


def background_threads(count: int, name: str) -> ThreadPoolExecutor:
    """
    Make threads with a lower priority than those that seal and answer, where a thread has one of its own.

    For calls into the core, which work without the GIL. A thread that waits for a processor while it has the GIL would
    hold up all others.
    """
    return ThreadPoolExecutor(count, thread_name_prefix=name, initializer=_yield_to_others)


def _yield_to_others() -> None:
    if sys.platform == "linux":
        number = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, number, os.getpriority(os.PRIO_PROCESS, number) + NICE)
