"""A history in a directory of its own, and what it should answer: the entries of its seconds, summed in Python."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from edgetally._core import Fold, Sealed, Window
from edgetally.config.sections import HistorySettings
from edgetally.history.base import HistoryReader, RecordedBatch
from edgetally.history.question import HistoryQuestion
from edgetally.history.reading import HistoryReaders
from edgetally.history.recorder import Recorder
from edgetally.history.retention import KeepLimits
from edgetally.history.store import HistoryFile
from edgetally.history.tiers import TIERS
from tests.support.clock import ManualClock

MIDNIGHT = 1_795_305_600
"""The first second of a day in 2026, which is the second of its month."""

JOURNAL = "the-journal"

Series = dict[tuple[str, ...], dict[int, dict[str, int | float]]]
"""Values by dimensions and window."""


class Seconds(NamedTuple):
    """What a seal has made final."""

    newest: int
    sealed: Sequence[Sealed]
    complete_after: int = 0


def sealed_seconds(records: Iterable[dict[str, object]]) -> list[Sealed]:
    """Seal records, each in its second."""
    fold, window = Fold(), Window()
    for record in records:
        fold.feed(json.dumps(record).encode() + b"\n", MIDNIGHT)
    if partial := fold.drain():
        window.merge(partial)
    return window.seal((1 << 62) - 1)


class Keeping:
    """What writes and reads one history."""

    def __init__(self, directory: Path, *, journal: str = JOURNAL, **settings: Any) -> None:  # noqa: ANN401 - as declared
        kept = HistorySettings(**settings)
        days = {"minute": kept.minute_days, "hour": kept.hour_days, "day": kept.day_days}
        self.file = HistoryFile(directory, KeepLimits(days, kept.max_bytes), names=kept.max_names)
        self.recorder = Recorder(self.file, journal, ManualClock(), kept)
        self.readers = HistoryReaders(self.file.path, self.recorder)

    def seal(self, newest: int, sealed: Sequence[Sealed] = (), complete_after: int = 0) -> None:
        self.recorder.record(Seconds(newest, sealed, complete_after))

    def seal_each(self, sealed: Sequence[Sealed], *, until: int, first: int | None = None) -> None:
        """Seal as if each second had its own seal, but leave out those that change nothing."""
        by_second: dict[int, list[Sealed]] = defaultdict(list)
        for one in sealed:
            by_second[one.second].append(one)
        seconds = {*by_second, until, *([] if first is None else [first])}
        for start in [*seconds]:
            seconds.update(range(start, min(until, start + 61), 59))
        every = range(min(seconds), until, 59)
        for second in sorted({*seconds, *every}):
            self.seal(second, by_second.get(second, ()))

    def settle(self) -> None:
        """Wait until all that was given is recorded."""
        while not self.recorder.is_idle:
            pass

    def ask(self, **question: Any) -> Series:  # noqa: ANN401 - of any type
        """Ask, and join all pages."""
        return asked_of(self.readers, **question)

    def holes(self, start: int, end: int, tier: str = "minute") -> list[tuple[int, int]]:
        return holes_of(self.readers, start, end, tier)

    def close(self) -> None:
        self.recorder.close()
        self.readers.close()
        self.file.close()


def asked_of(reader: HistoryReader, **question: Any) -> Series:  # noqa: ANN401 - of any type
    """Ask any engine, and join all pages."""
    asked = HistoryQuestion(**{"services": ("svc",), "dataset": "domains", "start": 0, "end": 1 << 37, **question})
    found: Series = {}
    while True:
        answer = reader.answer(asked)
        page = json.loads(answer.data)
        for series in page:
            dimensions = tuple(series["dimensions"].values())
            assert dimensions not in found
            found[dimensions] = {values.pop("timestamp"): values for values in series["values"]}
        assert len(page) <= asked.limit
        if answer.next_after is None:
            return found
        assert len(page) == asked.limit
        asked = asked._replace(after=answer.next_after)


def holes_of(reader: HistoryReader, start: int, end: int, tier: str) -> list[tuple[int, int]]:
    """Return what any engine does not know."""
    question = HistoryQuestion(("svc",), "domains", TIERS[tier], start, end, ("requests",))
    return list(reader.answer(question).holes)


@contextmanager
def keeping(directory: Path, *, journal: str = JOURNAL, **settings: int) -> Iterator[Keeping]:
    """Keep a history, and close it at the end."""
    kept = Keeping(directory, journal=journal, **settings)
    try:
        yield kept
    finally:
        kept.close()


def summed(  # noqa: PLR0913 - all but the first are keywords
    sealed: Iterable[Sealed],
    *,
    tier: str,
    metrics: Sequence[str],
    group_by: Iterable[str] = (),
    names: Iterable[str] = (),
    pops: Iterable[str] = (),
    dataset: str = "domains",
    service_id: str = "svc",
    start: int = 0,
    end: int = 1 << 37,
) -> Series:
    """Add up entries: what a history of these seconds should answer."""
    step = TIERS[tier].seconds
    found: dict[tuple[str, ...], dict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for one in sealed:
        window = one.second - one.second % step
        if one.service_id != service_id or start >= end or not start - start % step <= window < end:
            continue
        for pop, rows in json.loads(one.entry(dataset))["datacenter"].items():
            if pops and pop not in pops:
                continue
            for name, measured in ({"": rows} if dataset == "channel" else rows).items():
                if names and name not in names:
                    continue
                dimensions = {"name": name, "datacenter": pop}
                key = tuple(value for key, value in dimensions.items() if key in group_by)
                found[key][window].update({metric: measured.get(metric, 0) for metric in metrics})
    shown: Series = {}
    windows: dict[int, dict[str, int | float]]
    for key in sorted(found):
        windows = {at: {**{name: n for name, n in found[key][at].items() if n}} for at in sorted(found[key])}
        if any(windows.values()):
            shown[key] = {at: values for at, values in windows.items() if values}
    return shown


class Idle:
    """A recorder that has nothing."""

    def batches(self, services: Sequence[str] | None) -> list[RecordedBatch]:  # noqa: ARG002 - there are none
        return []
