"""
A log is rotated between any two calls of the system, and the server is killed after any commit.

Whatever happens, every line counts once. `ROTATIONS=1000` tries so many runs of each kind.
"""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from edgetally.sources.files.follower import POLL_SECONDS
from tests.sources.files.following import START, following
from tests.sources.files.interleaved import Interleaved
from tests.sources.files.rotating import LOGS, ModelLog
from tests.support.clock import ManualClock

RUNS = int(os.environ.get("ROTATIONS", "4"))

LIKELIHOODS = [0.0, 0.02, 0.1, 0.3]
"""How likely a step of rotation is before a call of the system."""


class Life:
    """A log, and what a server counts of it in one life after the other."""

    def __init__(self, log: ModelLog, clock: ManualClock, rng: random.Random) -> None:
        self.counted: Counter[bytes] = Counter()
        self.log = log
        self._clock = clock
        self._rng = rng
        self._checkpoints: dict[str, str] = {}
        self._likelihood = rng.choice(LIKELIHOODS)
        self._steps = Interleaved(rng)

    async def go_by(self) -> None:
        """Live some lives; in the last one, everything is read."""
        async with following(self.log.follow, clock=self._clock) as reading:
            await self._clock.advance(1)
            self._checkpoints = reading.checkpoints
        self._steps.add(self.log.write(1))
        self._steps.finish()
        with self._steps.between_calls(self._likelihood):
            for _ in range(self._rng.choice([1, 2, 4])):
                await self._until_killed()
                self._rotate(self._rng.choice([0, 0, 1, 2]))
                self._perhaps_finish()
            async with following(
                self.log.follow, checkpoints=self._checkpoints, clock=self._clock, seed=self._rng.randrange(99)
            ) as reading:
                await self._clock.advance(1)
                self._steps.finish()
                for _ in range(200):
                    await self._clock.advance(POLL_SECONDS)
                self.counted.update(reading.commits[-1].lines if reading.commits else [])
        self.log.close()

    async def _until_killed(self) -> None:
        async with following(
            self.log.follow,
            checkpoints=self._checkpoints,
            clock=self._clock,
            quiet_seconds=2,
            seed=self._rng.randrange(99),
        ) as reading:
            for _ in range(self._rng.randrange(7)):
                for _ in range(self._rng.randrange(12)):
                    await asyncio.sleep(0)
                    self._steps.step(self._likelihood)
                await self._go_on()
                self._perhaps_finish()
            # What is committed while it stops does not come any more.
            if reading.commits:
                self._checkpoints = dict(reading.commits[-1].checkpoints)
                self.counted.update(reading.commits[-1].lines)

    async def _go_on(self) -> None:
        """Let time pass, or let the log be written or rotated."""
        what = self._rng.random()
        if what < 0.5:
            seconds = self._rng.choice([0, 0.05, 0.1, 0.3, 1.5])
            if seconds > 1:
                # An old file is written to for less than it is quiet before it is closed.
                self._steps.finish()
            await self._clock.advance(seconds)
        elif what < 0.65:
            self._steps.add(self.log.write(self._rng.randrange(1, 8)))
        else:
            self._rotate(self._rng.choice([1, 1, 2, 3]))

    def _rotate(self, times: int) -> None:
        for _ in range(times):
            self._steps.add(self.log.rotate())

    def _perhaps_finish(self) -> None:
        if self._rng.random() < 0.5:
            self._steps.finish()


@pytest.mark.timeout(3600 if RUNS > 4 else 120)
@pytest.mark.parametrize("log", LOGS)
async def test_every_line_counts_once(tmp_path: Path, log: type[ModelLog]) -> None:
    for seed in range(RUNS):
        directory = tmp_path / f"{seed}"
        directory.mkdir()
        rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
        clock = ManualClock(START)
        life = Life(log(directory, rng, clock), clock, rng)
        await life.go_by()
        wanted = life.log.wanted
        found = Counter({line: count for line, count in life.counted.items() if not line.startswith(b"#")})
        assert found == wanted, f"seed {seed}: lost {wanted - found}, double {found - wanted}"
