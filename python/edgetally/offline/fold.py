"""Whole logs folded at once: what `edgetally fold` does. Nothing is live here, so nothing is late."""

import errno
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import accumulate, chain, groupby, pairwise, product
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, TextIO

from tqdm import tqdm

from edgetally import _core
from edgetally.errors import ConfigError, InputError
from edgetally.malloc import keep_memory
from edgetally.model import DATASETS, Defaults, Limits
from edgetally.offline.ordered_merge import Turns
from edgetally.sources.compression import Identity, by_magic
from edgetally.telemetry.events import escaped

READ = 1 << 18
"""Bytes that are read at once: they stay in the cache of the core that folds them, in memory that is used again."""

REGION = 64 << 20
"""Bytes of a plain file that one thread folds, at most, before it merges its tallies while others go on folding: so
little of it is left for the end, which one thread does alone."""

SHARED = 8 << 20
"""Bytes of a plain file from which on all threads fold it together."""

EDGE = 1 << 14
"""Bytes that are read at once to find where a line ends that two regions share."""

MERGE_BYTES = 64 << 20
"""Tallies are put away when those of all threads take more than this."""

FEW = 16
"""Tallies are merged early only when they take this part of what was read, or less: rows of keys that stay are merged
again."""

FOREVER = (1 << 63) - 1
"""After every second that a record can have."""

ENCODED = 64
"""Entries that are encoded before the first of them is printed."""

SHOWN = 10
"""Rejected lines that are described."""


Progress = Callable[[int], object]
"""Hears how many bytes more were read."""


class Offline:
    """Folds and a window without a clock."""

    def __init__(self, *, defaults: Defaults, max_line: int, limits: Limits, now: int, threads: int = 1) -> None:
        self._folds = [_core.Fold(**defaults._asdict(), max_line=max_line) for _ in range(threads)]
        self._window = _core.Window(**limits._asdict())
        self._fed = [0] * threads
        self._is_given_up = False
        self._turns = Turns(self._window, 1)
        self._now = now
        self._shown = 0
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        self.unknown_cache_words: Counter[str] = Counter()

    def read(self, name: str, file: BinaryIO, progress: Progress, errors: TextIO) -> None:
        """Fold everything in `file`, decompressing it if it is compressed; describe rejected lines on `errors`."""
        head = file.read(READ)
        decoder = by_magic(head)
        size = os.fstat(file.fileno()).st_size if name != "-" and isinstance(decoder, Identity) else 0
        if size > SHARED and len(self._folds) > 1:
            self._read_regions(name, file.fileno(), size, progress, errors)
            return
        fold = self._folds[0]
        try:
            while head:
                for piece in decoder.feed(head):
                    self._feed(0, piece)
                    if self._fed[0] >= REGION:
                        self._drain(0)
                progress(len(head))
                self._report(name, 0, fold.report(), errors)
                head = file.read(READ)
            decoder.finish()
        except InputError as error:
            errors.write(f"{name}: {error}; what was read before counts\n")
        fold.finish(self._now)
        self._report(name, 0, fold.report(), errors)

    def entries(self) -> Iterator[bytes]:
        """Yield one line of JSON per service, dataset and second, sorted by these. This is the end of it."""
        with ThreadPoolExecutor(len(self._folds)) as pool:
            for partial in filter(None, pool.map(_core.Fold.drain, self._folds)):
                self._window.merge(partial)
            sealed = sorted(self._window.seal(FOREVER), key=lambda one: (one.service_id, one.second))
            for _, seconds in groupby(sealed, key=lambda one: one.service_id):
                shown = [(one, dataset) for dataset, one in product(DATASETS, seconds) if one.has(dataset)]
                for some in range(0, len(shown), ENCODED):
                    yield from pool.map(_line, shown[some : some + ENCODED])

    def _read_regions(self, name: str, file: int, size: int, progress: Progress, errors: TextIO) -> None:
        """Fold a plain file on all threads; each takes every so many-th region, so that runs are alike."""
        spans = list(pairwise(regions(size, len(self._folds))))

        def work(thread: int) -> list[tuple[int, _core.Report]]:
            reports = []
            for start, end in spans[thread :: len(self._folds)]:
                if start < end:
                    self._read_region(thread, file, start, None if end == size else end, progress)
                    reports.append((start, self._folds[thread].report()))
                self._drain(thread)
            return reports

        # What one thread has read before comes before.
        self._turns.take(0, self._folds[0].drain(), is_large=False)
        self._turns = Turns(self._window, len(self._folds))
        others = len(self._folds) - 1
        with ThreadPoolExecutor(others) as pool:
            theirs = pool.map(work, range(others))
            try:
                reports = sorted(chain(work(others), *theirs), key=itemgetter(0))
            except BaseException:
                # Whoever interrupts this does not wait until the others have read the rest.
                self._is_given_up = True
                raise
        self._turns.finish()
        self._turns = Turns(self._window, 1)
        lines = 0
        for _, report in reports:
            self._report(name, lines, report, errors)
            lines += report.lines

    def _read_region(self, thread: int, file: int, start: int, end: int | None, progress: Progress) -> None:
        """Fold the lines of a file that begin from byte `start` on and before `end`, or where it ends."""
        fold = self._folds[thread]
        at = start if start == 0 else _behind_newline(file, start - 1)
        while block := os.pread(file, READ if end is None else max(min(READ, end - at), 0), at):
            if self._is_given_up:
                return
            at += len(block)
            self._feed(thread, block)
            progress(len(block))
        while fold.unfinished and (block := os.pread(file, EDGE, at)):
            at += len(block)
            newline = block.find(b"\n") + 1
            self._feed(thread, block[: newline or None])
        fold.finish(self._now)

    def _feed(self, thread: int, block: bytes) -> None:
        fold = self._folds[thread]
        fold.feed(block, self._now)
        self._fed[thread] += len(block)
        if fold.size > MERGE_BYTES // len(self._folds):
            self._fed[thread] = 0
            self._turns.take(thread, fold.drain(), is_large=True)

    def _drain(self, thread: int) -> None:
        """Drain the fold of a thread, unless that is better done later, and merge it as soon as it is its turn."""
        fold = self._folds[thread]
        is_worth_it = self._fed[thread] >= fold.size * FEW
        if is_worth_it:
            self._fed[thread] = 0
        self._turns.take(thread, fold.drain() if is_worth_it else b"", is_large=False)

    def _report(self, name: str, before: int, report: _core.Report, errors: TextIO) -> None:
        """Count what became of the lines behind so many others, and describe the first that were rejected."""
        self.accepted += report.accepted
        self.rejected.update(dict(report.rejected))
        self.unknown_cache_words.update(dict(report.unknown_cache_words))
        for one in report.rejections[: SHOWN - self._shown]:
            self._shown += 1
            where, sample = f"{name}:{before + one.line}", escaped(one.sample[:120])
            errors.write(f"{where}: {one.reason}: {one.sentence} (byte {one.at}): {sample}\n")


