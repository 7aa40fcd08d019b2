"""Parallel fold: threads that fold logs into one window. Nothing is live here, so nothing is late."""

import os
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from operator import itemgetter

from edgetally import _core
from edgetally.model import Defaults, KeyLimits
from edgetally.offline import inputs
from edgetally.offline.decompression import decompressed, is_plain
from edgetally.offline.inputs import Input, blocks_of
from edgetally.offline.line_report import LineReport
from edgetally.offline.ordered_merge import OrderedMerge

SHARED = 8 << 20
"""Bytes of a plain file from which on all threads fold it together."""

REGION = 64 << 20
"""Bytes of a plain file that one thread folds, at most, before it merges its rows while others go on folding. So little
is left to merge at the end, which one thread does alone."""

SMALLEST_REGION = 4 << 20
"""The last regions of a file are smaller, down to this, so that no thread folds alone for long."""

EDGE = 1 << 14
"""Bytes that are read at once to find the end of a line that crosses into the next region."""

MERGE_BYTES = 64 << 20
"""Rows are merged when those of all threads take more than this."""

FEW = 16
"""Rows are merged early only if they take at most one FEW-th of what was read: merging the same keys again costs more
than it saves."""

FOREVER = (1 << 63) - 1
"""After every second that a record can have."""

Progress = Callable[[int], object]
"""Called by any thread with how many more bytes it has read."""


class ParallelFold:
    """One fold per thread, and the window that they merge into."""

    def __init__(
        self, *, defaults: Defaults, max_line: int, limits: KeyLimits, now: int, threads: int, progress: Progress
    ) -> None:
        self._folds = [_core.Fold(**defaults._asdict(), max_line=max_line) for _ in range(threads)]
        """Between two logs, only the first has rows."""
        self._window = _core.Window(**limits._asdict())
        self._merge = OrderedMerge(self._window)
        self._now = now
        self._progress = progress
        self._fed = 0
        """Bytes of logs that one thread reads, since the rows of `REGION` or more of them were merged."""
        self._is_cancelled = False
        self.report = LineReport()
        self.position: int | None = None
        """How many bytes of the last log were read before an error; None if it was not opened."""
        self._failed: list[tuple[int, OSError]] = []

    def read(self, log: Input) -> None:
        """
        Fold a log, decompressed if it is compressed.

        Raises:
            InputError: It is damaged, or not made of lines. What was read before counts.
            OSError: It cannot be read. What was read before counts.
        """
        self.position = None
        if not isinstance(log.source, str):
            self._read_blocks(log.name, iter(log.source))
            return
        with open(log.source, "rb") as file:
            self.position = 0
            blocks = blocks_of(file)
            size = os.fstat(file.fileno()).st_size
            if size > SHARED and len(self._folds) > 1:
                first = next(blocks, b"")
                if is_plain(first, log.name):
                    self._read_regions(log.name, file.fileno(), size)
                    return
                blocks = chain([first], blocks)
            self._read_blocks(log.name, blocks)

    def seal(self) -> list[_core.Sealed]:
        """Seal all seconds, oldest first. This is the end: nothing can be read after it."""
        self._merge.add(0, self._folds[0].drain())
        return self._window.seal(FOREVER)

    def _read_blocks(self, name: str, blocks: Iterator[bytes]) -> None:
        """Fold a log on this thread alone."""
        fold = self._folds[0]
        self.position = 0
        try:
            for piece in decompressed(self._watched(blocks), name):
                self._feed(0, 0, piece)
                self._fed += len(piece)
                if self._fed >= REGION and self._fed >= fold.size * FEW:
                    self._fed = 0
                    self._merge.add(0, fold.drain())
        finally:
            fold.finish(self._now)
            self.report.add(fold.report(), name)

    def _watched(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield blocks; once one is folded, report the progress."""
        at = 0
        for block in blocks:
            at += len(block)
            self.position = at
            yield block
            self._progress(len(block))

    def _read_regions(self, name: str, file: int, size: int) -> None:
        """Fold a plain file on all threads. Each takes the next region when it is done with one."""
        spans = list(enumerate(pairwise(regions(size, len(self._folds)))))
        # All threads take from one iterator. That of a list gives each item to one of them.
        left = iter(spans)

        def work(thread: int) -> list[tuple[int, _core.Report]]:
            fold, reports = self._folds[thread], []
            for region, (start, end) in left:
                self._read_region(thread, region, file, start, None if end == size else end)
                reports.append((start, fold.report()))
                self._merge.add(region, fold.drain(), is_last=True)
            return reports

        # The logs before this one come first.
        self._merge.add(0, self._folds[0].drain())
        self._merge = OrderedMerge(self._window, regions=len(spans))
        others = len(self._folds) - 1
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most logs need no threads

        with ThreadPoolExecutor(others) as pool:
            theirs = pool.map(work, range(others))
            try:
                reports = sorted(chain(work(others), *theirs), key=itemgetter(0))
            except BaseException:
                # An interrupt does not wait until the others have read their regions.
                self._is_cancelled = True
                raise
        self._merge.finish()
        self._merge = OrderedMerge(self._window)
        self._fed = lines = 0
        for _, report in reports:
            self.report.add(report, name, lines)
            lines += report.lines
        if self._failed:
            self.position, error = min(self._failed, key=itemgetter(0))
            self._failed.clear()
            raise error

    def _read_region(self, thread: int, region: int, file: int, start: int, end: int | None) -> None:
        """Fold the lines of a file that start at or after byte `start` and before `end`, or up to its end."""
        fold = self._folds[thread]
        at = start
        try:
            at = start if start == 0 else _after_newline(file, start - 1)
            while block := os.pread(file, inputs.BLOCK if end is None else max(min(inputs.BLOCK, end - at), 0), at):
                if self._is_cancelled:
                    return
                at += len(block)
                self._feed(thread, region, block)
                self._progress(len(block))
            while fold.unfinished and (block := os.pread(file, EDGE, at)):
                at += len(block)
                newline = block.find(b"\n") + 1
                self._feed(thread, region, block[: newline or None])
        except OSError as error:
            # Other regions may be readable.
            self._failed.append((at, error))
        fold.finish(self._now)

    def _feed(self, thread: int, region: int, block: bytes) -> None:
        fold = self._folds[thread]
        fold.feed(block, self._now)
        if fold.size > MERGE_BYTES // len(self._folds):
            self._merge.add(region, fold.drain(), wait=True)


def regions(size: int, threads: int) -> list[int]:
    """
    Return where to cut a file of `size` bytes into regions.

    A thread takes the next one when it is done with one, however fast it is. Towards the end they get smaller, so that
    all threads end at about the same time.
    """
    cuts = [0]
    while left := size - cuts[-1]:
        cuts.append(cuts[-1] + min(left, REGION, max(SMALLEST_REGION, left // (2 * threads))))
    return cuts


def _after_newline(file: int, at: int) -> int:
    """Return the byte after the first newline at or after byte `at`, or the end of the file."""
    while block := os.pread(file, EDGE, at):
        if newline := block.find(b"\n") + 1:
            return at + newline
        at += len(block)
    return at
