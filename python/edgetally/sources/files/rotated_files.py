"""Which files have had the name of a log, and which of them are still to be read."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from edgetally.clock import Clock
from edgetally.sources.base import path_from
from edgetally.sources.files.checkpoint import HEAD_BYTES, SURE_BYTES, Checkpoint, History, digest_of
from edgetally.sources.files.directory import Found, Look, Rotated, is_compressed, plain
from edgetally.sources.files.open_file import OpenFile, open_any, open_quietly
from edgetally.sources.files.read_files import ReadFiles
from edgetally.telemetry.events import RotatedFileUnreadable, say

RECENT = 2
"""Files that were rotated before a path was first followed and are remembered: older ones are compressed already."""

LOOK_AGAIN_SECONDS = 1.0
"""When files that were rotated while the server was down are looked for again: the first look may see half of it."""

YOUNG_SECONDS = 300.0
"""A renamed file without content is looked at again for this long, as a server may still write to it."""

MAX_TORN = 10
"""Looks in a row during which files are renamed: then what was seen is taken."""

TIME_STEP = 1_000_000_000
"""Compression may round the time at which a file was written, in nanoseconds."""


class Opened(Protocol):
    """A generation that is being read."""

    @property
    def file(self) -> OpenFile:
        """Its file."""

    def known(self) -> Checkpoint:
        """Return the checkpoint of what is known to have been in the file, whatever is in it now."""


class RotatedFiles:
    """Tells older files that are still to be read from those that are known."""

    def __init__(self, source: str, clock: Clock, history: History, files: ReadFiles, *, was_away: bool) -> None:
        """
        Look for files of `source`.

        Args:
            source: Name of the source, for events.
            clock: Tells when to look again.
            history: What is known of the path.
            files: What is known of the files of all paths.
            was_away: Files may have been rotated since the history: they are told by when they were written.
        """
        self._files = files
        self._history = History()
        self.history = history
        self.look_again_at = math.inf
        """When the directories are to be looked at again."""
        self._source = source
        self._clock = clock
        self._was_away = was_away
        self._seen: set[Found] | None = None
        """Files that were there at the last look; None before the first."""
        self._look_back_to = math.inf
        """Files that were written since this time are looked at, even if newer ones are known."""
        self._torn = 0
        """Looks in a row during which files were renamed."""
        self._gone = 0
        """Looks in a row after which files were renamed, before they were opened."""

    @property
    def history(self) -> History:
        """What is known of the path."""
        return self._history

    @history.setter
    def history(self, history: History) -> None:
        if history.ended != self._history.ended:
            self._files.replace(self._history.ended, history.ended)
        self._history = history

    def is_torn(self, rotated: Rotated, *, was_changing: bool) -> bool:
        """Return whether files were renamed during the look or since, which then has to be repeated."""
        now = self._clock.now()
        seen = self._seen or set()
        is_torn = was_changing or any(one not in seen and _inode(path) != one.inode for path, one in rotated.items())
        self._torn = self._torn + 1 if is_torn else 0
        if 0 < self._torn < MAX_TORN:
            self.look_again_at = now
            return True
        self.look_again_at = now + LOOK_AGAIN_SECONDS if self._was_away else math.inf
        return False

    def look_back(self, modified: int) -> None:
        """Look for a file of which nothing was read, and which was last seen to be written at this time."""
        self._look_back_to = min(self._look_back_to, modified)

    def note_past(self, rotated: Rotated, since: int) -> OpenFile | None:
        """
        Take note of files that were rotated before the path was first followed.

        Returns the newest if it was written after `since`: it may still grow.
        """
        self._seen = set(rotated.values())
        *_, newest = recent = sorted(rotated, key=lambda path: rotated[path].modified)[-RECENT:]
        self.history = msgspec.structs.replace(self.history, watermark=rotated[newest].modified + 1)
        for path in recent:
            file = None if is_compressed(path.name) else open_quietly(path)
            if file is None:
                continue
            # When it is compressed later, it is known by how it begins.
            self.history = self.history.with_ended(file.end())
            if path == newest and rotated[path].modified >= since:
                return file
            file.close()
        return None

    def file_of(
        self,
        checkpoint: Checkpoint,
        arrived: OpenFile | None,
        look: Look,
        rotated: Rotated,
        hints: Sequence[Path],
        *,
        has_inode: bool,
    ) -> OpenFile | None:
        """
        Return the file of `checkpoint`, open, wherever it is now: that which has arrived, or one of those rotated.

        It may also have been seen under the name of another log (`hints`). Either it still has its inode, or it is a
        copy: all of the first kind come first.
        """

        def is_it(file: OpenFile, *, is_rotated: bool) -> bool:
            # Of a short file the digests are of everything that was read.
            is_short = is_rotated and checkpoint.head > 0 and (checkpoint.offset <= checkpoint.head or checkpoint.tail)
            is_same = file.has_read(checkpoint) if is_short else file.matches(checkpoint)
            is_same = is_same and has_inode == (file.identity[1] == checkpoint.inode)
            if not is_same or self._files.is_open(file.identity):
                return False
            # Where nothing was read, nothing tells it from another file that has its inode by now.
            is_free = not self._is_read(file) and not self._files.is_elsewhere(file, self._source)
            return checkpoint.offset > 0 or is_free

        # It may have lost the name by now, and a copy of it may be found elsewhere.
        if arrived and is_it(arrived, is_rotated=False):
            return arrived
        for place in dict.fromkeys((*hints, *_places(checkpoint, look, rotated))):
            file = open_quietly(place)
            if file and is_it(file, is_rotated=place in rotated):
                return file
            if file:
                file.close()
        return None

    def missed(
        self,
        rotated: Rotated,
        opened: Sequence[Opened],
        arrived: OpenFile | None,
        newest: int,
        truncated: Opened | None = None,
    ) -> list[OpenFile] | None:
        """
        Open the files that had the name while nothing looked.

        Args:
            rotated: All files that have had the name.
            opened: The generations that are read.
            arrived: The file that is about to be read, if any.
            newest: When the newest of the generations was last written, as far as it was read.
            truncated: The generation that was truncated, and whose copy is open if there is one.

        Returns:
            The files, the oldest first; None if one was renamed or compressed since the look, which then has to be
            repeated: they are read one after the other.
        """
        limit = min(self._look_back_to, max(self.history.watermark, newest if self._was_away else 0))
        seen, self._seen = self._seen or set(), set(rotated.values())
        others = [one.file for one in opened] + ([arrived] if arrived else [])
        files: list[OpenFile] = []
        for path, found in self._unknown(rotated, seen, opened, limit):
            try:
                file = self._open(path, found)
            except FileNotFoundError:
                self._look_again(found, 0)
                self._gone += 1
                if self._gone >= MAX_TORN:
                    continue
                for one in files:
                    one.close()
                self._seen = seen
                return None
            if file is None:
                continue
            is_known = any(one.identity == file.identity for one in others) or self._is_read(file)
            if is_known or self._files.is_elsewhere(file, self._source):
                file.close()
            elif file.is_empty:
                # A copy may just begin, or a server still write to it.
                file.close()
                self._seen.discard(found)
                if self._clock.now() - found.modified / 1e9 < YOUNG_SECONDS:
                    self._look_again(found, LOOK_AGAIN_SECONDS)
            elif any(map(file.begins, others)) or any(map(file.is_copy, _gone(opened, truncated))):
                # What is copied is read where it is, until it is noticed that it was truncated.
                file.close()
                self._seen.discard(found)
            else:
                files.append(file)
        self._gone = 0
        self._was_away, self._look_back_to = False, math.inf
        return sorted(files, key=lambda one: one.extent().modified)

    def copy_of(self, truncated: Opened, rotated: Rotated, opened: Sequence[Opened]) -> OpenFile | None:
        """Open the copy of what was truncated, if there is one: the oldest that can be, as others may begin like it."""
        known = truncated.known()
        if not known.head:
            return None
        since = known.modified - TIME_STEP
        others = [one.file for one in opened if one is not truncated]
        for path in sorted(rotated, key=lambda path: (rotated[path].modified < since, rotated[path].modified)):
            file = None if _is_being_compressed(path) else open_quietly(path)
            if file is None:
                continue
            is_known = _is_open(file, opened) or self._is_read(file) or any(map(file.begins, others))
            if file.is_copy(known) and not is_known:
                return file
            file.close()
        return None

    def _unknown(
        self, rotated: Rotated, seen: set[Found], opened: Sequence[Opened], limit: float
    ) -> Iterator[tuple[Path, Found]]:
        """Yield the files that no look has seen, that are not read, and that were written since `limit`."""
        inodes = {(one.file.path.parent, one.file.identity[1]) for one in opened}
        for path, found in rotated.items():
            if found in seen or (found.directory, found.inode) in inodes or found.modified < limit:
                continue
            if _is_being_compressed(path):
                # What it was is removed afterwards.
                self._look_again(found, LOOK_AGAIN_SECONDS)
            else:
                yield path, found

    def _open(self, path: Path, found: Found) -> OpenFile | None:
        """Open a file, None if it cannot be read; raise FileNotFoundError when it is no longer there."""
        try:
            file = open_any(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            size = path.stat().st_size if path.exists() else 0
            problem = error.strerror or str(error)
            say(RotatedFileUnreadable(source=self._source, path=str(path), problem=problem, size=size))
            return None
        if file.identity[1] != found.inode:
            file.close()
            raise FileNotFoundError
        return file

    def _look_again(self, found: Found, seconds: float) -> None:
        if self._seen:
            self._seen.discard(found)
        self.look_again_at = min(self.look_again_at, self._clock.now() + seconds)

    def _is_read(self, file: OpenFile) -> bool:
        """Whether this was read to its end before, or is a compressed copy of what was."""
        try:
            head = file.head(HEAD_BYTES)
        except OSError:
            return False
        return any(
            one.digest == digest_of(head[: one.head])
            and (one.head >= SURE_BYTES or one.head == len(head) or (one.head and one.inode == file.identity[1]))
            and file.has_tail(one.offset, one.tail)
            for one in self.history.ended
        )


def _places(checkpoint: Checkpoint, look: Look, rotated: Rotated) -> Iterator[Path]:
    """Yield where the file of `checkpoint` may be: under any name, where a link pointed, copied or compressed."""
    if checkpoint.path:
        yield path_from(checkpoint.path)
    was_compressed = is_compressed(checkpoint.path)
    for path, found in rotated.items():
        if found.inode == checkpoint.inode and is_compressed(path.name) == was_compressed:
            yield path
    if checkpoint.head:
        # Otherwise any file may have the inode by now.
        yield from (path for path in look.named(checkpoint.inode) if not is_compressed(path.name))
        # Compressed, it has the same time, or a later one if something was written meanwhile: the nearest comes first.
        away = {path: found.modified - checkpoint.modified for path, found in rotated.items()}
        later = [path for path, nanoseconds in away.items() if nanoseconds >= -TIME_STEP]
        yield from sorted(later, key=lambda path: abs(away[path]))


def _is_open(file: OpenFile, opened: Sequence[Opened]) -> bool:
    return any(one.file.identity == file.identity for one in opened)


def _is_being_compressed(path: Path) -> bool:
    return is_compressed(path.name) and path.with_name(plain(path.name)).exists()


def _gone(opened: Sequence[Opened], truncated: Opened | None) -> Iterator[Checkpoint]:
    """Yield what was truncated and is not noticed yet."""
    known = ((one.file, one.known()) for one in opened if one is not truncated)
    return (checkpoint for file, checkpoint in known if not file.has_read(checkpoint))


def _inode(path: Path) -> int:
    """Return the inode of `path`; 0 when it is gone."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0
