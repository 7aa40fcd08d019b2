"""`edgetally fold`: entries to one side; rejected lines, progress and a summary to the other."""

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import BinaryIO, TextIO

import edgetally
from edgetally.cli.flags import RECORDS, add_flags, up_to
from edgetally.cli.streams import standard_input
from edgetally.clock import SystemClock
from edgetally.config.given import Given
from edgetally.config.log_sections import LogConfig
from edgetally.errors import ConfigError, InputError
from edgetally.escaping import escape
from edgetally.model import OTHER_LOG, wrong_lines
from edgetally.offline.arguments import MAX_THREADS
from edgetally.offline.decompression import decompressed
from edgetally.snippets import format_of
from edgetally.snippets.detection import LOOKED_AT, other_format

OK, NOTHING, DAMAGED = 0, 1, 2
"""Exit statuses."""

SMALL = 1 << 18
"""Bytes of logs that are counted before memory is worth keeping."""

MAX_CACHE_WORDS = 10
"""Unknown cache words that are shown."""


def describe(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.description = (
        "Count whole logs and print one line of JSON per service, dataset and second, sorted by these. Gzip, zstd, xz "
        "and bzip2 are decompressed. Exit status: 0 if a line was counted, 1 if none was, 2 if a file could not be "
        "read to its end; what could be read counts."
    )
    command.set_defaults(command=_fold)
    add_flags(command, RECORDS)
    command.add_argument("files", nargs="*", metavar="FILE", help="logs; - is standard input (default)")
    command.add_argument(
        "--threads",
        type=up_to(MAX_THREADS),
        metavar="COUNT",
        help="threads that count a plain file (default: one per core)",
    )


def _fold(arguments: argparse.Namespace, settings: Given) -> int:
    config = settings.log_config()
    now = int(SystemClock().now())
    files = arguments.files or ["-"]
    return fold(files, config, threads=arguments.threads, now=now, out=sys.stdout.buffer, errors=sys.stderr)


def fold(files: list[str], config: LogConfig, *, threads: int | None, now: int, out: BinaryIO, errors: TextIO) -> int:
    """
    Fold logs and print their entries.

    Args:
        files: Paths, or `-` for standard input.
        config: Its `records` and the limits of its `window` hold.
        threads: How many fold a large plain file. None: one per core.
        now: Unix time of records that have none.
        out: Where entries go.
        errors: Where everything else goes.

    Returns:
        The exit status: 0 if a line was counted, 1 if none was, 2 if an input could not be read to its end.
    """
    result = folded(files, config, threads=threads, now=now, errors=errors)
    out.writelines(result.json_lines())
    out.flush()
    return write_summary(result, errors)


def folded(
    files: list[str], config: LogConfig, *, threads: int | None, now: int, errors: TextIO
) -> edgetally.FoldResult:
    """Fold logs as `fold` does, and show progress and what is wrong with them."""
    if files.count("-") > 1:
        raise ConfigError("-", "standard input can be read only once")
    size = _size(files)
    if size is None or size > SMALL:
        from edgetally.malloc import keep_memory  # noqa: PLC0415 - takes longer than a small log

        keep_memory()
    with ExitStack() as until_read:
        progress = None
        if errors.isatty():
            from tqdm import tqdm  # noqa: PLC0415 - slow to import, and needed on terminals only

            bar = tqdm(total=size, unit="B", unit_scale=True, delay=1, leave=False, file=errors)
            progress = until_read.enter_context(bar).update
        result = _folded(files, config, threads, now, progress)
    errors.writelines(f"{rejection}\n" for rejection in result.rejections)
    if problem := misread(files, config.records.format):
        errors.write(f"{problem}\n")
    errors.writelines(f"{escape(name)}: {problem} (what could be read counts)\n" for name, problem in result.damaged)
    return result


def misread(files: list[str], format: str) -> str | None:
    """Return a sentence on the first of these logs that is in another format than it is read as."""
    read_as = format_of(format, "records.format")
    for name in files:
        if not os.path.isfile(name):
            continue  # `-`, a glob, or a pipe, which can be read only once
        # A log that cannot be read is reported when it is counted.
        with suppress(InputError, OSError), open(name, "rb") as log:
            start = next(decompressed(iter([log.read(LOOKED_AT)]), name), b"")
            if found := other_format(start, read_as):
                return (
                    f"{escape(name)}: lines look like format {found}, and are read as {read_as}: pass --format {found}"
                )
    return None


def write_summary(result: edgetally.FoldResult, errors: TextIO) -> int:
    """Say what became of the lines; return the exit status."""
    wrong = wrong_lines(result.rejected)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(wrong.items()))
    errors.write(f"{_lines(result.accepted)} accepted, {wrong.total()} rejected{': ' * bool(reasons)}{reasons}\n")
    if other_log := result.rejected[OTHER_LOG]:
        errors.write(f"{_lines(other_log)} of other logs\n")
    if result.without_time:
        errors.write(f"{_lines(result.without_time)} had no time, counted in the current second\n")
    if words := result.unknown_cache_words.most_common(MAX_CACHE_WORDS):
        shown = ", ".join(f"{word!r} ({count})" for word, count in words)
        errors.write(f"unknown cache words, counted as neither hit nor miss: {shown}\n")
    if result.damaged:
        return DAMAGED
    return OK if result.accepted else NOTHING


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def _folded(
    files: list[str], config: LogConfig, threads: int | None, now: int, progress: Callable[[int], object] | None
) -> edgetally.FoldResult:
    records, window = config.records, config.window
    format = format_of(records.format, "records.format")
    try:
        return edgetally.fold(
            [standard_input() if name == "-" else name for name in files],
            format=format,
            service_id=records.service_id,
            pop=records.pop,
            weight=records.weight,
            max_line=records.max_line,
            max_domains=window.max_domains,
            max_origins=window.max_origins,
            max_origin_ips=window.max_origin_ips,
            max_pops=window.max_pops,
            max_services=window.max_services,
            now=now,
            threads=threads,
            allow_damaged=True,
            progress=progress,
        )
    except OSError as error:
        # Of a file that was not opened yet. An error while one is read is in the result.
        raise ConfigError(error.filename, error.strerror or str(error)) from error


def _size(files: list[str]) -> int | None:
    """Return how many bytes there are to read, or None if that is unknown."""
    try:
        return sum(os.path.getsize(name) for name in files)
    except OSError:  # also for `-` and globs
        return None
