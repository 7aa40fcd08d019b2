"""Whole logs folded at once: what `edgetally fold` does. Nothing is live here, so nothing is late."""

import errno
import os
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, NamedTuple, Never, TextIO

from tqdm import tqdm

from edgetally import _core
from edgetally.compression import by_magic
from edgetally.errors import ConfigError, InputError
from edgetally.measurements import DATASETS
from edgetally.sources.base import Defaults

READ = 1 << 20
"""Bytes that are read at once."""

MERGE_BYTES = 64 << 20
"""Tallies are put away when they take more than this."""

OPEN_SECONDS = 2
"""Seconds that are kept ready for more when tallies are put away."""

FOREVER = (1 << 63) - 1
"""After every second that a record can have."""

SHOWN = 10
"""Rejected lines that are described."""


class Limits(NamedTuple):
    """What a record and a second may hold."""

    max_line: int
    domains: int
    origins: int
    addresses: int
    pops: int
    services: int


class Offline:
    """A fold and a window without a clock."""

    def __init__(self, *, defaults: Defaults, limits: Limits, now: int) -> None:
        window = limits._asdict()
        self._fold = _core.Fold(**defaults._asdict(), max_line=window.pop("max_line"))
        self._window = _core.Window(**window)
        self._now = now
        self._shown = 0
        self.accepted = 0
        self.rejected: Counter[str] = Counter()

    def read(self, name: str, file: BinaryIO, progress: "tqdm[Never]", errors: TextIO) -> None:
        """Fold everything in `file`, decompressing it if it is compressed; describe rejected lines on `errors`."""
        head = file.read(READ)
        decoder = by_magic(head)
        try:
            while head:
                for piece in decoder.feed(head):
                    self._fold.feed(piece, self._now)
                    if self._fold.size > MERGE_BYTES:
                        self._merge()
                progress.update(len(head))
                self._report(name, errors)
                head = file.read(READ)
            decoder.finish()
        except InputError as error:
            errors.write(f"{name}: {error}; what was read before counts\n")
        self._fold.finish(self._now)
        self._report(name, errors)

    def entries(self) -> Iterator[bytes]:
        """Yield one line of JSON per service, dataset and second, sorted by these. This is the end of it."""
        if partial := self._fold.drain():
            self._window.merge(partial)
        sealed = sorted(self._window.seal(FOREVER), key=lambda one: (one.service_id, one.second))
        for service_id, group in groupby(sealed, key=lambda one: one.service_id):
            seconds = list(group)
            for dataset in DATASETS:
                begin = b'{"service_id":"%b","dataset":"%b",' % (service_id.encode(), dataset.encode())
                for one in seconds:
                    if one.has(dataset):
                        yield begin + one.entry(dataset)[1:] + b"\n"

    def _merge(self) -> None:
        self._window.merge(self._fold.drain())
        self._window.rest(OPEN_SECONDS)

    def _report(self, name: str, errors: TextIO) -> None:
        report = self._fold.report()
        self.accepted += report.accepted
        self.rejected.update(dict(report.rejected))
        for line, reason, sentence, at, sample in report.refused[: SHOWN - self._shown]:
            self._shown += 1
            errors.write(f"{name}:{line}: {reason}: {sentence} (byte {at}): {sample[:120]!r}\n")


def fold(files: list[str], offline: Offline, out: BinaryIO, errors: TextIO) -> int:
    """Fold `files` (`-` is standard input) and print the entries; return the exit status."""
    if files.count("-") > 1:
        raise ConfigError("-", "standard input can be read only once")
    sizes = [_size(name) for name in files if name != "-"]
    total = sum(sizes) if len(sizes) == len(files) else None
    with tqdm(
        total=total, unit="B", unit_scale=True, delay=1, leave=False, file=errors, disable=not errors.isatty()
    ) as progress:
        for name in files:
            with sys.stdin.buffer if name == "-" else _open(name) as file:
                offline.read(name, file, progress, errors)
    out.writelines(offline.entries())
    out.flush()
    rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(offline.rejected.items()))
    errors.write(
        f"{offline.accepted} lines counted, {offline.rejected.total()} rejected{': ' * bool(rejected)}{rejected}\n"
    )
    return 0 if offline.accepted else 1


def _size(name: str) -> int:
    """Return how large a file is; raise ConfigError when it cannot be read."""
    try:
        size = Path(name).stat().st_size
    except OSError as error:
        raise ConfigError(name, error.strerror or str(error)) from error
    # Looked at, not opened: there may be more files than may be open at once, and a pipe can be opened only once.
    if Path(name).is_dir():
        raise ConfigError(name, os.strerror(errno.EISDIR))
    if not os.access(name, os.R_OK):
        raise ConfigError(name, os.strerror(errno.EACCES))
    return size


def _open(name: str) -> BinaryIO:
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise ConfigError(name, error.strerror or str(error)) from error
