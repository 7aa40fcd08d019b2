"""The recorder: each second of a journal is in history once, whatever happens between."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgetally.errors import Unavailable
from edgetally.history.store import HistoryFile
from edgetally.history.tiers import DAY, HOUR, MINUTE, MINUTES, TIERS
from tests.support.history import JOURNAL, MIDNIGHT, Keeping, keeping, sealed_seconds

REQUESTS = {"tier": MINUTES, "metrics": ("requests",)}


def traffic(*seconds: int, domain: str = "a.example") -> list[dict[str, object]]:
    return [
        {"ts": MIDNIGHT + second, "service_id": "svc", "pop": "AMS", "domain": domain, "status": 200}
        for second in seconds
    ]


def seal_all(kept: Keeping, seconds: list[int], first: int, last: int) -> None:
    """Seal from `first` to `last`, one second after the other, with one request in each of `seconds`."""
    for second in range(first, last + 1):
        kept.seal(MIDNIGHT + second, sealed_seconds(traffic(*[one for one in seconds if one == second])))
    kept.settle()


def requests(kept: Keeping) -> dict[int, int | float]:
    """Return the requests of each minute, counted from midnight."""
    found = kept.ask(**REQUESTS)
    return {(at - MIDNIGHT) // MINUTE: values["requests"] for at, values in found.get((), {}).items()}


def test_the_running_minute_is_there_with_what_is_sealed(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept:
        seal_all(kept, [3, 5], 0, 5)
        assert requests(kept) == {0: 2}
        assert kept.recorder.commits == 0

        seal_all(kept, [59], 6, 59)
        assert kept.recorder.commits == 1
        assert requests(kept) == {0: 3}

        seal_all(kept, [60], 60, 60)
        assert requests(kept) == {0: 3, 1: 1}


@given(
    seconds=st.lists(st.integers(0, 200), max_size=12),
    kills=st.lists(st.integers(0, 200), max_size=4),
    first=st.integers(0, 70),
)
@settings(deadline=None, max_examples=30)
def test_a_process_that_is_killed_is_continued_by_the_next(seconds: list[int], kills: list[int], first: int) -> None:
    """The next process gets all seconds again, as from a journal that has all of its facts."""
    with TemporaryDirectory() as directory:
        for last in [*sorted(max(kill, first) for kill in kills), 240]:
            kept = Keeping(Path(directory))
            seal_all(kept, seconds, first, last)
            found = requests(kept)
            expected = [second for second in seconds if first <= second <= last]
            assert found == {
                minute: sum(second // 60 == minute for second in expected) for minute in {one // 60 for one in expected}
            }
            kept.readers.close()
            kept.file.close()  # without the rest of the open minute, as if it was killed
            kept.recorder._thread.shutdown(cancel_futures=True)  # noqa: SLF001 - instead of a kill


def test_a_stop_commits_the_open_minute_and_the_next_process_adds_to_it(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept:
        seal_all(kept, [1, 20], 0, 30)
    with keeping(tmp_path) as kept:
        assert requests(kept) == {0: 2}
        seal_all(kept, [1, 20, 40], 0, 59)
        assert requests(kept) == {0: 3}
        assert kept.holes(MIDNIGHT, MIDNIGHT + MINUTE) == []


def test_a_journal_that_begins_anew_adds_to_the_minutes_that_are_there(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept:
        seal_all(kept, [10], 0, 59)
    with keeping(tmp_path, journal="another") as kept:
        seal_all(kept, [10, 30], 5, 59)
        assert requests(kept) == {0: 3}
    with keeping(tmp_path) as kept:
        seal_all(kept, [10, 70], 0, 119)
        assert requests(kept) == {0: 3, 1: 1}


def test_a_journal_can_begin_anew_in_the_same_process(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept:
        seal_all(kept, [100], 90, 110)
        kept.recorder.start_over("another")
        seal_all(kept, [20, 100], 15, 119)
        assert requests(kept) == {0: 1, 1: 2}


def test_a_minute_comes_back_to_an_hour_and_a_day_that_are_compacted(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept:
        seal_all(kept, [10], 0, 59)
        kept.seal(MIDNIGHT + 2 * DAY)
        kept.settle()
    with keeping(tmp_path, journal="another") as kept:
        seal_all(kept, [10, 30], 5, 59)
        kept.seal(MIDNIGHT + 2 * DAY)
        kept.settle()
        assert requests(kept) == {0: 3}
        for tier in ("hour", "day"):
            found = kept.ask(tier=TIERS[tier], metrics=("requests",))
            assert found == {(): {MIDNIGHT: {"requests": 3}}}


class TestHoles:
    def test_what_was_before_the_first_second_is_not_known(self, tmp_path: Path) -> None:
        with keeping(tmp_path) as kept:
            seal_all(kept, [], 20, 70)

            assert kept.holes(MIDNIGHT - HOUR, MIDNIGHT + HOUR) == [(MIDNIGHT - HOUR, MIDNIGHT + 20)]
            assert kept.holes(MIDNIGHT + 30, MIDNIGHT + HOUR) == [(MIDNIGHT, MIDNIGHT + 20)]
            assert kept.holes(MIDNIGHT + 60, MIDNIGHT + HOUR) == []

    def test_idle_seconds_are_known(self, tmp_path: Path) -> None:
        with keeping(tmp_path) as kept:
            seal_all(kept, [], 0, 200)

        with keeping(tmp_path) as kept:
            assert kept.holes(MIDNIGHT, MIDNIGHT + 500) == []

    def test_a_seal_for_a_long_time_is_that_of_a_process_that_did_not_run(self, tmp_path: Path) -> None:
        with keeping(tmp_path) as kept:
            seal_all(kept, [], 0, 100)
            seal_all(kept, [], 400, 500)

            assert kept.holes(MIDNIGHT, MIDNIGHT + 500) == [(MIDNIGHT + 101, MIDNIGHT + 400)]

    def test_seconds_that_lost_rows_are_not_known(self, tmp_path: Path) -> None:
        with keeping(tmp_path) as kept:
            seal_all(kept, [], 0, 59)
            kept.seal(MIDNIGHT + 65, (), MIDNIGHT + 62)
            seal_all(kept, [], 66, 119)

            assert kept.holes(MIDNIGHT, MIDNIGHT + 120) == [(MIDNIGHT + 60, MIDNIGHT + 63)]


class TestFailing:
    @pytest.fixture
    def full(self, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        """Let every commit fail until it is undone."""

        def fail(*_: object) -> None:
            raise Unavailable("the history cannot be written: disk full")

        monkeypatch.setattr(HistoryFile, "commit", fail)
        return monkeypatch

    def test_minutes_wait_and_are_read_and_committed_later(self, tmp_path: Path, full: pytest.MonkeyPatch) -> None:
        with keeping(tmp_path) as kept:
            seal_all(kept, [1, 61, 121], 0, 130)
            assert requests(kept) == {0: 1, 1: 1, 2: 1}
            assert kept.recorder.needed_from == 0
            assert kept.recorder.problem == (
                "the history cannot be written: disk full; 2 minutes wait, and records are counted"
            )

            full.undo()
            seal_all(kept, [], 131, 131)
            assert (kept.recorder.problem, kept.recorder.commits) == ("", 2)
            assert kept.recorder.needed_from == MIDNIGHT + 120
            assert requests(kept) == {0: 1, 1: 1, 2: 1}

    def test_too_many_minutes_are_left_out_and_holes(self, tmp_path: Path, full: pytest.MonkeyPatch) -> None:
        full.setattr("edgetally.history.recorder.PENDING_BYTES", 1)
        with keeping(tmp_path) as kept:
            seal_all(kept, [1, 61, 121], 0, 179)
            full.undo()
            seal_all(kept, [], 180, 180)

            assert kept.recorder.left_out == 2
            assert requests(kept) == {2: 1}
            assert kept.holes(MIDNIGHT, MIDNIGHT + 180) == [(MIDNIGHT, MIDNIGHT + 120)]
            assert kept.file.mark(JOURNAL) == MIDNIGHT + 180
