"""One name that is followed, and the generations that have had it."""

import asyncio
import contextlib
import itertools
import math
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from edgetally.clock import Clock
from edgetally.model import Defaults
from edgetally.sources.base import READ_BYTES, path_from, path_text
from edgetally.sources.files.checkpoint import Checkpoint, History, absence, decode_checkpoint, decode_history
from edgetally.sources.files.directory import Directories, Look, Rotated, found_at
from edgetally.sources.files.generation import Generation, Others
from edgetally.sources.files.handover import Handover
from edgetally.sources.files.open_file import NOTHING, Extent, OpenFile
from edgetally.sources.files.read_files import ReadFiles
from edgetally.sources.files.rotated_files import LOOK_AGAIN_SECONDS, RotatedFiles
from edgetally.telemetry.events import FileRotated, FileUnavailable, Following, RotatedFileLost, say

FILE = "file:"
"""Begins the name of the source."""

BEHIND_NAME = "//"
"""Stands in the names of checkpoints between the source and what follows: no absolute path has it."""

HISTORY = BEHIND_NAME + "history"
"""Ends the name under which the journal keeps the history of a source."""


MIN_MISSES = 3
"""Looks at which a file is not found before it is given up: on a busy machine, a second may pass between two looks."""


def absolute(path: Path) -> Path:
    """Return `path` from the root on, without `..` as far as that leads to the same place; links stay."""
    straight = Path(os.path.normpath(path.absolute()))
    return straight if os.path.realpath(straight) == os.path.realpath(path) else path.absolute()


class Start(Protocol):
    """Begins to read generations of a path, once what the journal keeps of them is durable."""

    def __call__(self, followed: "FollowedPath", generations: Sequence[Generation], /) -> None:
        """Begin."""


class Shared(NamedTuple):
    """What all followed paths share."""

    clock: Clock
    """Tells how long a file has been quiet."""
    quiet_seconds: float
    """How long a renamed file must not change before it is closed."""
    directories: Directories
    """Looks at directories."""
    files: ReadFiles
    """Tells a file that was read under another name."""
    start: Start
    """Begins to read the blocks of generations."""


