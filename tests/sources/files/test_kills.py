"""The server is killed after any commit while a log is rotated: nothing is lost, nothing counts twice."""

import asyncio
import gzip
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.sources.files.following import QUIET_SECONDS, START, Journaled, append, following
from tests.support.clock import ManualClock

Step = Callable[[Path, int], Awaitable[None] | None]


def lines(generation: int, name: str = "line") -> bytes:
    """Return lines that no other generation has, enough to know a file by them."""
    return b"".join(b"%s %d %060d\n" % (name.encode(), generation, number) for number in range(6))


def shift(log: Path, ending: str = "") -> Path:
    """Make room for `access.log.1`, and return it."""
    for number in range(9, 0, -1):
        old = log.with_name(f"access.log.{number}{ending}")
        if old.exists():
            old.rename(log.with_name(f"access.log.{number + 1}{ending}"))
    return log.with_name(f"access.log.1{ending}")


def rename(log: Path, generation: int) -> None:
    old = shift(log)
    log.rename(old)
    append(old, b"late %d\n" % generation)
    log.write_bytes(lines(generation))


def copy_and_truncate(log: Path, generation: int) -> None:
    append(log, b"late %d\n" % generation)
    shift(log).write_bytes(log.read_bytes())
    os.truncate(log, 0)
    append(log, lines(generation))


def compress(log: Path, generation: int) -> None:
    append(log, b"late %d\n" % generation)
    packed = shift(log, ".gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    os.utime(packed, ns=(log.stat().st_mtime_ns,) * 2)
    log.unlink()
    log.write_bytes(lines(generation))


def within_a_record(log: Path, generation: int) -> None:
    append(log, b"P begun in %d, \n" % (generation - 1))
    log.rename(shift(log))
    log.write_bytes(b"F ended in %d\n" % generation + lines(generation))


def move_on(log: Path, generation: int) -> None:
    """Let a link move on to another directory, once what it led to was rotated there, too."""
    append(log, b"late %d\n" % generation)
    old = Path(os.path.realpath(log))
    old.rename(old.with_name("0.log.20261129-0"))
    old.write_bytes(lines(generation, "there"))
    new = log.parent / f"pod{generation}" / "0.log"
    new.parent.mkdir()
    new.write_bytes(lines(generation))
    (log.parent / "link").symlink_to(new)
    (log.parent / "link").rename(log)


def written(directory: Path) -> list[bytes]:
    """Return every record below `directory`, once."""
    found: set[bytes] = set()
    begun = {}
    for path in directory.rglob("*.log*"):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for line in data.splitlines():
            if line.startswith(b"P "):
                begun[int(line.split()[-1].rstrip(b","))] = line[2:]
            elif line.startswith(b"F "):
                found.add(line)
            else:
                found.add(line)
    whole = {line: begun[int(line.split()[-1]) - 1] + line[2:] for line in found if line.startswith(b"F ")}
    return sorted(whole.get(line, line) for line in found)


def states(commits: list[Journaled], whole: int) -> Iterator[Journaled]:
    """Yield different states of the journal, from the first in which the file was known."""
    seen = []
    for one in commits[whole:]:
        if one not in seen:
            seen.append(one)
            yield one


@pytest.mark.parametrize(
    ("step", "at_once"),
    [
        *((rename, 1), (rename, 2), (copy_and_truncate, 1), (copy_and_truncate, 2), (compress, 1), (compress, 2)),
        *((within_a_record, 1), (within_a_record, 2), (move_on, 1)),
    ],
)
async def test_killed_after_any_commit(tmp_path: Path, step: Step, at_once: int) -> None:
    log = tmp_path / "access.log"
    if step is move_on:
        (tmp_path / "pod0").mkdir()
        log.symlink_to(tmp_path / "pod0" / "0.log")
        log.touch()
    async with following(log) as reading:
        append(log, lines(0))
        counted = len(await reading.lines(6))
        for generation in range(1, 1 + at_once):
            step(log, generation)
        expected = written(tmp_path)
        counted += len(await reading.lines(len(expected) - counted))
        await reading.nothing(QUIET_SECONDS + 5)
        assert sorted(reading.commits[-1].lines) == expected
        commits = reading.commits
    known = next(number for number, one in enumerate(commits) if one.lines)

    for one in states(commits, known):
        async with following(log, checkpoints=one.checkpoints) as reading:
            await reading.clock.advance(5)
            left = await reading.lines(0)
        assert sorted(one.lines + left) == expected, (one, left)


class RandomLog:
    """A log that is written and rotated at random, and what has to be counted of it."""

    def __init__(self, path: Path, kind: str, rng: random.Random) -> None:
        self.path = path
        self.wanted: Counter[bytes] = Counter()
        self._kind = kind
        self._rng = rng
        self._rotations = 0
        self._written = 0
        self._second = START

    def write(self, count: int) -> None:
        """Write lines."""
        for _ in range(count):
            self._written += 1
            line = b"%d %060d" % (self._rotations, self._written)
            append(self.path, line + b"\n")
            self.wanted[line] += 1
        self._set_time(self.path)

    def rotate(self) -> None:
        """Rotate, and write to the new file."""
        self._rotations += 1
        old = self.path.with_name(f"access.log.20261129-{self._rotations:06}")
        if self._kind == "copied":
            old.write_bytes(self.path.read_bytes())
            self._set_time(old)
            os.truncate(self.path, 0)
        elif self._kind == "split":
            begun = b"%d %060d" % (self._rotations, self._written)
            append(self.path, b"P %b, \n" % begun)
            self._set_time(self.path)
            self.path.rename(old)
            self.path.write_bytes(b"F ended\n")
            self.wanted[begun + b", ended"] += 1
        else:
            self.path.rename(old)
            self.path.write_bytes(b"")
        for one in sorted(self.path.parent.glob("*[0-9]"))[:-1] if self._kind in {"split", "compressed"} else ():
            packed = one.with_name(f"{one.name}.gz")
            packed.write_bytes(gzip.compress(one.read_bytes()))
            os.utime(packed, ns=(one.stat().st_mtime_ns,) * 2)
            one.unlink()
        self.write(self._rng.choice([6, 12]))

    def _set_time(self, path: Path) -> None:
        """Let writing take a while, as by a server."""
        self._second += 1
        os.utime(path, (self._second, self._second))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["renamed", "copied", "compressed", "split"])
