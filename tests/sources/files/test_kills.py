"""The server is killed after any commit while a log is rotated: nothing is lost, nothing counts twice."""

import gzip
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.sources.files.following import QUIET_SECONDS, Journaled, append, following

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
