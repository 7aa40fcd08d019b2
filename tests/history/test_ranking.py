"""A ranking of the past: the names that matter are found without reading everything, and no answer differs for it."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from edgetally import _core
from edgetally._core import Sealed
from edgetally.history.tiers import DAY, HOUR, MINUTE, TIERS, Tier
from edgetally.window.ranking import SPAN, Question
from tests.support.history import MIDNIGHT, keeping, sealed_seconds

DELAY = 2

records = st.fixed_dictionaries(
    {
        "ts": st.tuples(
            st.sampled_from([0, MINUTE, 9 * MINUTE, HOUR, HOUR + 9 * MINUTE, 2 * HOUR, 5 * HOUR, DAY, 60 * HOUR]),
            st.integers(-70, 70),
        ).map(lambda near: MIDNIGHT + 3 * DAY - near[0] + near[1]),
        "service_id": st.sampled_from(["svc", "svc", "other"]),
        "pop": st.sampled_from(["AMS", "FRA"]),
        "domain": st.sampled_from(["a.example", "b.example", "c.example", "_other", "_invalid"]),
        "status": st.sampled_from([200, 404, 503]),
        "cache": st.sampled_from(["HIT", "MISS"]),
        "resp_body_bytes": st.integers(0, 1 << 40),
    },
    optional={
        "origin": st.sampled_from(["app", "db", "_other"]),
        "origin_status": st.sampled_from([200, 500]),
        "shield": st.booleans(),
        "compute": st.booleans(),
    },
)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    of = draw(st.sampled_from(["domains", "origins"]))
    return Question(
        service_id="svc",
        of=of,
        by=draw(st.sampled_from(["trouble", *_core.columns(of)])),
        rows=draw(st.integers(1, 4)),
        pop=draw(st.sampled_from([None, None, "AMS", "nowhere"])),
        match=draw(st.sampled_from(["", "", "A", "nothing"])),
        focus=draw(st.sampled_from([None, "a.example", "app", "nothing"])),
        second=MIDNIGHT + 3 * DAY + draw(st.integers(-70, 70)),
        unit=draw(st.sampled_from([60, 3_600, 86_400])),
    )


def whole(sealed: Sequence[Sealed], asked: Question, tier: Tier, until: int) -> bytes:
    """Rank everything that there is: sealed periods of all names and counters."""
    minutes: dict[int, _core.Rollup] = {}
    for one in sealed:
        if one.service_id == asked.service_id:
            minute = one.second - one.second % MINUTE
            minutes.setdefault(minute, _core.Rollup(minute)).add(one)
    parts: dict[str, list[tuple[str | None, bytes]]] = {"domains": [], "origins": []}
    for rollup in minutes.values():
        for dataset, rows in rollup.close().items():
            parts[dataset].append((None, rows))
    step, window = tier.seconds, tier.window_of(asked.second)
    periods = _core.sealed_periods(
        parts["domains"] if asked.of == "domains" else [],
        parts["origins"] if asked.of == "origins" else [],
        service_id=asked.service_id,
        start=window - (SPAN - 1) * step,
        end=window + step,
        step=step,
    )
    return _core.ranking(
        periods,
        service_id=asked.service_id,
        of=asked.of,
        by=asked.by,
        rows=asked.rows,
        pop=asked.pop,
        matching=asked.match,
        focus=asked.focus,
        second=window // step,
        since=window - (SPAN - 1) * step,
        until=until,
        aggregate_delay=DELAY,
        unit=step,
    )


@given(
    given_records=st.lists(records, max_size=25),
    asked=st.lists(questions(), min_size=1, max_size=4),
    later=st.sampled_from([71, HOUR, DAY + HOUR, 3 * DAY]),
)
@settings(deadline=None, max_examples=60)
def test_it_is_as_if_everything_had_been_read(
    given_records: list[dict[str, object]], asked: list[Question], later: int
) -> None:
    sealed = sealed_seconds(given_records)
    with TemporaryDirectory() as directory, keeping(Path(directory)) as kept:
        for second in sorted({one.second for one in sealed} | {MIDNIGHT + 3 * DAY + later}):
            kept.seal(second, [one for one in sealed if one.second == second])
        kept.settle()
        with closing(sqlite3.connect(kept.file.path)) as database:
            database.execute("INSERT INTO known VALUES (NULL, 0, ?)", (MIDNIGHT + 3 * DAY + later,))
            database.commit()
        for question in asked:
            tier = next(one for one in TIERS.values() if one.seconds == question.unit)
            assert kept.readers.ranking(question, DELAY) == whole(
                sealed, question, tier, MIDNIGHT + 3 * DAY + later + 1
            )


def at(second: int, **others: object) -> Question:
    asked = {"of": "domains", "by": "trouble", "rows": 9, "pop": None, "match": "", "focus": None, "unit": 60}
    return Question(service_id="svc", second=second, **{**asked, **others})  # type: ignore[arg-type]


def test_only_holes_are_unknown(tmp_path: Path) -> None:
    sealed = sealed_seconds(
        [
            {"ts": MIDNIGHT + minute * MINUTE, "service_id": "svc", "domain": "a.example", "status": 200}
            for minute in (0, 100, 200)
        ]
    )
    with keeping(tmp_path) as kept:
        kept.seal_each(sealed[:1], first=MIDNIGHT, until=MIDNIGHT + 60 * MINUTE)
        # For half an hour and a bit, no server runs.
        kept.seal_each(sealed[1:], first=MIDNIGHT + 90 * MINUTE + 30, until=MIDNIGHT + 210 * MINUTE)
        kept.settle()
        ranking = json.loads(kept.readers.ranking(at(MIDNIGHT + 205 * MINUTE), DELAY))

    series = dict(zip(range(205 - SPAN + 1, 206), ranking["all"]["series"]["requests"], strict=True))
    assert ranking["since"] == MIDNIGHT
    assert [minute for minute in range(206) if series[minute] is None] == [*range(61, 90)]
    assert all(count is None for minute, count in series.items() if minute < 0)
    assert [minute for minute, count in series.items() if count] == [0, 100, 200]
    assert ranking["known"] == {"now": 10 * MINUTE, "before": 10 * MINUTE}
    row = ranking["rows"][0]
    assert [count for count in row["series"]["requests"] if count is None] == [None] * 4
    assert len(row["series"]["requests"]) == 120


def test_a_window_is_known_for_as_long_as_a_server_ran(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept:
        kept.seal_each([], first=MIDNIGHT + 50 * MINUTE, until=MIDNIGHT + 2 * HOUR)
        # For half an hour, no server runs.
        kept.seal_each([], first=MIDNIGHT + 2 * HOUR + 30 * MINUTE, until=MIDNIGHT + 3 * HOUR + 42)
        kept.settle()

        def known(**asked: int) -> tuple[int, dict[str, int]]:
            ranking = json.loads(kept.readers.ranking(at(MIDNIGHT + 3 * HOUR, **asked), DELAY))
            return ranking["since"], ranking["known"]

        # The first and the last second of both times are sealed.
        since = MIDNIGHT + 50 * MINUTE
        assert known(unit=HOUR) == (since, {"now": HOUR + 40 * MINUTE + 44, "before": 0})
        assert known(unit=DAY) == (since, {"now": HOUR + 40 * MINUTE + 44, "before": 0})
        assert known(unit=MINUTE) == (since, {"now": 9 * MINUTE + 43, "before": 9 * MINUTE + 1})


def test_nothing_is_known_of_the_future(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept:
        # The clock was ahead.
        kept.seal_each([], first=MIDNIGHT, until=MIDNIGHT + 2 * HOUR)
        kept.settle()
        ranking = json.loads(kept.readers.ranking(at(MIDNIGHT + 30, unit=HOUR), DELAY, newest=MIDNIGHT + 600))

    assert ranking["known"] == {"now": 601, "before": 0}


def test_a_window_in_a_hole_has_no_ranking(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept:
        kept.seal_each([], first=MIDNIGHT, until=MIDNIGHT + HOUR)
        kept.seal_each([], first=MIDNIGHT + 5 * HOUR, until=MIDNIGHT + 6 * HOUR)
        kept.settle()

        assert kept.readers.ranking(at(MIDNIGHT + 3 * HOUR), DELAY) == b""
        assert kept.readers.ranking(at(MIDNIGHT + 3 * HOUR, unit=86_400), DELAY)
