"""Folding whole logs: what the library and `edgetally fold` do. Nothing is printed here."""

import os
from collections.abc import Callable, Iterator
from itertools import groupby, product
from typing import Any, TypedDict, Unpack

from edgetally import _core
from edgetally.clock import SystemClock
from edgetally.errors import InputError, reason
from edgetally.model import DATASETS, Defaults, measurements
from edgetally.offline.arguments import MAX_THREADS, checked_limits, checked_now, checked_records, checked_threads
from edgetally.offline.entry import Entry
from edgetally.offline.inputs import Inputs, inputs_of
from edgetally.offline.line_report import LineReport
from edgetally.offline.parallel_fold import ParallelFold
from edgetally.offline.threads import map_on

KEYS = {"channel": (), "domains": ("domain",), "origin_insights": ("origin", "address"), "origins": ("origin",)}
"""The columns of a row's key, by dataset."""

SHARED = 1 << 20
"""Bytes of sealed seconds from which on all threads encode their entries together."""


class FoldResult:
    """
    The entries of a log, and what became of its lines.

    Iterating yields an `Entry` per second and service, oldest second first, and may be repeated. `len()` is their
    number.
    """

    def __init__(
        self, sealed: list[_core.Sealed], report: LineReport, damaged: list[tuple[str, str]], *, threads: int
    ) -> None:
        self._sealed = sealed
        self._threads = threads
        self.accepted = report.accepted
        """Number of lines that count."""
        self.rejected = report.rejected
        """
        Number of lines that do not count, by the code of their reason. `rejected.total()` is their sum.

        `other_log` is not an error: such lines belong to other logs of the same server.
        """
        self.rejections = report.rejections
        """The first 10 lines that do not count because something is wrong with them."""
        self.without_time = report.without_time
        """Number of accepted lines that say no time: they count in the second `now`."""
        self.unknown_cache_words = report.unknown_cache_words
        """Number of lines by each word for what the cache did that is unknown: these are neither hit nor miss."""
        self.damaged = damaged
        """Inputs that could not be read to their end, each with what is wrong and where; see `allow_damaged`."""

    def __iter__(self) -> Iterator[Entry]:
        return map(Entry, self._sealed)

    def __len__(self) -> int:
        return len(self._sealed)

    def __repr__(self) -> str:
        return f"<FoldResult entries={len(self)} accepted={self.accepted} rejected={self.rejected.total()}>"

    def rows(self, dataset: str = "domains") -> Iterator[dict[str, Any]]:
        """Yield what `rows` yields, from this result. Several datasets can be taken from one fold."""
        _check_dataset(dataset)
        return self._rows(dataset)

    def json_lines(self) -> Iterator[bytes]:
        """Yield what `edgetally fold` prints: a line of JSON per service, dataset and second, sorted by these."""
        threads = self._threads if sum(one.size for one in self._sealed) > SHARED else 1
        return map_on(threads, _json_line, self._shown())

    def _shown(self) -> Iterator[tuple[Entry, str]]:
        """Yield what `json_lines` shows, in its order."""
        entries = sorted(self, key=lambda entry: (entry.service_id, entry.second))
        for _, seconds in groupby(entries, key=lambda entry: entry.service_id):
            for dataset, entry in product(DATASETS, seconds):
                if dataset in entry.datasets:
                    yield entry, dataset

    def _rows(self, dataset: str) -> Iterator[dict[str, Any]]:
        names = KEYS[dataset]
        kinds = {one.name: one.kind for one in measurements(dataset)}
        zeros = {name: 0 if kind == "counter" else 0.0 for name, kind in kinds.items() if kind != "histogram"}
        for entry in self:
            for pop, shown in getattr(entry, f"{dataset}_by_pop").items():
                for key, found in (shown if names else {(): shown}).items():
                    keys = zip(names, key if isinstance(key, tuple) else (key,), strict=True)
                    row = {"second": entry.second, "service_id": entry.service_id, "pop": pop, **dict(keys)}
                    yield row | {name: found.get(name, zero) for name, zero in zeros.items()}


def sealed_of(result: FoldResult) -> list[_core.Sealed]:
    """Return the sealed seconds of a log."""
    return result._sealed  # noqa: SLF001 - of this module


def _json_line(shown: tuple[Entry, str]) -> bytes:
    entry, dataset = shown
    start = b'{"service_id":"%b","dataset":"%b",' % (entry.service_id.encode(), dataset.encode())
    return b"".join((start, memoryview(entry.json(dataset))[1:], b"\n"))


def _check_dataset(dataset: str) -> None:
    """Raise ValueError if there is no such dataset."""
    if dataset not in KEYS:
        raise ValueError(f"dataset: must be one of: {', '.join(KEYS)} (got {dataset!r})")


