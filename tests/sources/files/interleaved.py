"""Lets something happen between any two calls of the system."""

import os
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar
from unittest import mock

from tests.sources.files.rotating import Steps

P = ParamSpec("P")
T = TypeVar("T")


class Interleaved:
    """Lets steps of a log happen before any call of the system that the follower makes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._due: deque[Steps] = deque()
        self._is_busy = False

    def add(self, steps: Steps) -> None:
        """Let this happen after what was added before."""
        self._due.append(steps)

    def finish(self) -> None:
        """Let everything happen now."""
        while self._due:
            self._step()

    def step(self, likelihood: float) -> None:
        """Let some of it happen, perhaps."""
        while self._due and not self._is_busy and self._rng.random() < likelihood:
            self._step()

    def _step(self) -> None:
        self._is_busy = True
        try:
            if next(self._due[0], self) is self:
                self._due.popleft()
        finally:
            self._is_busy = False

    @contextmanager
    def between_calls(self, likelihood: float) -> Iterator[None]:
        """Let steps happen before calls of the system."""
        scandir = os.scandir

        def before(call: Callable[P, T]) -> Callable[P, T]:
            def called(*args: P.args, **kwargs: P.kwargs) -> T:
                self.step(likelihood)
                return call(*args, **kwargs)

            return called

        def stepping(entries: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
            for one in entries:
                self.step(likelihood)
                yield one

        @contextmanager
        def scanned(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
            with scandir(path) as entries:
                yield stepping(entries)

        with mock.patch.multiple(
            os,
            stat=before(os.stat),
            open=before(os.open),
            pread=before(os.pread),
            fstat=before(os.fstat),
            scandir=scanned,
        ):
            yield
