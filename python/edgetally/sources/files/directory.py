"""What stands in a directory: which names are generations of which log."""

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".br", ".lz4", ".Z", ".zip")
"""Endings of generations that rotation has compressed."""

ADDED = r"[._-][0-9][0-9TZ:+._-]*"
"""What rotation adds to a name: a number, or a date."""

REASON = "(?:-(?:size|time|manual))?"
"""What Caddy 2.11 adds behind the date: why it rotated."""

DATE_BEFORE = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[0-9TZ:+._-]*?[._-]?([^0-9TZ:+._-].*)")
"""A date before the name: a number alone may tell logs apart."""

BEHIND = re.compile(rf"(.+?){ADDED}{REASON}")
BEFORE_EXTENSION = re.compile(rf"(.+?){ADDED}{REASON}(\.[A-Za-z]\w*)")


TAI64N = re.compile(r"@[0-9a-f]{24}\.[stu]")
"""What multilog, svlogd and s6-log make of `current`."""


def bases(name: str) -> Iterator[str]:
    """
    Yield the names that the log `name` may have had before it was rotated.

    `access.log.1`, `access.log-20261125` and `access-20261125.log` may all have been `access.log`.
    """
    if match := BEHIND.fullmatch(name):
        yield match[1]
    if match := BEFORE_EXTENSION.fullmatch(name):
        yield match[1] + match[2]
    if match := DATE_BEFORE.fullmatch(name):
        yield match[1]
    if TAI64N.fullmatch(name):
        yield "current"


def is_compressed(name: str) -> bool:
    """Whether rotation has compressed the file `name`."""
    return name.endswith(COMPRESSED)


def plain(name: str) -> str:
    """Return what a file was called before rotation compressed it."""
    return name[: name.rindex(".")] if is_compressed(name) else name


class Found(NamedTuple):
    """What identifies a file at one moment. The inode alone may be that of a file that was removed."""

    directory: Path
    inode: int
    modified: int
    """When it was last written, in nanoseconds since 1970 by the clock of its file system."""


Rotated = dict[Path, Found]
"""Files that were rotated away, by path."""


class Listing:
    """One look at a directory. It costs one pass over its names, however many logs share it."""

    def __init__(self, path: Path) -> None:
        """Read the directory; one that cannot be read is empty."""
        self.path = path
        self.changing: set[str] = set()
        """Logs that were rotated meanwhile: files may be missing."""
        self._names: dict[int, list[str]] = {}
        self._generations: dict[str, Rotated] = {}
        inodes: dict[str, int] = {}
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    inodes[entry.name] = entry.inode()
                    self._add(entry)
            with os.scandir(path) as entries:
                again = {entry.name: entry.inode() for entry in entries}
        except OSError:
            return  # what is wrong with it is reported for the files that are followed in it
        for name, _ in inodes.items() ^ again.items():
            self.changing.update(bases(plain(name)))

    def named(self, inode: int) -> list[Path]:
        """Return the paths that have this inode."""
        return [self.path / name for name in self._names.get(inode, [])]

    def rotated(self, name: str) -> Rotated:
        """Return the files that were rotated away from `name`."""
        return self._generations.get(name, {})

    def _add(self, entry: os.DirEntry[str]) -> None:
        self._names.setdefault(entry.inode(), []).append(entry.name)
        logs = list(bases(plain(entry.name)))
        if not logs:
            return
        try:
            status = entry.stat()
        except OSError:
            return  # a link that leads nowhere, or renamed meanwhile
        path, found = self.path / entry.name, Found(self.path, status.st_ino, status.st_mtime_ns)
        for log in logs:
            self._generations.setdefault(log, {})[path] = found


class Look:
    """Several directories at one time."""

    def __init__(self, listings: Iterable[Listing]) -> None:
        self._listings = {one.path: one for one in listings}

    def named(self, inode: int) -> list[Path]:
        """Return the paths that have this inode, in any of the directories."""
        return [path for one in self._listings.values() for path in one.named(inode)]

    def rotated(self, places: Iterable[Path]) -> Rotated:
        """Return the files that were rotated away from any of `places`."""
        found: Rotated = {}
        for place in places:
            if listing := self._listings.get(place.parent):
                found |= listing.rotated(place.name)
        return found

    def is_changing(self, places: Iterable[Path]) -> bool:
        """Whether any of `places` was rotated during the look."""
        return any(place.name in listing.changing for place in places if (listing := self._listings.get(place.parent)))


def found_at(path: Path) -> Found:
    """Return what identifies the file at `path` now; raise OSError when there is none."""
    status = path.stat()
    return Found(path.parent, status.st_ino, status.st_mtime_ns)


class InThread(Protocol):
    """Calls a function where it does not keep the event loop from serving."""

    async def __call__(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `call` returns."""


class Directories:
    """Looks at directories, once for all who ask for the same one meanwhile."""

    def __init__(self, in_thread: InThread) -> None:
        """Look with `in_thread`."""
        self.in_thread = in_thread
        self._under_way: dict[Path, asyncio.Task[Listing]] = {}

    async def look(self, paths: Iterable[Path]) -> Look:
        """Return what stands beside these paths now."""
        return Look(await asyncio.gather(*map(self._listing, {path.parent for path in paths})))

    async def _listing(self, path: Path) -> Listing:
        # A listing that is under way may have passed what is asked for; the next one serves all who wait for this one.
        under_way = self._under_way.get(path)
        if under_way:
            await asyncio.wait([under_way])
        task = self._under_way.get(path)
        if task is None or task.done():
            task = self._under_way[path] = asyncio.ensure_future(self.in_thread(Listing, path))
        try:
            return await asyncio.shield(task)
        finally:
            if task.done() and self._under_way.get(path) is task:
                del self._under_way[path]
