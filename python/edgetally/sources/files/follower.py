"""All files that are followed: found by path or pattern, and looked at together."""

import asyncio
import fnmatch
import glob
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

from edgetally.clock import Clock, sleep_until
from edgetally.model import Defaults, Framing
from edgetally.sources.base import Block, path_from, path_text
from edgetally.sources.files.directory import Listing, bases, is_compressed
from edgetally.sources.files.followed import FILE, FollowedPath, absolute, by_source
from edgetally.sources.files.generation import Generation

P = ParamSpec("P")
T = TypeVar("T")

POLL_SECONDS = 0.1
"""How often every file is looked at. One `stat` tells both whether a file has grown and whether it was renamed; that of
a thousand idle files costs a few percent of a processor, and works on every file system. Kernel notifications would
save these few percent, but not on network file systems, and not the second mechanism for those."""

PATTERN_SECONDS = 1.0
"""How often patterns are looked up for new files."""

ROTATIONS_AT_ONCE = 32
"""Renamed files that are opened in one turn of the event loop: each takes about a tenth of a millisecond."""

PATTERN = "glob:"
"""Begins the name under which the journal keeps that a pattern was followed."""


class Follow(NamedTuple):
    """What is to be followed."""

    pattern: Path
    """A path, or a pattern with `*`, `?`, `[…]` or `**`."""
    defaults: Defaults


class CheckpointUpdate:
    """A source without records: it changes what the journal keeps."""

    framing: Framing = "lines"

    def __init__(self, name: str, defaults: Defaults, changes: Mapping[str, str | None]) -> None:
        """Change `changes` of what the journal keeps, on behalf of the source `name`."""
        self.name = name
        self.defaults = defaults
        self._changes = changes

    def note_progress(self, unfinished: int, recognised: int, rejected: int) -> None:
        """Nothing depends on it."""

    async def blocks(self) -> AsyncIterator[Block]:
        """Yield the changes."""
        yield Block(b"", checkpoints=self._changes)