def regions(size: int, threads: int) -> list[int]:
    """
    Return where to cut so many bytes into regions, of which each thread takes every so many-th.

    Every thread gets as much as the others, so that all are done at the same time, but they end their regions apart
    from each other, so that every thread merges its own, and none waits for another: the first region of a thread is
    short, the last one has the rest.
    """
    rounds = -(-size // (threads * REGION))
    # In parts of a whole region, of which it has as many as there are threads.
    first, last = range(1, threads + 1), range(threads - 1, 0, -1)
    parts = accumulate([*first, *[threads] * (threads * (rounds - 1)), *last], initial=0)
    return [size * part // (threads * threads * rounds) for part in parts]


def _behind_newline(file: int, at: int) -> int:
    """Return where the first line begins that has a newline from byte `at` on before it."""
    while block := os.pread(file, EDGE, at):
        if newline := block.find(b"\n") + 1:
            return at + newline
        at += len(block)
    return at


def _unseen(size: int) -> None:
    """Nobody watches, and a bar that shows nothing takes a tenth of what a small log does."""


def _line(shown: tuple[_core.Sealed, str]) -> bytes:
    one, dataset = shown
    begin = b'{"service_id":"%b","dataset":"%b",' % (one.service_id.encode(), dataset.encode())
    return b"".join((begin, memoryview(one.entry(dataset))[1:], b"\n"))


def fold(files: list[str], offline: Offline, out: BinaryIO, errors: TextIO) -> int:
    """Fold `files` (`-` is standard input) and print the entries; return the exit status."""
    if files.count("-") > 1:
        raise ConfigError("-", "standard input can be read only once")
    keep_memory()
    sizes = [_size(name) for name in files if name != "-"]
    total = sum(sizes) if len(sizes) == len(files) else None
    with ExitStack() as until_read:
        progress: Progress = _unseen
        if errors.isatty():
            bar = tqdm(total=total, unit="B", unit_scale=True, delay=1, leave=False, file=errors)
            progress = until_read.enter_context(bar).update
        for name in files:
            with sys.stdin.buffer if name == "-" else _open(name) as file:
                offline.read(name, file, progress, errors)
    out.writelines(offline.entries())
    out.flush()
    rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(offline.rejected.items()))
    lines = "1 line" if offline.accepted == 1 else f"{offline.accepted} lines"
    errors.write(f"{lines} counted, {offline.rejected.total()} rejected{': ' * bool(rejected)}{rejected}\n")
    if words := offline.unknown_cache_words.most_common(SHOWN):
        shown = ", ".join(f"{word!r} ({count})" for word, count in words)
        errors.write(
            f"words for what the cache did that count as neither hit nor miss, because none is known: {shown}\n"
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
