"""All files that are followed: found by path or pattern, and looked at together."""

import asyncio
import fnmatch
import glob
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple, TypeVar

from edgetally.clock import Clock, sleep_until
from edgetally.model import Defaults, Framing
from edgetally.sources.base import Block, path_from, path_text
from edgetally.sources.files.checkpoint import as_ended, decode_checkpoint, decode_history
from edgetally.sources.files.directory import Directories, InThread, bases, is_compressed
from edgetally.sources.files.followed import FILE, HISTORY, FollowedPath, Shared, absolute, by_source
from edgetally.sources.files.generation import Generation
from edgetally.sources.files.read_files import ReadFiles
from edgetally.telemetry.events import FileUnavailable, say

T = TypeVar("T")

POLL_SECONDS = 0.2
"""How often every file is looked at, and read if it has grown: what is read together is committed together. One `stat`
tells both whether a file has grown and whether it was renamed; that of a thousand idle files costs a few percent of a
processor, and works on every file system. Kernel notifications would save these few percent, but not on network file
systems, and not the second mechanism for those."""

PATTERN_SECONDS = 1.0
"""How often patterns are looked up for new files."""

ROTATIONS_AT_ONCE = 32
"""Renamed files that are opened in one turn of the event loop: each takes about a tenth of a millisecond."""

TURNS = 8
"""Turns of the event loop between them: what was begun is on its way by then, and does not add up."""

