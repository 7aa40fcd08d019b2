"""
A process that is killed, at every step of every commit: the file is as before or after it, and nothing is repaired.

The file and its log are copied before each statement, as a kill leaves them. A history that is opened with such a copy,
and given all seconds again, must end with the sums of all entries.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgetally.history.store import HistoryFile
from edgetally.history.tiers import DAY, HOUR, MINUTE, TIERS
from tests.support.history import MIDNIGHT, Keeping, sealed_seconds, summed

RECORDS: list[dict[str, object]] = [
    {
        "ts": MIDNIGHT + second,
        "service_id": "svc",
        "pop": pop,
        "domain": domain,
        "status": 200,
        "origin": "app",
        "origin_status": 200,
    }
    for second in (1, MINUTE, HOUR, HOUR + 90, 23 * HOUR, DAY + 5)
    for pop in ("AMS", "FRA")
    for domain in ("a.example", "b.example")
]
SEALED = sealed_seconds(RECORDS)
UNTIL = MIDNIGHT + 2 * DAY
QUESTIONS: list[dict[str, Any]] = [
    {"dataset": "domains", "metrics": ("requests",), "group_by": frozenset({"name", "datacenter"})},
    {"dataset": "domains", "metrics": ("requests",), "group_by": frozenset()},
    {"dataset": "origins", "metrics": ("responses",), "group_by": frozenset({"name"})},
    {"dataset": "channel", "metrics": ("requests", "origin_fetches"), "group_by": frozenset()},
]


def give_all(kept: Keeping) -> None:
    """Give all seconds, as a journal that has all of its facts."""
    for second in sorted({one.second for one in SEALED} | {UNTIL}):
        kept.seal(second, [one for one in SEALED if one.second == second])
    kept.settle()


def check(kept: Keeping) -> None:
    assert kept.recorder.failing is None
    for tier in TIERS:
        for question in QUESTIONS:
            assert kept.ask(**{**question, "tier": TIERS[tier]}) == summed(SEALED, tier=tier, **question)


@contextmanager
def watched(before: Callable[[str], None]) -> Iterator[None]:
    """Call `before` every statement that writes."""
    original = HistoryFile.__init__

    def opened(self: HistoryFile, *arguments: object, **keywords: object) -> None:
        original(self, *arguments, **keywords)  # type: ignore[arg-type]
        self._database.set_trace_callback(before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HistoryFile, "__init__", opened)
        yield


def test_a_kill_before_any_statement_loses_and_doubles_nothing(tmp_path: Path) -> None:
    live = tmp_path / "live"
    copies: list[Path] = []

    def copy(statement: str) -> None:
        if statement.lstrip().startswith(("SELECT", "PRAGMA")):
            return
        copied = tmp_path / f"copy{len(copies)}"
        copied.mkdir()
        for name in ("history.sqlite", "history.sqlite-wal"):
            if (live / name).exists():
                shutil.copy(live / name, copied / name)
        copies.append(copied)

    with watched(copy):
        kept = Keeping(live)
        give_all(kept)
        check(kept)
        kept.close()

    assert len(copies) > 40
    states = set()
    for copied in copies:
        with closing(sqlite3.connect(copied / "history.sqlite")) as database:
            (state,) = database.execute("SELECT (SELECT count(*) FROM minutes), (SELECT count(*) FROM chunks)")
        states.add(state)
        again = Keeping(copied)
        give_all(again)
        check(again)
        again.close()
    assert len(states) > 5, "the copies are of different moments"
