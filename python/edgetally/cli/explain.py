"""`edgetally explain`: what the lines of a log are read as."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from edgetally.cli.flags import RECORDS, add_flags, up_to
from edgetally.cli.streams import standard_input
from edgetally.clock import SystemClock
from edgetally.config.given import Given
from edgetally.config.log_sections import RecordsSettings
from edgetally.errors import ConfigError, InputError, reason
from edgetally.escaping import escape
from edgetally.model import Defaults
from edgetally.offline.entry import Entry
from edgetally.offline.explain import FRAMINGS, NO_LIMITS, Explainer, Explanation, TimeLimits, Transport, lines_of
from edgetally.offline.line_report import Rejection
from edgetally.snippets import CANONICAL, format_of, lateness
from edgetally.snippets.detection import detect

SHOWN_BYTES = 160
"""How much of a line is shown."""

MAX_LINES = 1_000_000


def describe(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.description = (
        "Show how the first lines of a log are read: keys, counters, wrapper and time of each, or why and at which "
        "byte it is rejected, or would be if it arrived now. Gzip, zstd, xz and bzip2 are decompressed. If the format "
        "is not set, it is detected."
    )
    command.set_defaults(command=_explain)
    add_flags(command, RECORDS)
    command.add_argument("file", nargs="?", default="-", metavar="FILE", help="a log; - is standard input (default)")
    command.add_argument(
        "--as",
        dest="transport",
        default="follow",
        choices=tuple(FRAMINGS),
        metavar="TRANSPORT",
        help="how the log would arrive: fold (read by `edgetally fold`), follow (a followed file, the default), stdin, "
        "push, or syslog (over TCP)",
    )
    command.add_argument(
        "--lines", type=up_to(MAX_LINES), default=10, metavar="COUNT", help="number of lines (default 10)"
    )


def _explain(arguments: argparse.Namespace, settings: Given) -> int:
    records = settings.log_config().records
    format = format_of(records.format, "records.format")
    defaults = Defaults(records.service_id, records.pop, format, records.weight)
    name = "<stdin>" if arguments.file == "-" else arguments.file
    detect_format = not settings.gives("records.format")
    now = int(SystemClock().now())
    try:
        log = standard_input() if arguments.file == "-" else Path(arguments.file).open("rb")  # noqa: SIM115 - below
    except OSError as error:
        raise ConfigError(name, reason(error)) from error
    with log:
        lines = lines_of(log, name)
        for text in explained(
            lines,
            defaults=defaults,
            now=now,
            max_lines=arguments.lines,
            detect_format=detect_format,
            transport=arguments.transport,
            limits=records,
        ):
            sys.stdout.write(text + "\n")
    return 0


def explained(
    lines: Iterable[bytes],
    *,
    defaults: Defaults,
    now: int,
    max_lines: int,
    detect_format: bool = False,
    transport: Transport = "follow",
    limits: RecordsSettings | None = None,
) -> Iterator[str]:
    """
    Yield what the first lines of a log are read as, as lines of text.

    Args:
        lines: The log.
        defaults: What holds for records that do not say otherwise.
        now: Unix time at which the lines would arrive.
        max_lines: How many lines are explained.
        detect_format: Detect the format, instead of taking that of `defaults`.
        transport: How the log would reach the server.
        limits: How far from `now` a server lets records lie. None: any distance, as for `edgetally fold`.

    Raises:
        InputError: What ended the lines early, after those before it are explained.
    """
    shown: list[bytes] = []
    problem = None
    try:
        for line in islice(lines, max_lines):
            shown.append(line)  # noqa: PERF402 - what came before an error stays
    except InputError as error:
        problem = error
        if not shown:
            raise
    if not shown:
        yield "the log is empty"
        return
    if detect_format:
        found = detect(shown)
        defaults = defaults._replace(format=found or defaults.format)
        yield _detected(found, defaults.format)
    else:
        yield f"format: {defaults.format}"
    yield ""
    explainer = Explainer(
        defaults=defaults, now=now, transport=transport, limits=_time_limits(limits, defaults.format, transport)
    )
    for number, line in enumerate(shown, start=1):
        # Behind the lines that are explained there may be more.
        is_last = number == len(shown) and (number < max_lines or not line.endswith(b"\n"))
        yield f"line {number}"
        yield from _explained(line, explainer.explain(line, is_last=is_last))
        yield ""
    if problem:
        raise problem


def _time_limits(limits: RecordsSettings | None, format: str, transport: Transport) -> TimeLimits:
    if limits is None or transport == "fold":
        return NO_LIMITS
    return TimeLimits(lateness(limits.max_lateness, format), limits.max_ahead)


def _detected(found: str | None, default: str) -> str:
    if not found:
        return f"format: not detected, no known field in these lines; reading them as {default}"
    needed = "" if found == CANONICAL else f"; pass --format {found} wherever this log is read"
    return f"format: {found}, detected by its fields{needed}"


def _explained(line: bytes, explanation: Explanation) -> Iterator[str]:
    if explanation.wrapper:
        yield f"  wrapped in: {explanation.wrapper}"
    if records := explanation.records:
        for number, (record, one) in enumerate(records, start=1):
            yield f"  record {number} of {len(records)}"
            yield from _explained(record, one)
        return
    for rejection in explanation.rejections:
        yield from _pointed(rejection)
    text = line.rstrip()
    if explanation.entries or not explanation.rejections:
        yield f"  {_shown(text)}" + "..." * (len(text) > SHOWN_BYTES)
    for entry in explanation.entries:
        yield from _counted(entry, _time(explanation))
    for rejection in explanation.untimely:
        yield f"  if it arrived now, rejected: {rejection.sentence} ({rejection.reason})"
    for word in explanation.unknown_cache_words:
        yield f'    unknown cache word "{escape(word.encode())}": it counts as neither hit nor miss'
    yield from _not_counted(line, explanation)


def _not_counted(line: bytes, explanation: Explanation) -> Iterator[str]:
    """Say why a line adds nothing though nothing is wrong with it."""
    if explanation.is_other_log:
        yield "  a line of another log of the same server: not counted, and not an error (other_log)"
    elif explanation.entries or explanation.rejections:
        return
    elif explanation.is_pending:
        has_end = line.endswith(b"\n")
        yield (
            "  a part of a record: waits for the rest"
            if has_end
            else "  no newline yet: waits for the rest of the line"
        )
    else:
        yield "  no record, skipped" if line.strip() else "  blank line, skipped"


def _time(explanation: Explanation) -> str:
    if explanation.time_field:
        return f"field {explanation.time_field}"
    return "time of the wrapper" if explanation.has_wrapper_time else "no time: the current second"


def _pointed(rejection: Rejection) -> Iterator[str]:
    """Show a rejected line around the byte at which reading stopped, with an arrow below it, and the reason."""
    line, at = rejection.sample, rejection.at
    start = max(0, at - SHOWN_BYTES // 2)
    yield f"  {_shown(line[start:])}"
    # A byte may be shown as several characters.
    yield "  " + " " * len(str(escape(line[start:at]))) + f"^ byte {at}"
    yield f"  rejected: {rejection.sentence} ({rejection.reason})"


def _counted(entry: Entry, time: str) -> Iterator[str]:
    """Show what a line adds, and to which keys."""
    pop = next(iter(entry.channel_by_pop), "-")
    yield f"  counts for service {entry.service_id}, POP {escape(pop)}, second {entry.second} ({time})"
    if parts := _parts(entry):
        yield f"  counts as {parts}"
    # The channel repeats the domains, with two names for much of it.
    keyed = [dataset for dataset in entry.datasets if dataset != "channel"]
    for dataset in keyed:
        for key, measurements in getattr(entry, dataset).items():
            shown = " at ".join(key) if isinstance(key, tuple) else key
            yield f"    {dataset} {escape(shown)}: " + ", ".join(f"{name} {n}" for name, n in measurements.items())
    if not keyed:
        yield "    in the channel alone: its only fetch went to another POP"


def _parts(entry: Entry) -> str:
    """Say which parts of a record count."""
    parts = []
    for added in entry.domains.values():
        requests = added.get("requests", 0) + added.get("compute_request", 0)
        fetches = added.get("origin_fetches", 0) + added.get("compute_bereqs", 0)
        is_edge = not added.get("requests") or "edge_requests" in added
        if requests:
            sender = "an end user" if is_edge else "another POP, or from the edge itself"
            parts.append(f"{_times(requests, 'request', 'requests')} from {sender}")
        if fetches:
            parts.append(f"{_times(fetches, 'fetch', 'fetches')} from origins")
    return ", and ".join(parts)


def _times(count: float, one: str, more: str) -> str:
    return f"1 {one}" if count == 1 else f"{count} {more}"


def _shown(line: bytes) -> str:
    return str(escape(line[:SHOWN_BYTES]))
