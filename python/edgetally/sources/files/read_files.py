"""What was read of files under any name: one that is renamed from one log to another is read on, and counts once."""

from collections.abc import Iterable
from typing import Protocol

from edgetally.sources.files.checkpoint import Checkpoint, EndedGeneration
from edgetally.sources.files.open_file import OpenFile


class Owner(Protocol):
    """A log that still has to find files that were left before a restart."""

    @property
    def name(self) -> str:
        """Name of its source."""

    def awaits(self, file: OpenFile) -> bool:
        """Whether this is one of them. It is then read on by its log, wherever it is now."""


class ReadFiles:
    """
    Files that are read, are about to be, or were read to their end, by inode.

    What is remembered here is what the histories of logs have, so it is in the journal, and its number is limited.
    """

    def __init__(self) -> None:
        """Begin without files."""
        self._open: dict[tuple[int, int], str] = {}
        self._owners: dict[int, list[Owner]] = {}
        self._ended: dict[int, list[EndedGeneration]] = {}

    def open(self, file: OpenFile, source: str) -> None:
        """Take note that `source` reads a file from now on."""
        self._open[file.identity] = source

    def close(self, file: OpenFile) -> None:
        """Take note that a file is not read any more."""
        self._open.pop(file.identity, None)

    def is_open(self, identity: tuple[int, int], besides: str = "") -> bool:
        """Whether a file with this device and inode is read, by any source but one."""
        return self._open.get(identity, besides) != besides

    def expect(self, inodes: Iterable[int], owner: Owner) -> None:
        """Take note that a log has left files with these inodes."""
        for inode in inodes:
            self._owners.setdefault(inode, []).append(owner)

    def is_elsewhere(self, file: OpenFile, source: str) -> bool:
        """Whether another log than `source` reads this file, or is about to."""
        owners = (one for one in self._owners.get(file.identity[1], []) if one.name != source)
        return self.is_open(file.identity, source) or any(one.awaits(file) for one in owners)

    def replace(self, before: Iterable[EndedGeneration], after: Iterable[EndedGeneration]) -> None:
        """Remember other files that were read to their end."""
        for one in before:
            same = self._ended[one.inode]
            same.remove(one)
            if not same:
                del self._ended[one.inode]
        for one in after:
            self._ended.setdefault(one.inode, []).append(one)

    def left_off(self, file: OpenFile) -> Checkpoint | None:
        """Return how far this file was read by any log before; None if it was not, or if it has changed since."""
        known = [one for one in self._ended.get(file.identity[1], []) if one.is_sure and file.has_read(one)]
        return file.read_on(max(known, key=lambda one: one.offset)) if known else None