def fold(  # noqa: PLR0913 - all but the first are keywords
    inputs: Inputs,
    *,
    format: str = "canonical",
    service_id: str = "default",
    pop: str = "local",
    weight: int = 1,
    max_line: int = 262_144,
    max_domains: int = 10_000,
    max_origins: int = 1_000,
    max_origin_ips: int = 10_000,
    max_pops: int = 1_000,
    max_services: int = 10_000,
    now: int | None = None,
    threads: int | None = None,
    allow_damaged: bool = False,
    progress: Callable[[int], object] | None = None,
) -> FoldResult:
    """
    Fold whole logs, and return their entries.

    The format is never guessed: the same call counts every log alike, whatever its first lines look like. `edgetally
    explain FILE` says which format a log is in.

    Args:
        inputs: What to read. Gzip, zstd, xz and bzip2 are decompressed, whatever the name says.

            - `str`: a path, or a glob such as `logs/*.gz`. `**` matches folders of any depth.
            - `os.PathLike`: the same.
            - `bytes`: a log.
            - A file opened in binary mode, from where it stands.
            - A list or tuple of these: several logs.
            - Any other iterable: one log in pieces. Pieces of `bytes` are joined wherever they are cut; each `str` is
              a line, with or without its newline. An iterable of `os.PathLike` is several files.
        format: How lines are written: one of `formats()`.
        service_id: Service of records that do not name one.
        pop: POP of records that do not name one.
        weight: How many requests a line stands for if it does not say so.
        max_line: Longest line in bytes. A longer one is rejected.
        max_domains: Domains per service and second. All others count under `_other`; so for the next four.
        max_origins: Origins per service and second.
        max_origin_ips: Pairs of an origin and an address per service and second.
        max_pops: POPs per service and second.
        max_services: Services per second.
        now: Unix time of records that have none. None: the current second.
        threads: How many threads fold a large plain file. At most 1024. None: one per CPU.
        allow_damaged: Count what could be read of an input that is damaged, cut off, cannot be read to its end or is
            not made of lines, and list it in `damaged` of the result.
        progress: Called with how many more bytes were read, from any thread.

    Raises:
        OSError: A file cannot be opened, or nothing matches a glob: checked for all inputs before any is read. Or a
            file cannot be read to its end, and `allow_damaged` is False.
        ValueError: An argument is out of range. The message names it.
        TypeError: The inputs are of a type that cannot be folded.
        edgetally.errors.InputError: An input is damaged or not made of lines, and `allow_damaged` is False.

    Example:
        >>> import edgetally
        >>> lines = ['{"ts":1763769600,"domain":"shop.example","status":200}'] * 2 + ["oops"]
        >>> result = edgetally.fold(iter(lines))
        >>> [(entry.second, entry.domains["shop.example"]["requests"]) for entry in result]
        [(1763769600, 2)]
        >>> result.accepted, dict(result.rejected)
        (2, {'not_json': 1})
    """
    records = checked_records(format=format, service_id=service_id, pop=pop, weight=weight, max_line=max_line)
    limits = checked_limits(
        max_domains=max_domains,
        max_origins=max_origins,
        max_origin_ips=max_origin_ips,
        max_pops=max_pops,
        max_services=max_services,
    )
    threads = checked_threads(min(os.cpu_count() or 1, MAX_THREADS) if threads is None else threads)
    folding = ParallelFold(
        defaults=Defaults(service_id, pop, records.format, weight),
        max_line=max_line,
        limits=limits,
        now=int(SystemClock().now()) if now is None else checked_now(now),
        threads=threads,
        progress=progress or (lambda _: None),
    )
    damaged = []
    for log in inputs_of(inputs):
        try:
            folding.read(log)
        except InputError as error:
            if not allow_damaged:
                raise InputError(f"{log.name}: {error}") from error
            damaged.append((log.name, str(error)))
        except OSError as error:
            if not allow_damaged:
                error.filename = error.filename or log.name
                raise
            where = "" if folding.position is None else f" after byte {folding.position}"
            damaged.append((log.name, reason(error) + where))
    return FoldResult(folding.seal(), folding.report, damaged, threads=threads)


class FoldOptions(TypedDict, total=False):
    """The keyword arguments of `fold`."""

    format: str
    service_id: str
    pop: str
    weight: int
    max_line: int
    max_domains: int
    max_origins: int
    max_origin_ips: int
    max_pops: int
    max_services: int
    now: int | None
    threads: int | None
    allow_damaged: bool
    progress: Callable[[int], object] | None


def rows(inputs: Inputs, dataset: str = "domains", **options: Unpack[FoldOptions]) -> Iterator[dict[str, Any]]:
    """
    Fold whole logs, and yield a flat dict per second, service, POP and key: rows for a data frame.

    The first columns are `second`, `service_id`, `pop` and the key: `domain`, `origin`, `origin` and `address`, or none
    for `channel`. All measurements of the dataset follow, in alphabetical order, but for `miss_histogram`, which is no
    column: `Entry.channel` has it. Every row has every column, and 0 where nothing was
    counted, so that a column has one type. To sum over POPs or seconds, add the counters; ratios do not add up.

    Args:
        inputs: As for `fold`.
        dataset: `channel`, `domains`, `origins` or `origin_insights`.
        **options: As for `fold`.

    Raises:
        ValueError: There is no such dataset, or as for `fold`.
        OSError, TypeError, InputError: As for `fold`.

    Example:
        >>> import edgetally
        >>> log = b'{"ts":1763769600,"origin":"app","origin_status":200,"origin_ttfb_ms":3}'
        >>> (row,) = edgetally.rows(log, "origins")
        >>> row["second"], row["pop"], row["origin"], row["responses"], row["status_500"]
        (1763769600, 'local', 'app', 1, 0)

        A data frame takes them as they are: `polars.DataFrame(edgetally.rows("access.log"))`.
    """
    _check_dataset(dataset)
    return fold(inputs, **options).rows(dataset)