async def test_killed_at_random_while_the_log_is_rotated_at_random(tmp_path: Path, kind: str, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    log = RandomLog(tmp_path / "access.log", kind, rng)
    clock = ManualClock(START)
    counted: Counter[bytes] = Counter()
    async with following(log.path, clock=clock) as reading:
        checkpoints = reading.checkpoints
    log.write(1)
    for _ in range(5):
        async with following(
            log.path, checkpoints=checkpoints, clock=clock, quiet_seconds=2, seed=rng.randrange(99)
        ) as reading:
            for _ in range(5):
                for _ in range(rng.randrange(12)):
                    await asyncio.sleep(0)
                if rng.random() < 0.5:
                    await clock.advance(rng.choice([0, 0.05, 0.1, 0.3, 1.5]))
                elif rng.random() < 0.3:
                    log.write(rng.randrange(1, 8))
                else:
                    for _ in range(rng.choice([1, 1, 2, 3])):
                        log.rotate()
            # What is committed while it stops does not come any more.
            if reading.commits:
                checkpoints = reading.commits[-1].checkpoints
                counted.update(reading.commits[-1].lines)
        for _ in range(rng.choice([0, 0, 1, 2])):
            log.rotate()
    async with following(log.path, checkpoints=checkpoints, clock=clock) as reading:
        await clock.advance(60)
        counted.update(reading.commits[-1].lines if reading.commits else [])
    assert counted == log.wanted