class FollowedPath:
    """The current file of one path, and older ones until they have been quiet for a while."""

    def __init__(
        self,
        path: Path,
        defaults: Defaults,
        shared: Shared,
        *,
        checkpoints: Mapping[str, str],
        is_matched: bool = False,
        new_since: int | None = None,
    ) -> None:
        """
        Follow `path`, an absolute path, from the first call of `settle` on.

        Args:
            path: The file. It need not exist.
            defaults: What holds for its records that do not say otherwise.
            shared: What it shares with others.
            checkpoints: What the journal keeps of this path.
            is_matched: A pattern has found it: it may vanish for good.
            new_since: It has appeared since this time, in nanoseconds since 1970: without a checkpoint, read all of it,
                and what was rotated since.
        """
        self.path = path
        self.name = f"{FILE}{path_text(path)}"
        self.defaults = defaults
        self.generations: list[Generation] = []
        """Those that are open, oldest first as far as that is known."""
        self.unavailable: str | None = None
        """Why the path cannot be opened at the moment."""
        self.commits = asyncio.Lock()
        self.uncommitted: dict[str, str | None] = {}
        self._clock, self._quiet_seconds, self._directories, self._files, self._start = shared
        self._is_matched = is_matched
        self._current: Generation | None = None
        self._arrived: OpenFile | None = None
        """The file that has taken the name, until it is a generation."""
        self._lent: tuple[int, int] | None = None
        """Device and inode of the file that has the name, if it was renamed from another log, which reads it."""
        self._arrived_as = NOTHING
        """How it began when it was opened."""
        self._unresolved = self._known(checkpoints)
        """Generations of before, by number, whose files are not found yet."""
        kept = checkpoints.get(self.name + HISTORY)
        history = decode_history(kept) if kept else History(0 if self._unresolved else new_since or 0)
        self._is_first = new_since is None and not self._unresolved and not kept
        """What is there was written before the path was first followed: it was counted elsewhere, or never will be."""
        oldest = min(self._unresolved, default=0)
        if self._unresolved and self._unresolved[oldest].is_absent:
            # Whatever was written since is new.
            absent = self._unresolved.pop(oldest)
            history = msgspec.structs.replace(history, watermark=max(history.watermark, absent.modified))
        self._next = max(self._unresolved, default=-1) + 1
        self._rotated = RotatedFiles(self.name, shared.clock, history, shared.files, was_away=not self._is_first)
        self._files.expect({one.inode for one in self._unresolved.values()}, self)
        self._hints: list[Path] = []
        """Where files of before were seen, under names of other logs."""
        for one in self._unresolved.values():
            if not one.offset and one.modified:
                # Another file may have its inode by now, and nothing else tells which it was.
                self._rotated.look_back(one.modified)
        self._resumed: list[Generation] = []
        """Generations of before that are not read on yet, because others are not found."""
        self._give_up_at = math.inf
        """When files that are not found are given up."""
        self._misses = 0
        """Looks at which they were not found."""

    @property
    def behind(self) -> int:
        """Bytes that were written and are not read yet, older generations included."""
        return sum(one.reader.behind for one in self.generations)

    @property
    def problem(self) -> str | None:
        """What is wrong at the moment, if anything."""
        return self.unavailable or next((one.problem for one in self.generations if one.problem), None)

    @property
    def is_gone(self) -> bool:
        """Whether a pattern found it, and neither the path nor an open file is left."""
        return self._is_matched and self.unavailable is not None and not self.generations and not self._unresolved

    @property
    def is_settled(self) -> bool:
        """Whether it is durable which files are read from where on, and none is about to be left to this log."""
        is_left = self._lent is not None and not self._files.is_open(self._lent, self.name)
        return self._arrived is None and not self.uncommitted and not is_left

    @property
    def identities(self) -> set[tuple[int, int]]:
        """Devices and inodes of its open files."""
        return {one.file.identity for one in self.generations} | ({self._arrived.identity} if self._arrived else set())

    @property
    def places(self) -> set[Path]:
        """Where to look: where the log has been, and below that while a file of before is not found."""
        return self._homes | self._below()

    @property
    def _homes(self) -> set[Path]:
        """Where the log has been. Rotation leaves older files beside it: of a link, where it leads to."""
        before = (path_from(one.path) for one in self._unresolved.values() if one.path)
        names = self._names()
        elsewhere = (directory / one.name for one in names for directory in self._moved_to())
        return {*names, *elsewhere, *before, *(one.file.path for one in self.generations)}

    def _below(self) -> set[Path]:
        """Return where rotation may have moved a file that is not found: below the log is where people let it move."""
        if self._give_up_at == math.inf or not self._unresolved:
            return set()
        below = set()
        for name in self._names():
            with contextlib.suppress(OSError), os.scandir(name.parent) as entries:
                below |= {Path(one.path) / name.name for one in entries if one.is_dir(follow_symlinks=False)}
        return below

    def _moved_to(self) -> set[Path]:
        """Return the other directories into which rotation moves files (`olddir`), as far as that was seen."""
        here = {one.file: one.file.place() for one in self.generations}
        moved = {place.parent for file, place in here.items() if place and place.parent != file.path.parent}
        return moved | {path_from(one) for one in self._rotated.history.moved_to}

    def poll(self) -> bool:
        """Look at the path and at the open generations; return whether `settle` is due: another file has the name."""
        is_due = self._clock.now() >= self._rotated.look_again_at
        self._lent = None
        try:
            status = self.path.stat()
        except OSError as error:
            self._set_unavailable(error)
        else:
            if self._current and (status.st_dev, status.st_ino) == self._current.file.identity:
                self.unavailable = None
                self._current.poll(Extent(status.st_size, status.st_mtime_ns))
            elif self._files.is_open((status.st_dev, status.st_ino), self.name):
                # Renamed from another log, which reads it to its end.
                self._drop_arrived()
                self.unavailable, self._lent = None, (status.st_dev, status.st_ino)
            else:
                is_due = self._arrive() or is_due
        newest = self._current or (self.generations[-1] if self.generations else None)
        for one in self.generations:
            if one is self._current and not self.unavailable and not self._lent:
                continue
            one.poll()
            # Without a new file the server may still open the old one, unless a pattern shows that it is gone.
            is_old = one is not newest or self._is_matched or self._lent
            if is_old and self._clock.now() - one.quiet_since >= self._quiet_seconds:
                one.finish()
        return is_due

    def settle(self, look: Look) -> None:
        """
        Find the files of checkpoints, and those that had the name and lost it again; then read the one that has it now.

        A checkpoint whose file is not found is kept as long as the path has no file: a disk may not be mounted yet.
        """
        rotated = self._had_name(look)
        if self._is_torn(look, rotated):
            return
        self._note_moved_to()
        self._leave_to_others()
        added: list[Generation] = []
        if self._is_first and rotated:
            since = int((self._clock.now() - self._quiet_seconds) * 1e9)
            if file := self._rotated.note_past(rotated, since):
                added.append(self._add(file, self._take_key(), file.end()))
            self.uncommitted[self.name + HISTORY] = self._rotated.history.encode()
        known = self._rotated.history.moved_to
        self._resumed += self._resume(look, rotated)
        self._adopt()
        is_torn = bool(self._unresolved) and self._is_torn(look, rotated)
        if is_torn or self._rotated.history.moved_to != known:
            # There may be more.
            self._resumed += added
            self._rotated.look_again_at = self._clock.now()
            return
        has_file = self._arrived is not None or self._current is not None
        if has_file and self._unresolved:
            self._give_up_in_time()
        missed = [] if self._unresolved else self._missed(rotated)
        if missed is None:
            # What comes before the others is not known yet.
            self._resumed += added
            return
        added += missed
        if self._arrived and not self._unresolved:
            added.append(self._take(self._arrived))
        elif self._is_first and not self._lent:
            self._note_absence()
        self._is_first = False
        if has_file and self._unresolved:
            # What was left where also tells what else to look for: nothing is read before that is clear.
            return
        self._put_in_order()
        resumed, self._resumed = self._resumed, []
        self._start(self, resumed + added)

    async def look_around(self, generation: Generation, *, is_truncated: bool) -> Others:
        """Return other generations that appeared since the last look, and the copy of this one if it was truncated."""
        truncated = generation if is_truncated else None
        copy: Generation | None = None
        missed: Sequence[Generation] | None = None
        while missed is None:
            look = await self._directories.look(self.places)
            rotated = self._had_name(look)
            if self._is_torn(look, rotated):
                continue
            if truncated and not copy:
                file = self._rotated.copy_of(truncated, rotated, self.generations)
                if file:
                    copy = self._add(file, self._take_key(), truncated.known(), older_than=generation)
                    copy.finish()
                elif self._is_torn(look, rotated):
                    continue  # it may have been compressed since
            missed = [] if self._unresolved else self._missed(rotated, generation, truncated)
        if truncated:
            generation.has_begun = False
        self._put_in_order()
        return Others(copy, missed)

    def committed(self, changes: Mapping[str, str | None]) -> None:
        """Take note that these changes are durable."""
        for key, text in changes.items():
            if self.uncommitted.get(key, "") == text:
                del self.uncommitted[key]

    def ended(self, generation: Generation) -> None:
        """Change what the journal keeps: a generation was read to its end."""
        self._rotated.history = self._rotated.history.with_ended(generation.final())
        self.uncommitted |= {generation.key: None, self.name + HISTORY: self._rotated.history.encode()}

    def start(self, generations: Sequence[Generation]) -> None:
        """Begin to read."""
        if generations:
            self._start(self, generations)

    async def fetch(self, file: OpenFile, offset: int) -> None:
        """Decompress in a thread what is read next."""
        await self._directories.in_thread(file.read, READ_BYTES, offset)

    def forget(self, changes: Mapping[str, str]) -> None:
        """Let the journal keep nothing of this path any more, but these changes."""
        self._rotated.history = History()
        self.uncommitted |= {self.name: None, self.name + HISTORY: None, **changes}
        self._start(self, ())

    def remove(self, generation: Generation) -> None:
        """Forget a generation whose blocks have ended."""
        self.generations.remove(generation)
        self._files.close(generation.file)
        if self._current is generation:
            self._current = None

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

    def _names(self) -> set[Path]:
        """Return the path with its directory resolved, and where it leads to."""
        return {Path(os.path.realpath(self.path.parent)) / self.path.name, Path(os.path.realpath(self.path))}

    def _had_name(self, look: Look) -> Rotated:
        """Return the files that have had the name."""
        places = self._homes
        rotated = look.rotated(places)
        for place in places - self._names():
            # Where a link led before it moved on may be a file that was never looked at.
            with contextlib.suppress(OSError):
                rotated[place] = found_at(place)
        # A link may lead to a dated name.
        with contextlib.suppress(OSError):
            now = self.path.stat().st_ino
            rotated = {path: found for path, found in rotated.items() if found.inode != now}
        return rotated

    def _is_torn(self, look: Look, rotated: Rotated) -> bool:
        """Whether it was rotated during the look or since, which then has to be repeated."""
        return self._rotated.is_torn(rotated, was_changing=look.is_changing(self._homes))

    def _note_moved_to(self) -> None:
        """Take note of new directories into which rotation moves files."""
        known = self._rotated.history
        self._rotated.history = known.with_moved_to(sorted(map(path_text, self._moved_to())))
        if self._rotated.history != known:
            self.uncommitted[self.name + HISTORY] = self._rotated.history.encode()

    def _key(self, number: int) -> str:
        return f"{self.name}{BEHIND_NAME}{number}" if number else self.name

    def _take_key(self) -> str:
        self._next += 1
        return self._key(self._next - 1)

    def _arrive(self) -> bool:
        """Open the file that has the name, unless it is open; return whether it is another one than before."""
        if self._arrived and not self._arrived.has_name(self.path):
            self._drop_arrived()
        try:
            if not self._arrived:
                self._arrived = OpenFile(self.path)
                self._arrived_as = self._arrived.beginning()
        except OSError as error:
            self._set_unavailable(error)
            return False
        return not self._adopt()

    def _drop_arrived(self) -> None:
        """Close the file that has arrived, if any."""
        if self._arrived:
            self._arrived.close()
            self._arrived = None

    def _leave_to_others(self) -> None:
        """Leave the file that has arrived to the log that reads it, or is about to, if there is one."""
        if self._arrived and self._files.is_elsewhere(self._arrived, self.name):
            self._lent = self._arrived.identity
            self._drop_arrived()

    def awaits(self, file: OpenFile) -> bool:
        """Whether this file was left before a restart, and is not found yet. It then is, under the name it has now."""
        left = (one for one in self._unresolved.values() if one.inode == file.identity[1])
        is_awaited = any(one.offset and one.head and file.has_read(one) for one in left)
        if is_awaited and file.path not in self._hints:
            self._hints.append(file.path)
            self._rotated.look_again_at = self._clock.now()
        return is_awaited

    def _adopt(self) -> bool:
        """Return whether the file that has arrived is that of an open generation, which then is the current one."""
        same = [one for one in self.generations if self._arrived and one.file.identity == self._arrived.identity]
        if not same or not self._arrived:
            return False
        if not self._current:
            self._say_start(same[0].reader.offset, "checkpoint")
        if same[0].file is not self._arrived:
            self._arrived.close()
        self.unavailable, self._current, self._arrived = None, same[0], None
        self._current.is_copied = True
        return True

    def _take(self, file: OpenFile) -> Generation:
        """Read the file that has arrived."""
        self._arrived = None
        left = self._files.left_off(file)
        at = left or (file.end() if self._is_first else file.start())
        if self.unavailable is not None or not self._current:
            self._say_start(at.offset, "checkpoint" if left else "end" if self._is_first else "beginning")
        self.unavailable = None
        before, self._current = self._current, self._add(file, self._take_key(), at)
        # A copy that was made before it was opened was there at the look.
        self._current.is_copied, self._current.reader.began = before is None, self._arrived_as
        if before:
            before.quiet_since = self._clock.now()
            say(FileRotated(source=self.name))
        return self._current

    def _note_absence(self) -> None:
        """Take note of what there was when the path was first followed, and could not be read."""
        checkpoint = absence(int(self._clock.now() * 1e9))
        with contextlib.suppress(OSError):
            status = self.path.stat()
            if stat.S_ISREG(status.st_mode):
                checkpoint = Checkpoint(status.st_ino, status.st_size, modified=status.st_mtime_ns)
                self._unresolved[0] = checkpoint
                self._next = 1
        self.uncommitted[self._key(0)] = checkpoint.encode()

    def _resume(self, look: Look, rotated: Rotated) -> list[Generation]:
        """Read on where generations of before were left, as far as their files are found; return them."""
        resumed = []
        rotated = rotated | look.rotated(self._below())
        for has_inode, number in itertools.product((True, False), list(self._unresolved)):
            checkpoint = self._unresolved.get(number)
            if checkpoint is None:
                continue
            file = self._rotated.file_of(checkpoint, self._arrived, look, rotated, self._hints, has_inode=has_inode)
            if file is None:
                continue
            del self._unresolved[number]
            if checkpoint.path and file.path.parent != path_from(checkpoint.path).parent:
                self._rotated.history = self._rotated.history.with_moved_to([path_text(file.path.parent)])
                self.uncommitted[self.name + HISTORY] = self._rotated.history.encode()
            left = self._files.left_off(file)
            if left and left.offset > checkpoint.offset:
                # Another log has read on meanwhile, under the name that the file had.
                resumed.append(self._add(file, self._key(number), left))
            else:
                resumed.append(self._add(file, self._key(number), checkpoint))
                del self.uncommitted[self._key(number)]
        return resumed

    def _give_up_in_time(self) -> None:
        """Forget checkpoints whose files were not found for a while: rotation may rename or compress them now."""
        self._give_up_at = min(self._give_up_at, self._clock.now() + LOOK_AGAIN_SECONDS)
        self._misses += 1
        if self._clock.now() < self._give_up_at or self._misses < MIN_MISSES:
            return
        for number, checkpoint in self._unresolved.items():
            self.uncommitted[self._key(number)] = None
            if checkpoint.offset:
                say(RotatedFileLost(source=self.name, offset=checkpoint.offset))
            # By this, later generations are told from those before.
            self._rotated.history = self._rotated.history.with_ended(checkpoint)
            self.uncommitted[self.name + HISTORY] = self._rotated.history.encode()
        self._unresolved = {}

    def _put_in_order(self) -> None:
        """Sort the generations by age, so that a record may begin in one and end in the next."""
        # If it has lost the name since the look, others that were found may be newer.
        newest = self._current if self._current and self._current.file.has_name(self.path) else None
        self.generations.sort(key=lambda one: (one is newest, one.reader.modified))
        for one in self.generations:
            if one.before and not one.before.is_asked:
                one.before.abandon()
                one.before = None
        for older, newer in itertools.pairwise(self.generations):
            is_free = older.after is None or older.after.is_over
            # What is taken for older may be taken for newer once it is seen to have changed.
            if not newer.has_begun and newer.before is None and is_free and not older.waits_for(newer):
                older.after = newer.before = Handover(older, newer, newer.taken)

    def _missed(
        self, rotated: Rotated, older_than: Generation | None = None, truncated: Generation | None = None
    ) -> list[Generation] | None:
        """
        Read files from their beginning that had the name while nothing looked; return them, the oldest first.

        Returns None when one was renamed or compressed since the look, which then has to be repeated.
        """
        newest = max([one.reader.began_at.modified or one.reader.modified for one in self.generations], default=0)
        files = self._rotated.missed(rotated, self.generations, self._arrived, newest, truncated)
        if files is None:
            return None
        return [self._add(one, self._take_key(), self._files.left_off(one) or one.start(), older_than) for one in files]

    def _add(self, file: OpenFile, key: str, at: Checkpoint, older_than: Generation | None = None) -> Generation:
        """Add a generation, the newest unless it is `older_than` another one."""
        generation = Generation(self.name, key, file, self, self.defaults, self._clock, at)
        if older_than:
            self.generations.insert(self.generations.index(older_than), generation)
        else:
            self.generations.append(generation)
        self._files.open(file, self.name)
        self.uncommitted[key] = at.encode()
        return generation

    def _say_start(self, offset: int, start: str) -> None:
        say(Following(source=self.name, offset=offset, start=start))

    def _set_unavailable(self, error: OSError) -> None:
        problem = error.strerror or str(error)
        is_known = self.unavailable == problem or (self._is_matched and isinstance(error, FileNotFoundError))
        self.unavailable = problem
        if not is_known:
            say(FileUnavailable(source=self.name, problem=problem))


def by_source(checkpoints: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what the journal keeps of each path that was followed, by the name of its source."""
    found: dict[str, dict[str, str]] = {}
    for key, text in checkpoints.items():
        if key.startswith(FILE):
            found.setdefault(key.partition(BEHIND_NAME)[0], {})[key] = text
    return found
