"""
What each line of a log was read as: what `edgetally explain` does.

Every line is folded on its own, so what is shown is what the core made of it and nothing else.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from edgetally import _core
from edgetally.model import DATASETS, Defaults
from edgetally.snippets import CANONICAL
from edgetally.sources.compression import Identity, by_magic
from edgetally.telemetry.events import escaped

READ = 1 << 16
"""Bytes of a compressed log that are read at once."""

SHOWN_BYTES = 160
"""How much of a line is shown."""


def lines_of(log: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a log, decompressed if it is compressed."""
    data = log.readline()
    decoder = by_magic(data)
    if isinstance(decoder, Identity):
        while data:
            yield data
            data = log.readline()
    unfinished = b""
    while data:
        for piece in decoder.feed(data):
            *lines, unfinished = (unfinished + piece).split(b"\n")
            yield from (line + b"\n" for line in lines)
        data = log.read(READ)
    if unfinished:
        yield unfinished


def explain(lines: Iterable[bytes], *, defaults: Defaults, now: int, most: int, guess: bool = False) -> Iterator[str]:
    """
    Yield, for the first `most` lines, what each was read as, or why it does not count; or that there are none.

    Args:
        lines: The log.
        defaults: What holds for records that do not say otherwise. Their format may be a guess of ours.
        now: When a record without a time ended.
        most: How many lines are looked at.
        guess: Nobody has said what format it is.
    """
    shown = list(islice(lines, most))
    if not shown:
        yield "there is nothing to read: the log is empty"
        return
    if guess:
        found = _core.detect_format(b"".join(shown))
        defaults = defaults._replace(format=found or defaults.format)
        if found:
            needed = "" if found == CANONICAL else f": say --format {found} wherever this log is read"
            yield f"format: {found}, guessed by the fields that are in it{needed}"
        else:
            known = ", ".join(_core.formats())
            yield f"format: none that is known ({known}) finds a field in it; it is read as {defaults.format}"
    else:
        yield f"format: {defaults.format}"
    yield ""
    for number, line in enumerate(shown, start=1):
        yield f"line {number}"
        yield from _explained(line, defaults, now)
        yield ""


def _explained(line: bytes, defaults: Defaults, now: int) -> Iterator[str]:
    fold = _core.Fold(**defaults._asdict(), framing="datagrams")
    fold.feed(line, now)
    fold.finish(now)
    report = fold.report()
    if report.rejections:
        rejection = report.rejections[0]
        yield from _pointed(rejection.sample, rejection.at)
        yield f"  does not count: {rejection.sentence} ({rejection.reason})"
    elif not report.accepted:
        yield f"  {_shown(line.rstrip())}"
        yield "  is no record, and skipped"
    else:
        yield f"  {_shown(line.rstrip())}"
        yield from _counted(fold.drain())
        for word, _ in report.unknown_cache_words:
            yield f'    the cache word "{escaped(word.encode())}" is not known: it counts as neither hit nor miss'


def _counted(partial: bytes) -> Iterator[str]:
    """Say what a partial of one line adds, and to which keys."""
    window = _core.Window(domains=1, origins=1000, addresses=1000, pops=1, services=1)
    window.merge(partial)
    for sealed in window.seal((1 << 63) - 1):
        (pop,) = msgspec.json.decode(sealed.entry("domains"))["datacenter"] if sealed.has("domains") else ("-",)
        yield f"  counts for service {sealed.service_id}, POP {escaped(pop)}, second {sealed.second}"
        shown = [dataset for dataset in DATASETS if sealed.has(dataset)]
        if parts := _parts(sealed):
            yield f"  counts as {parts}"
        for dataset in shown:
            entry = msgspec.json.decode(sealed.entry(dataset))
            for key, measurements in _keyed(entry["aggregated"]):
                yield f"    {dataset} {escaped(key)}: " + ", ".join(
                    f"{name} {value}" for name, value in measurements.items()
                )
        if not shown:
            yield "    adds to nothing: its only fetch went to another POP"


def _parts(sealed: _core.Sealed) -> str:
    """Say which parts of a record count."""
    if not sealed.has("domains"):
        return ""
    ((_, added),) = msgspec.json.decode(sealed.entry("domains"))["aggregated"].items()
    requests = added.get("requests", 0) + added.get("compute_request", 0)
    fetches = added.get("origin_fetches", 0) + added.get("compute_bereqs", 0)
    is_edge = not added.get("requests") or "edge_requests" in added
    parts = []
    if requests:
        whose = "an end user" if is_edge else "another POP, or of the edge itself"
        parts.append(f"{_times(requests, 'request')} of {whose}")
    if fetches:
        parts.append(f"{_times(fetches, 'fetch', 'fetches')} from origins")
    return ", and ".join(parts)


def _times(count: int, one: str, more: str = "") -> str:
    return f"1 {one}" if count == 1 else f"{count} {more or one + 's'}"


def _keyed(tree: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the keys of an entry, those of addresses behind their origin, with their measurements."""
    for key, below in tree.items():
        if any(isinstance(value, dict) for value in below.values()):
            for inner, measurements in below.items():
                yield f"{key} at {inner}", measurements
        else:
            yield key, below


def _pointed(line: bytes, at: int) -> Iterator[str]:
    """Show `line` around byte `at`, and an arrow below that byte."""
    start = max(0, at - SHOWN_BYTES // 2)
    yield f"  {_shown(line[start : start + SHOWN_BYTES])}"
    # A byte may be shown as several characters.
    yield "  " + " " * len(str(escaped(line[start:at]))) + f"^ byte {at}"


def _shown(line: bytes) -> str:
    return f"{escaped(line[:SHOWN_BYTES])}" + ("..." if len(line) > SHOWN_BYTES else "")
