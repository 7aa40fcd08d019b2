"""One name that is followed, and the generations that have had it."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from edgetally.clock import Clock
from edgetally.model import Defaults
from edgetally.sources.base import path_from, path_text
from edgetally.sources.files.checkpoint import (
    SURE_BYTES,
    Checkpoint,
    History,
    absence,
    decode_checkpoint,
    decode_history,
)
from edgetally.sources.files.directory import Listing
from edgetally.sources.files.generation import Generation, OpenFile, open_quietly
from edgetally.telemetry.events import FileRotated, FileUnavailable, Following, RotatedFileLost, say

FILE = "file:"
"""Begins the name of the source."""

BEHIND_NAME = "//"
"""Stands in the names of checkpoints between the source and what follows: no absolute path has it."""

HISTORY = BEHIND_NAME + "history"
"""Ends the name under which the journal keeps the history of a source."""


def absolute(path: Path) -> Path:
    """Return `path` from the root on, without `..` as far as that leads to the same place; links stay."""
    straight = Path(os.path.normpath(path.absolute()))
    return straight if os.path.realpath(straight) == os.path.realpath(path) else path.absolute()


class FollowedPath:
    """The current file of one path, and older ones until they have been quiet for a while."""

    def __init__(
        self,
        path: Path,
        defaults: Defaults,
        clock: Clock,
        *,
        quiet_seconds: float,
        start: Callable[[Generation, "FollowedPath"], None],
        listing: Callable[[Path], Awaitable[Listing]],
        is_matched: bool = False,
    ) -> None:
        """
        Follow `path`, an absolute path.

        Args:
            path: The file. It need not exist.
            defaults: What holds for its records that do not say otherwise.
            clock: Tells how long a file has been quiet.
            quiet_seconds: How long a renamed file must not change before it is closed.
            start: Begins to read the blocks of a generation of this path.
            listing: Looks at a directory.
            is_matched: A pattern has found it: it may vanish for good.
        """
        self.path = path
        self.name = f"{FILE}{path_text(path)}"
        self.generations: list[Generation] = []
        """Those that are open: the current file, and older ones."""
        self.unavailable: str | None = None
        """Why the path cannot be opened at the moment."""
        self._current: Generation | None = None
        self.defaults = defaults
        self._clock = clock
        self._quiet_seconds = quiet_seconds
        self._start = start
        self._listing = listing
        self._history = History()
        self._next = 0
        self._seen: set[int] = set()
        """Inodes of rotated files that were there when the directory was last looked at."""
        self._is_matched = is_matched
        self._was_away = False
        """Files may have been rotated while the server was down: they are told by when they were written."""
        self._unresolved: dict[int, Checkpoint] = {}
        """Generations of before, by number, whose files are not found yet."""
        self._is_first = False
        """What is there was written before the path was first followed: it was counted elsewhere, or never will be."""

    @property
    def behind(self) -> int:
        """Bytes that were written and are not read yet, older generations included."""
        return sum(one.behind for one in self.generations)

    @property
    def problem(self) -> str | None:
        """What is wrong at the moment, if anything."""
        return self.unavailable or next((one.problem for one in self.generations if one.problem), None)

    @property
    def is_gone(self) -> bool:
        """Whether a pattern found it, and neither the path nor an open file is left."""
        return self._is_matched and self.unavailable is not None and not self.generations and not self._unresolved

    def restore(
        self, checkpoints: Mapping[str, str], listing: Listing, *, is_new: bool = False
    ) -> dict[str, str | None]:
        """
        Read on where the journal says, and what was rotated since; return changes of what the journal keeps.

        Args:
            checkpoints: What the journal keeps of this path.
            listing: What is in the directory of the path.
            is_new: The file has appeared since the server last looked: without a checkpoint, read all of it.
        """
        known = self._known(checkpoints)
        history = checkpoints.get(self.name + HISTORY)
        self._history = decode_history(history) if history else History()
        self._is_first = not (is_new or known or history)
        if known and known[min(known)].is_absent:
            # Whatever was written since is new.
            absent = known.pop(min(known))
            self._history = History(max(self._history.watermark, absent.modified), self._history.ended)
        self._next = max(known, default=-1) + 1
        self._unresolved = known
        rotated = listing.generations(self.path.name)
        if self._is_first:
            self._add_recent(rotated)
        if is_new or self._is_first:
            self._seen = set(rotated.values())
        else:
            self._was_away = True
        changes = self.settle(listing)
        if self._is_first and not self._current:
            self._is_first = False
            changes[self._key(0)] = absence(int(self._clock.now() * 1e9)).encode()
        return changes

    def settle(self, listing: Listing) -> dict[str, str | None]:
        """
        Find the files of checkpoints, and those that had the name and lost it again; return changes for the journal.

        A checkpoint whose file is not found is kept as long as the path has no file: a disk may not be mounted yet.
        """
        rotated = listing.generations(self.path.name)
        for number, checkpoint in list(self._unresolved.items()):
            if self._resume(number, checkpoint, self._places(checkpoint, listing, rotated)):
                del self._unresolved[number]
        changes: dict[str, str | None] = {}
        if self._can_open():
            for number, checkpoint in self._unresolved.items():
                changes[self._key(number)] = None
                if checkpoint.offset:
                    say(RotatedFileLost(source=self.name, offset=checkpoint.offset))
                # By this, later generations are told from those before.
                self._history = self._history.with_ended(checkpoint)
                changes[self.name + HISTORY] = self._history.encode()
            self._unresolved = {}
        if not self._unresolved:
            unseen = {name: inode for name, inode in rotated.items() if inode not in self._seen}
            self._add_missed(unseen, self._watermark() if self._was_away else -1)
            self._was_away = False
            self._seen = set(rotated.values())
        self.poll()
        return changes

    def poll(self) -> bool:
        """Look at the path and at the open generations; return whether `settle` is due: another file has the name."""
        is_due = False
        try:
            status = self.path.stat()
        except OSError as error:
            self._set_unavailable(error)
        else:
            if self._current and (status.st_dev, status.st_ino) == self._current.file.identity:
                self.unavailable = None
                self._current.poll(status)
            elif self._unresolved:
                is_due = self._can_open()
            else:
                is_due = self._open_current()
        newest = self._current or (self.generations[-1] if self.generations else None)
        for one in self.generations:
            if one is self._current and not self.unavailable:
                continue
            one.poll()
            # Without a new file the server may still open the old one, unless a pattern shows that it is gone.
            is_old = one is not newest or self._is_matched
            if is_old and self._clock.now() - one.quiet_since >= self._quiet_seconds:
                one.finish()
        return is_due

    def forget(self) -> dict[str, str | None]:
        """Return the changes by which the journal keeps nothing of this path any more."""
        return {self.name: None, self.name + HISTORY: None}

    def remove(self, generation: Generation) -> None:
        """Forget a generation whose blocks have ended."""
        self.generations.remove(generation)
        if self._current is generation:
            self._current = None

    def _can_open(self) -> bool:
        """Whether the path has a file that can be read."""
        try:
            OpenFile(self.path).close()
        except OSError as error:
            self._set_unavailable(error)
            return False
        return True

    def _known(self, checkpoints: Mapping[str, str]) -> dict[int, Checkpoint]:
        """Return the checkpoints of this path by the number of the generation, oldest first."""
        found = {}
        for key, text in checkpoints.items():
            name, _, number = key.rpartition(BEHIND_NAME)
            if key == self.name:
                found[0] = decode_checkpoint(text)
            elif name == self.name and number.isdecimal():
                found[int(number)] = decode_checkpoint(text)
        return dict(sorted(found.items()))

    def _key(self, number: int) -> str:
        return f"{self.name}{BEHIND_NAME}{number}" if number else self.name

    def _places(self, checkpoint: Checkpoint, listing: Listing, rotated: Iterable[str]) -> list[Path]:
        """Return where the file of `checkpoint` may be: under any name here, where a link pointed, or as a copy."""
        places = [self.path, *listing.named(checkpoint.inode)]
        if checkpoint.path:
            places.append(path_from(checkpoint.path))
        return [*places, *(map(self.path.with_name, rotated) if checkpoint.head >= SURE_BYTES else ())]

    def _resume(self, number: int, checkpoint: Checkpoint, places: Iterable[Path]) -> bool:
        """Read on in the first of `places` that has the file of `checkpoint`; return whether there is one."""
        for path in dict.fromkeys(places):
            file = open_quietly(path)
            if file is None:
                continue
            if file.matches(checkpoint) and not self._is_open(file):
                if file.has_name(self.path):
                    self._say_start(checkpoint.offset, "checkpoint")
                self._add(file, self._key(number), checkpoint)
                return True
            file.close()
        return False

    def _is_open(self, file: OpenFile) -> bool:
        return any(one.file.identity == file.identity for one in self.generations)

    def _watermark(self) -> int:
        """Return when the newest generation that is known was last written."""
        return max([self._history.watermark, *(one.began_at.modified or one.modified for one in self.generations)])

    def _add_recent(self, rotated: Iterable[str]) -> None:
        """Read the newest old file from its end if it was renamed a moment ago: it may still be written to."""
        newest = max(map(self.path.with_name, rotated), key=_modified, default=None)
        if newest and _modified(newest) >= (self._clock.now() - self._quiet_seconds) * 1e9:
            file = open_quietly(newest)
            if file:
                self._add(file, self._take_key(), file.end())

    def _add_missed(self, rotated: Mapping[str, int], watermark: int) -> None:
        """Read files from their beginning that had the name while nothing looked, the oldest first."""
        ended = {one.inode: one for one in self._history.ended}
        files = []
        for name, inode in rotated.items():
            path = self.path.with_name(name)
            if any(one.file.identity[1] == inode for one in self.generations):
                continue
            file = open_quietly(path) if _modified(path) > watermark else None
            if file is None:
                continue
            known = ended.get(inode)
            was_read = known and file.matches(Checkpoint(inode, 0, known.head, known.digest))
            if was_read or file.has_name(self.path):
                file.close()
            else:
                files.append(file)
        for file in sorted(files, key=lambda one: one.status().st_mtime_ns):
            self._add(file, self._take_key(), Checkpoint(file.identity[1], 0))

    def _open_current(self) -> bool:
        """Read the file that has taken the name; return whether another one had it before."""
        try:
            file = OpenFile(self.path)
        except OSError as error:
            self._set_unavailable(error)
            return False
        was_waiting, self.unavailable = self.unavailable is not None or not self._current, None
        for one in self.generations:
            if one.file.identity == file.identity:
                file.close()
                self._current = one
                return False
        at = file.end() if self._is_first else Checkpoint(file.identity[1], 0)
        if was_waiting:
            self._say_start(at.offset, "end" if self._is_first else "beginning")
        self._is_first = False
        before, self._current = self._current, self._add(file, self._take_key(), at)
        if before:
            before.quiet_since = self._clock.now()
            say(FileRotated(source=self.name))
        return before is not None

    def _take_key(self) -> str:
        self._next += 1
        return self._key(self._next - 1)

    def _add(self, file: OpenFile, key: str, at: Checkpoint) -> Generation:
        generation = Generation(self.name, key, file, self.defaults, self._clock, at)
        generation.closing = lambda checkpoint: self._closing(key, checkpoint)
        generation.find_copy = self._find_copy
        self.generations.append(generation)
        self._start(generation, self)
        return generation

    def _closing(self, key: str, checkpoint: Checkpoint) -> dict[str, str | None]:
        """Return what the journal keeps of a generation that was read to its end."""
        self._history = self._history.with_ended(checkpoint)
        return {key: None, self.name + HISTORY: self._history.encode()}

    async def _find_copy(self, checkpoint: Checkpoint) -> bool:
        """Read on in a copy of a file that was truncated; return whether there is one."""
        listing = await self._listing(self.path.parent)
        rotated = listing.generations(self.path.name)
        for path in map(self.path.with_name, rotated):
            file = open_quietly(path)
            if file and file.is_copy(checkpoint) and not self._is_open(file):
                self._seen.add(file.identity[1])
                self._add(file, self._take_key(), checkpoint).finish()
                return True
            if file:
                file.close()
        return False

    def _say_start(self, offset: int, start: str) -> None:
        say(Following(source=self.name, offset=offset, start=start))

    def _set_unavailable(self, error: OSError) -> None:
        problem = error.strerror or str(error)
        is_known = self.unavailable == problem or (self._is_matched and isinstance(error, FileNotFoundError))
        self.unavailable = problem
        if not is_known:
            say(FileUnavailable(source=self.name, problem=problem))


def _modified(path: Path) -> int:
    """Return when `path` was last written, in nanoseconds since 1970; -1 when it is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return -1


def by_source(checkpoints: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what the journal keeps of each path that was followed, by the name of its source."""
    found: dict[str, dict[str, str]] = {}
    for key, text in checkpoints.items():
        if key.startswith(FILE):
            found.setdefault(key.partition(BEHIND_NAME)[0], {})[key] = text
    return found