PATTERN = "glob:"
"""Begins the name under which the journal keeps since when the files of a pattern are known."""


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

    def note_progress(self, line: int, unfinished: int, recognised: int, rejected: int) -> None:
        """Nothing depends on it."""

    async def blocks(self) -> AsyncIterator[Block]:
        """Yield the changes."""
        yield Block(b"", checkpoints=self._changes)


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
        self.unavailable: dict[str, str] = {}
        """Why the directory of a pattern cannot be looked at, by source."""
        self._follow = follow
        self._clock = clock
        self._max_files = max_files
        self._read_source = read
        self._in_thread = in_thread
        self._directories = Directories(in_thread)
        self._files = ReadFiles()
        self._shared = Shared(clock, quiet_seconds, self._directories, self._files, self._start)
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: list[tuple[FollowedPath, Sequence[Generation]]] | None = None
        """What begins to be read after the same commit, while directories are looked at."""
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._patterns_due = 0.0
        self._matched_at = self._now()
        """When patterns were last looked up."""
        self._new_since: dict[str, int] = {}
        """What was written since then is new, if a file appears that a pattern matches: by the name in the journal."""

    async def open(self, checkpoints: Mapping[str, str]) -> None:
        """Open every file that is there, where the journal says."""
        kept = by_source(checkpoints)
        plain = {absolute(one.pattern): one for one in self._follow if not is_pattern(one.pattern)}
        new = await self._add(plain, kept)
        for one in self._follow:
            if is_pattern(one.pattern):
                new += await self._open_pattern(one, checkpoints, kept)
        self._remember(kept)
        # Only now, as any of them may have left a file that another one finds under its name.
        await self._settle(new)
        self._patterns_due = self._clock.now() + PATTERN_SECONDS

    async def run(self) -> None:
        """Look at every file five times a second, without end."""
        while True:
            await sleep_until(self._clock, self._clock.now() + POLL_SECONDS)
            if self._failed.done():
                self._failed.result()
            await self._look()
            if self._clock.now() >= self._patterns_due:
                self._patterns_due = self._clock.now() + PATTERN_SECONDS
                gone = [one for one in self.paths.values() if one.is_gone]
                matched_at, self._matched_at = self._matched_at, self._now()
                for one in self._follow:
                    if is_pattern(one.pattern):
                        await self._settle(await self._match(one, {}, self._new_since[key_of(one)]))
                self._forget(gone, matched_at)

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
        await self._settle(due)

    def _forget(self, gone: Sequence[FollowedPath], matched_at: int) -> None:
        """Forget files that were gone when patterns were looked up, once others have taken up what was read of them."""
        if gone and all(one.is_settled for one in self.paths.values()):
            for followed in gone:
                if followed.is_gone:
                    del self.paths[followed.path]
                    # If it comes back, its old files are not new.
                    self._new_since = dict.fromkeys(self._new_since, matched_at)
                    followed.forget({key: str(since) for key, since in self._new_since.items()})

    def _remember(self, kept: Mapping[str, Mapping[str, str]]) -> None:
        """Remember what was read of files whose names are not followed any more: others may be."""
        followed = {one.name for one in self.paths.values()}
        for name, texts in kept.items():
            for key, text in texts.items() if name not in followed else ():
                is_history = key == name + HISTORY
                self._files.replace(
                    (), decode_history(text).ended if is_history else [as_ended(decode_checkpoint(text))]
                )

    async def _settle(self, due: Sequence[FollowedPath]) -> None:
        """Look at the directories of these, each once, and take up what is there."""
        if not due:
            return
        places: set[Path] = set()
        async for followed in in_turns(due):
            places |= followed.places
        look = await self._directories.look(places)
        starting = self._starting = []
        async for followed in in_turns(due):
            followed.settle(look)
        self._starting = None
        if starting:
            self._run(self._commit(starting))

    def _now(self) -> int:
        """Return the time in nanoseconds since 1970."""
        return int(self._clock.now() * 1e9)

    async def _open_pattern(
        self, one: Follow, checkpoints: Mapping[str, str], kept: Mapping[str, Mapping[str, str]]
    ) -> list[FollowedPath]:
        """Follow the files that match a pattern: what was written since it was first followed is new."""
        key, now = key_of(one), self._now()
        since = checkpoints.get(key)
        self._new_since[key] = int(since) if since else now
        new = await self._match(one, kept, None if since is None else self._new_since[key])
        if not since:
            self._run(self._read_source(CheckpointUpdate(key, one.defaults, {key: str(now)})))
        return new

    async def _match(
        self, one: Follow, kept: Mapping[str, Mapping[str, str]], new_since: int | None
    ) -> list[FollowedPath]:
        """Follow the files that match a pattern and are not followed yet; they are still to be settled."""
        path = absolute(one.pattern)
        pattern = str(path)
        self._set_unavailable(f"{FILE}{path_text(path)}", await self._in_thread(problem_of, path))
        known = {path_from(name.removeprefix(FILE)) for name in kept}
        matched = map(Path, await self._in_thread(glob.glob, pattern, recursive=True))
        # Files that were followed may be without a name for a moment.
        lost = (path for path in known if fnmatch.fnmatchcase(str(path), pattern))
        found = {*matched, *lost}
        logs = {*found, *known, *self.paths}
        open_files = {identity for path in self.paths.values() for identity in path.identities}
        new = []
        for path in sorted(found - self.paths.keys()):
            is_rotated = is_compressed(path.name) or any(path.with_name(base) in logs for base in bases(path.name))
            identity = _identity(path)
            if not is_rotated and identity not in open_files:
                new.append(path)
                open_files |= {identity} if identity else set()
        return await self._add(dict.fromkeys(new, one), kept, is_matched=True, new_since=new_since)

    def _set_unavailable(self, source: str, problem: str | None) -> None:
        """Take note of why a pattern cannot be looked up, if it cannot."""
        before = self.unavailable.pop(source, None)
        if problem:
            self.unavailable[source] = problem
            if problem != before:
                say(FileUnavailable(source=source, problem=problem))

    async def _add(
        self,
        paths: Mapping[Path, Follow],
        kept: Mapping[str, Mapping[str, str]],
        *,
        is_matched: bool = False,
        new_since: int | None = None,
    ) -> list[FollowedPath]:
        """Follow `paths`; they are still to be settled."""
        new: list[FollowedPath] = []
        # A file that has taken the place of one that is gone comes before that is forgotten.
        room = self._max_files - sum(not one.is_gone for one in self.paths.values())
        async for path, one in in_turns(paths.items()):
            if len(new) >= room:
                self.left_out.add(path)
                continue
            followed = self.paths[path] = FollowedPath(
                path,
                one.defaults,
                self._shared,
                checkpoints=kept.get(f"{FILE}{path_text(path)}", {}),
                is_matched=is_matched,
                new_since=new_since,
            )
            # What has the name is opened first: the look then shows everything that had it before.
            followed.poll()
            new.append(followed)
        return new

    def _start(self, followed: FollowedPath, generations: Sequence[Generation]) -> None:
        """Begin to read `generations`, once what the journal keeps of them is durable."""
        if self._starting is None:
            self._run(self._commit([(followed, generations)]))
        else:
            self._starting.append((followed, generations))

    async def _commit(self, starting: Sequence[tuple[FollowedPath, Sequence[Generation]]]) -> None:
        """Make durable in one commit what the journal keeps of these paths, then read their generations."""
        changes: dict[FollowedPath, dict[str, str | None]] = {}
        try:
            async with AsyncExitStack() as locks:
                for followed in dict.fromkeys(followed for followed, _ in starting):
                    await locks.enter_async_context(followed.commits)
                    changes[followed] = dict(followed.uncommitted)
                merged = {key: text for each in changes.values() for key, text in each.items()}
                if merged:
                    await self._read_source(CheckpointUpdate(followed.name, followed.defaults, merged))
                for followed, each in changes.items():
                    followed.committed(each)
        except BaseException:
            for _, generations in starting:
                for one in generations:
                    one.close()
            raise
        async for followed, generations in in_turns(starting):
            for one in generations:
                self._run(self._read(followed, one))

    async def _read(self, followed: FollowedPath, generation: Generation) -> None:
        """Read a generation to its end."""
        try:
            await self._read_source(generation)
        finally:
            followed.remove(generation)

    def _run(self, work: Coroutine[None, None, None]) -> None:
        """Do this in a task of its own."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and not self._failed.done() and (error := task.exception()):
                self._failed.set_exception(error)

        task.add_done_callback(ended)


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield `items`, and let the event loop do other things now and then."""
    for number, one in enumerate(items):
        if number % ROTATIONS_AT_ONCE == 0:
            for _ in range(TURNS):
                await asyncio.sleep(0)
        yield one


def is_pattern(path: Path) -> bool:
    """Whether `path` is a pattern, and not a file that has such a name."""
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def directory_of(pattern: Path) -> Path:
    """Return the directory in which the files of a pattern, or a file, are looked for."""
    return next(one for one in pattern.parents if not glob.has_magic(str(one)))


def problem_of(pattern: Path) -> str | None:
    """Return why the directory of a pattern cannot be looked at, if it cannot: a pattern then just matches nothing."""
    directory = directory_of(pattern)
    try:
        os.scandir(directory).close()
        os.stat(directory / ".")  # noqa: PTH116 - a path does not end with a dot
    except OSError as error:
        return f"{directory}: {error.strerror}"
    return None


def key_of(one: Follow) -> str:
    """Return the name under which the journal keeps since when the files of a pattern are known."""
    return f"{PATTERN}{path_text(absolute(one.pattern))}"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
