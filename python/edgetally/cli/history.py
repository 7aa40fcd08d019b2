"""`edgetally history`: take rows out of the history, and put old logs into it."""

import argparse
import sys
from contextlib import closing
from pathlib import Path

from edgetally.cli.flags import MAX_SHOWN, RECORDS, add_flags
from edgetally.clock import SystemClock
from edgetally.config.given import Given
from edgetally.config.sections import Config
from edgetally.errors import ConfigError, EdgetallyError, reason

DATASETS = ("domains", "origins", "channel")
DOWNSAMPLE = ("minute", "hour", "day")


def describe(command: argparse.ArgumentParser) -> None:
    """Add the commands."""
    command.description = "Take minutes, hours and days out of the history, and count old logs into it."
    below = command.add_subparsers(title="commands", required=True, metavar="COMMAND")

    export = below.add_parser(
        "export",
        help="print rows for other programs",
        description="Print a line of JSON per name, POP and minute, hour or day, for DuckDB, ClickHouse, pandas and "
        "others. The server may run meanwhile.",
    )
    export.set_defaults(command=_export)
    export.add_argument("--dataset", choices=DATASETS, default="domains", help="what to print (default domains)")
    export.add_argument(
        "--downsample", choices=DOWNSAMPLE, default="minute", help="the length of the windows (default minute)"
    )
    export.add_argument(
        "--from",
        dest="start",
        type=_second,
        default="1970-01-01",
        metavar="TIME",
        help="first window: Unix seconds, a date, or `2 weeks ago` (default: all that is kept)",
    )
    export.add_argument(
        "--to", dest="end", type=_second, default="now", metavar="TIME", help="end, itself not included (default now)"
    )
    export.add_argument(
        "--service", action="append", default=[], metavar="ID", help="a service; repeatable (default: all)"
    )
    add_flags(export, ["journal.data_dir"])

    load = below.add_parser(
        "import",
        help="count old logs into the history",
        description="Count whole logs as `edgetally fold` does, and add them to the history. A minute of a service of "
        "which the history has anything stays as it is, so repeating an import counts nothing twice. The server may "
        "run meanwhile. Exit status: as for fold.",
    )
    load.set_defaults(command=_import)
    load.add_argument("files", nargs="*", metavar="FILE", help="logs; - is standard input (default)")
    load.add_argument("--add", action="store_true", help="add also to minutes that are there: for logs of another edge")
    add_flags(load, [*RECORDS, "journal.data_dir"])


def _export(arguments: argparse.Namespace, settings: Given) -> int:
    from edgetally.history.export import exported  # noqa: PLC0415 - other commands need no history
    from edgetally.history.sqlite_file import FILE  # noqa: PLC0415 - the same
    from edgetally.history.tiers import TIERS  # noqa: PLC0415 - the same

    path = _directory(settings.config()) / FILE
    try:
        path.stat()
    except FileNotFoundError as error:
        raise ConfigError("journal.data_dir", f"there is no history in {path.parent}") from error
    except OSError as error:
        problem = f"cannot open {path}: {reason(error)}; expected a directory that this user may read"
        raise ConfigError("journal.data_dir", problem) from error
    if arguments.start > arguments.end:
        raise ConfigError("--from", f"must not be after --to (got {arguments.start} and {arguments.end})")
    tier = TIERS[arguments.downsample]
    for some in exported(path, arguments.dataset, tier, arguments.start, arguments.end, arguments.service):
        sys.stdout.buffer.write(some)
    sys.stdout.buffer.flush()
    return 0


def _import(arguments: argparse.Namespace, settings: Given) -> int:
    from edgetally.cli.fold import folded, misread, write_summary  # noqa: PLC0415 - other commands fold nothing
    from edgetally.history.history import open_file  # noqa: PLC0415 - other commands need no history
    from edgetally.history.importing import Importer  # noqa: PLC0415 - the same
    from edgetally.history.sqlite_file import explained  # noqa: PLC0415 - the same
    from edgetally.history.unrecorded import unrecorded  # noqa: PLC0415 - the same
    from edgetally.offline.fold import sealed_of  # noqa: PLC0415 - the same

    config = settings.config()
    _directory(config)
    # What is in the history stays there.
    if not settings.gives("records.format") and (problem := misread(arguments.files, config.records.format)):
        raise EdgetallyError(problem)
    now = int(SystemClock().now())
    result = folded(arguments.files or ["-"], config, threads=None, now=now, errors=sys.stderr)
    kept = config.history
    file = open_file(config)
    with closing(file), explained(file.path):
        importer = Importer(
            file,
            open_names=kept.max_open_names,
            names=kept.max_names,
            add=arguments.add,
            is_unrecorded=unrecorded(config, file, now),
        )
        imported = importer.add(sealed_of(result), now)
    status = write_summary(result, sys.stderr)
    if imported.unrecorded:
        sys.stderr.write(
            f"minutes left to the server, which may still add what it has counted: {imported.unrecorded}; "
            "repeat the import when it has run for two minutes\n"
        )
    present = f"; in the history already, and left as they are (see --add): {imported.present}"
    expired = f"; older than what is kept, and left out (see history.day_days): {imported.expired}"
    early = f"; not over yet by the clock of this machine, and left out: {imported.early}"
    left = (
        f"{present if imported.present else ''}{expired if imported.expired else ''}{early if imported.early else ''}"
    )
    sys.stderr.write(f"minutes added: {imported.minutes}{left}\n")
    return status


def _directory(config: Config) -> Path:
    from edgetally.history.history import has_history  # noqa: PLC0415 - other commands need no history

    if not has_history(config):
        raise ConfigError("history", "these settings keep no history")
    if config.history.clickhouse:
        raise ConfigError("history.clickhouse", "this command is for a history in a file: ask ClickHouse instead")
    return config.journal.directory


def _second(text: str) -> int:
    from edgetally.api.history.times import parse_moment  # noqa: PLC0415 - other commands need no times

    second = parse_moment(text, int(SystemClock().now()))
    if second is None:
        raise argparse.ArgumentTypeError(f"expected Unix seconds, a date, or `2 weeks ago`, got {text[:MAX_SHOWN]!r}")
    return second
