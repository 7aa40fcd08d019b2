"""What stands in a directory: which names are generations of which log."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".br", ".lz4", ".Z", ".zip")
"""Endings of generations that rotation has compressed. They are not read."""

ADDED = r"[._-][0-9][0-9T._-]*"
"""What rotation adds to a name: a number, or a date."""

REASON = "(?:-(?:size|time|manual))?"
"""What Caddy 2.11 adds behind the date: why it rotated."""

BEHIND = re.compile(rf"(.+?){ADDED}{REASON}")
BEFORE_EXTENSION = re.compile(rf"(.+?){ADDED}{REASON}(\.[A-Za-z]\w*)")


def bases(name: str) -> Iterator[str]:
    """
    Yield the names that the log `name` may have had before it was rotated.

    `access.log.1`, `access.log-20261125` and `access-20261125.log` may all have been `access.log`.
    """
    if match := BEHIND.fullmatch(name):
        yield match[1]
    if match := BEFORE_EXTENSION.fullmatch(name):
        yield match[1] + match[2]


def is_compressed(name: str) -> bool:
    """Whether rotation has compressed the file `name`."""
    return name.endswith(COMPRESSED)


class Listing:
    """One look at a directory. It costs one pass over its names, however many logs share it."""

    def __init__(self, path: Path) -> None:
        """Read the directory; one that cannot be read is empty."""
        self.path = path
        self._names: dict[int, list[str]] = {}
        self._generations: dict[str, dict[str, int]] = {}
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    self._names.setdefault(entry.inode(), []).append(entry.name)
                    if not is_compressed(entry.name):
                        for base in bases(entry.name):
                            self._generations.setdefault(base, {})[entry.name] = entry.inode()
        except OSError:
            pass  # what is wrong with it is reported for the files that are followed in it

    def named(self, inode: int) -> list[Path]:
        """Return the paths that have this inode."""
        return [self.path / name for name in self._names.get(inode, [])]

    def generations(self, name: str) -> Mapping[str, int]:
        """Return the names that were rotated away from `name`, and their inodes; compressed ones are left out."""
        return self._generations.get(name, {})