class InThread(Protocol):
    """Calls a function where it does not keep the event loop from serving."""

    async def __call__(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `call` returns."""


class Directories:
    """Looks at directories, once for all who ask for the same one meanwhile."""

    def __init__(self, in_thread: InThread) -> None:
        """Look with `in_thread`."""
        self._in_thread = in_thread
        self._looks: dict[Path, asyncio.Task[Listing]] = {}

    async def listing(self, path: Path) -> Listing:
        """Return what stands in `path` now."""
        # A look that is under way may have passed what is asked for; the next one serves all who wait for this one.
        under_way = self._looks.get(path)
        if under_way:
            await asyncio.wait([under_way])
        look = self._looks.get(path)
        if look is None or look.done():
            look = self._looks[path] = asyncio.ensure_future(self._in_thread(Listing, path))
        try:
            return await asyncio.shield(look)
        finally:
            if look.done() and self._looks.get(path) is look:
                del self._looks[path]


class Follower:
    """Follows files."""

    def __init__(
        self,
        follow: Sequence[Follow],
        clock: Clock,
        *,
        quiet_seconds: float,
        max_files: int,
        read: Callable[[Generation | CheckpointUpdate], Coroutine[None, None, None]],
        in_thread: InThread = asyncio.to_thread,
    ) -> None:
        """
        Prepare to follow; `open` begins.

        Args:
            follow: Paths and patterns.
            clock: Tells when to look again.
            quiet_seconds: How long a renamed file must not change before it is closed.
            max_files: Files that are followed at most.
            read: Reads the blocks of a source to their end.
            in_thread: Calls a function where it does not keep the event loop from serving.
        """
        self.paths: dict[Path, FollowedPath] = {}
        self.left_out: set[Path] = set()
        """Files that patterns match and that are not followed, because there are too many."""
        self._follow = follow
        self._clock = clock
        self._quiet_seconds = quiet_seconds
        self._max_files = max_files
        self._read_source = read
        self._in_thread = in_thread
        self._directories = Directories(in_thread)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._patterns_due = 0.0

    async def open(self, checkpoints: Mapping[str, str]) -> None:
        """Open every file that is there, where the journal says."""
        kept = by_source(checkpoints)
        plain = {absolute(one.pattern): one for one in self._follow if not is_pattern(one.pattern)}
        await self._add(plain, kept)
        for one in self._follow:
            if is_pattern(one.pattern):
                await self._match(one, kept, is_start=True, is_new=key_of(one) in checkpoints)
        self._patterns_due = self._clock.now() + PATTERN_SECONDS

    async def run(self) -> None:
        """Look at every file ten times a second, without end."""
        while True:
            await sleep_until(self._clock, self._clock.now() + POLL_SECONDS)
            if self._failed.done():
                self._failed.result()
            await self._look()
            if self._clock.now() >= self._patterns_due:
                self._patterns_due = self._clock.now() + PATTERN_SECONDS
                for one in self._follow:
                    if is_pattern(one.pattern):
                        await self._match(one, {}, is_start=False, is_new=True)

    async def close(self) -> None:
        """Stop reading, once `run` was cancelled. What was read counts."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        """Look at every file once."""
        due = []
        for followed in list(self.paths.values()):
            if followed.poll():
                due.append(followed)
                if len(due) % ROTATIONS_AT_ONCE == 0:
                    await asyncio.sleep(0)
            if followed.is_gone:
                del self.paths[followed.path]
                self._keep(followed, followed.forget())
        for directory, group in by_directory(due).items():
            listing = await self._directories.listing(directory)
            for number, followed in enumerate(group, start=1):
                self._keep(followed, followed.settle(listing))
                if number % ROTATIONS_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _match(self, one: Follow, kept: Mapping[str, Mapping[str, str]], *, is_start: bool, is_new: bool) -> None:
        """Follow the files that match a pattern and are not followed yet."""
        pattern = str(absolute(one.pattern))
        known = {path_from(name.removeprefix(FILE)) for name in kept}
        matched = map(Path, await self._in_thread(glob.glob, pattern, recursive=True))
        # Files that were followed may be without a name for a moment.
        lost = (path for path in known if fnmatch.fnmatchcase(str(path), pattern))
        found = {*matched, *lost}
        logs = {*found, *known, *self.paths}
        open_files = {one.file.identity for path in self.paths.values() for one in path.generations}
        new = []
        for path in sorted(found - self.paths.keys()):
            is_rotated = is_compressed(path.name) or any(path.with_name(base) in logs for base in bases(path.name))
            identity = _identity(path)
            if not is_rotated and identity not in open_files:
                new.append(path)
                open_files |= {identity} if identity else set()
        await self._add(dict.fromkeys(new, one), kept, is_matched=True, is_new=is_new)
        if is_start and not is_new:
            self._read(CheckpointUpdate(key_of(one), one.defaults, {key_of(one): ""}))

    async def _add(
        self,
        paths: Mapping[Path, Follow],
        kept: Mapping[str, Mapping[str, str]],
        *,
        is_matched: bool = False,
        is_new: bool = False,
    ) -> None:
        """Follow `paths`. A directory is listed once for all of them."""
        new = []
        for path, one in paths.items():
            if len(self.paths) >= self._max_files:
                self.left_out.add(path)
                continue
            followed = self.paths[path] = FollowedPath(
                path,
                one.defaults,
                self._clock,
                quiet_seconds=self._quiet_seconds,
                start=self._read,
                listing=self._directories.listing,
                is_matched=is_matched,
            )
            new.append(followed)
        for directory, group in by_directory(new).items():
            listing = await self._directories.listing(directory)
            for number, followed in enumerate(group, start=1):
                self._keep(followed, followed.restore(kept.get(followed.name, {}), listing, is_new=is_new))
                if number % ROTATIONS_AT_ONCE == 0:
                    await asyncio.sleep(0)

    def _keep(self, followed: FollowedPath, changes: Mapping[str, str | None]) -> None:
        if changes:
            self._read(CheckpointUpdate(followed.name, followed.defaults, changes))

    def _read(self, source: Generation | CheckpointUpdate, followed: FollowedPath | None = None) -> None:
        """Read `source`, a generation of `followed`, to its end in a task of its own."""
        task = asyncio.ensure_future(self._read_source(source))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if followed and isinstance(source, Generation):
                followed.remove(source)
            if not task.cancelled() and not self._failed.done() and (error := task.exception()):
                self._failed.set_exception(error)

        task.add_done_callback(ended)


def is_pattern(path: Path) -> bool:
    """Whether `path` is a pattern, and not a file that has such a name."""
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def key_of(one: Follow) -> str:
    """Return the name under which the journal keeps that a pattern was followed."""
    return f"{PATTERN}{path_text(absolute(one.pattern))}"


def by_directory(paths: Sequence[FollowedPath]) -> dict[Path, list[FollowedPath]]:
    """Return the paths in each directory."""
    found: dict[Path, list[FollowedPath]] = {}
    for one in paths:
        found.setdefault(one.path.parent, []).append(one)
    return found


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
