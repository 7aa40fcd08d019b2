"""Rankings: equal to those that are made from the entries of the API, and pure functions of them."""

import json
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetally import _core
from tests.support.oracle_ranking import Json, Question, RankingOracle

LAST = 1_795_322_466
POPS = ("AMS", "FRA", "lhr")
NAMES = ("a.example", "B.example", "pay.example", 'quo"te', "_invalid", "z")


def seal(records: Iterable[Json]) -> list[_core.Sealed]:
    fold, window = _core.Fold(service_id="shop"), _core.Window()
    for record in records:
        fold.feed(json.dumps(record).encode() + b"\n", LAST)
    report = fold.report()
    assert not report.rejections, [(one.reason, one.sample) for one in report.rejections]
    if partial := fold.drain():
        window.merge(partial)
    return window.seal(LAST + 10)


def ranking(
    sealed: Sequence[_core.Sealed],
    question: Question,
    series: _core.KeptSeries | None = None,
    *,
    service_id: str = "shop",
) -> bytes:
    kept = [one for one in sealed if question.second - 300 < one.second <= question.second]
    return _core.ranking(kept, service_id=service_id, aggregate_delay=2, kept=series, **question._asdict())


def entries(sealed: Iterable[_core.Sealed], of: str) -> list[Json]:
    return [json.loads(one.entry(of)) for one in sealed]


def record(age: int, **fields: object) -> Json:
    """Make a record of one request, `age` seconds before the last."""
    return {"ts": LAST - age, "domain": "a.example", "pop": "AMS", "status": 200, **fields}


def without_ratios(focus: Any) -> Any:  # noqa: ANN401 - JSON
    match focus:
        case dict():
            return {key: without_ratios(one) for key, one in focus.items() if not isinstance(one, float)}
        case list():
            return [without_ratios(one) for one in focus]
    return focus


AGES = st.one_of(st.integers(0, 12), st.integers(57, 72), st.sampled_from([13, 40, 118, 119, 120, 150, 298, 299, 300]))
STATUSES = st.sampled_from([200, 204, 304, 404, 499, 500, 503, 103, 0])
RECORDS = st.builds(
    record,
    AGES,
    domain=st.sampled_from(NAMES),
    pop=st.sampled_from(POPS),
    status=STATUSES,
    weight=st.integers(1, 5),
    cache=st.sampled_from(["HIT", "MISS", "-"]),
    edge=st.booleans(),
    compute=st.booleans(),
    resp_header_bytes=st.integers(0, 300),
    resp_body_bytes=st.integers(0, 100_000),
    origin=st.sampled_from(["app", "Payments"]),
    origin_ip=st.sampled_from(["192.0.2.1", "192.0.2.2"]),
    origin_status=STATUSES,
    origin_ttfb_ms=st.sampled_from([0, 3, 40, 70_000]),
    beresp_bytes=st.integers(0, 9_000),
)
QUESTIONS = st.builds(
    Question,
    of=st.sampled_from(["domains", "origins"]),
    second=st.sampled_from([LAST, LAST - 1, LAST - 60]),
    since=st.sampled_from([LAST - 299, LAST - 75, LAST - 5]),
    rows=st.integers(1, 4),
    pop=st.sampled_from([None, None, *POPS, "nowhere"]),
    matching=st.sampled_from(["", "", "PAY", "example", "nothing"]),
    focus=st.sampled_from([None, "a.example", "Payments", "unknown"]),
).flatmap(
    lambda question: st.sampled_from(["trouble", *_core.columns(question.of)]).map(lambda by: question._replace(by=by))
)


@given(records=st.lists(RECORDS, max_size=30), question=QUESTIONS)
def test_a_ranking_is_what_the_entries_say(records: list[Json], question: Question) -> None:
    sealed = seal(records)
    oracle = RankingOracle(entries(sealed, question.of), question)

    answer = json.loads(ranking(sealed, question))

    fixed = {"service": "shop", "Timestamp": question.second + 2, "AggregateDelay": 2, "window": 10, "ago": 60}
    focus = answer.pop("focus")
    assert answer == {**fixed, **oracle.ranking(), "late": 0, "overflowed": 0}
    if question.focus is None:
        assert focus is None
    else:
        addresses = focus.pop("addresses", None)
        assert focus.pop("more_addresses", 0) <= 1
        assert without_ratios(focus) == oracle.focus()
        assert (addresses is None) == (question.of == "domains")


@given(records=st.lists(RECORDS, max_size=30), question=QUESTIONS)
def test_rows_and_rest_are_all(records: list[Json], question: Question) -> None:
    answer = json.loads(ranking(seal(records), question))

    for window in ("now", "before"):
        parts = [answer["rest"], *answer["rows"]]
        assert [sum(column) for column in zip(*(one[window] for one in parts), strict=True)] == answer["all"][window]
        pops = zip(*(one[window] for one in answer["pops"]), strict=True)
        assert [sum(column) for column in pops] == (answer["all"][window] if answer["pops"] else [])


@given(records=st.lists(RECORDS, max_size=30), question=QUESTIONS, data=st.data())
def test_the_split_by_pop_changes_no_sum(records: list[Json], question: Question, data: st.DataObject) -> None:
    question = question._replace(pop=None)
    pops = data.draw(st.lists(st.sampled_from(POPS), min_size=len(records), max_size=len(records)))
    moved = [one | {"pop": pop} for one, pop in zip(records, pops, strict=True)]

    def whole(records: list[Json]) -> Json:
        answer = json.loads(ranking(seal(records), question))
        rows = [{key: one for key, one in row.items() if key != "pops"} for row in answer["rows"]]
        focus = {key: one for key, one in (answer["focus"] or {}).items() if key != "pops"}
        return {**answer, "rows": rows, "focus": focus, "pops": None}

    assert whole(records) == whole(moved)


@given(
    records=st.permutations([record(age, pop=pop, domain=name) for age in (0, 60) for pop in POPS for name in NAMES])
)
def test_the_order_of_records_does_not_matter(records: list[Json]) -> None:
    question = Question("domains", LAST, LAST - 299, focus="z")
    assert ranking(seal(records), question) == ranking(seal(sorted(records, key=str)), question)


@given(
    records=st.lists(RECORDS, max_size=30),
    others=st.lists(RECORDS, max_size=5),
    questions=st.lists(QUESTIONS, min_size=1, max_size=3),
    steps=st.lists(st.sampled_from([-1, 0, 1, 1, 1, 2, 5, 6, 130]), max_size=8),
)
def test_what_is_kept_of_rankings_before_changes_no_answer(
    records: list[Json], others: list[Json], questions: list[Question], steps: list[int]
) -> None:
    services = {"shop": seal(records), "other": seal(others)}
    series = _core.KeptSeries()
    for second in accumulate(steps, initial=LAST - 130):
        for question in questions:
            asked = question._replace(second=second)
            for name, sealed in services.items():
                made = ranking(sealed, asked, series, service_id=name)
                assert made == ranking(sealed, asked, service_id=name)


def test_many_rows_have_their_totals_stored() -> None:
    made = [
        record(age, domain=f"{name}.example", pop=pop, status=503 if name % 7 == 0 else 200)
        for age in (0, 5, 60, 100)
        for name in range(80)
        for pop in POPS
    ]
    made.append(record(5, pop="only here", origin="app", origin_ip="192.0.2.1", origin_status=200))
    sealed = seal(made)
    for question in (Question("domains", LAST, LAST - 299), Question("domains", LAST, LAST - 299, pop="FRA", rows=3)):
        answer = json.loads(ranking(sealed, question))
        assert answer.pop("focus") is None
        want = RankingOracle(entries(sealed, "domains"), question).ranking()
        assert {key: answer[key] for key in want} == want


def test_a_name_that_fell_silent_stays_and_says_so() -> None:
    sealed = seal(
        [record(62, weight=7), record(1, domain="busy.example", weight=5), record(1, domain="bad.example", status=500)]
    )

    answer = json.loads(ranking(sealed, Question("domains", LAST, LAST - 299)))

    assert [(row["name"], row["silent"]) for row in answer["rows"]] == [
        ("a.example", True),
        ("bad.example", False),
        ("busy.example", False),
    ]


def test_an_origin_that_does_not_answer_has_a_row() -> None:
    fetch: Json = {"origin": "app", "origin_ip": "192.0.2.1"}
    sealed = seal([record(65, **fetch, origin_status=200, weight=9), record(2, **fetch, origin_status=0, status=503)])

    (row,) = json.loads(ranking(sealed, Question("origins", LAST, LAST - 299)))["rows"]

    assert (row["name"], row["silent"], row["now"][0], row["before"][0]) == ("app", True, 0, 9)


def test_the_focus_of_an_origin_has_its_worst_addresses() -> None:
    fetches = [
        record(1, origin="app", origin_ip=f"192.0.2.{one}", origin_status=503 if one == 3 else 200, weight=one)
        for one in range(1, 6)
    ]
    question = Question("origins", LAST, LAST - 299, focus="app", rows=2)

    focus = json.loads(ranking(seal(fetches), question))["focus"]

    assert [(one["name"], one["now"]["all_responses"]) for one in focus["addresses"]] == [
        ("192.0.2.3", 3),
        ("192.0.2.5", 5),
    ]
    assert focus["more_addresses"] == 3
    assert focus["now"]["all_responses"] == 15


def test_ratios_of_the_focus_are_those_of_the_sums() -> None:
    sealed = seal([record(age, cache=cache) for age, cache in ((0, "HIT"), (1, "HIT"), (2, "HIT"), (3, "MISS"))])
    focus = json.loads(ranking(sealed, Question("domains", LAST, LAST - 299, focus="a.example")))["focus"]
    assert focus["now"]["edge_hit_ratio"] == 0.75


def test_late_records_and_overflowed_rows_are_those_of_the_window() -> None:
    window = _core.Window(domains=1)
    sealed = []
    for until, records in ((20, [record(20)]), (0, [record(30), record(18), record(18, domain="b.example")])):
        fold = _core.Fold(service_id="shop")
        for one in records:
            fold.feed(json.dumps(one).encode() + b"\n", LAST)
        window.merge(fold.drain())
        sealed += window.seal(LAST - until)

    def counts(age: int) -> tuple[int, int]:
        answer = json.loads(ranking(sealed, Question("domains", LAST - age, LAST - 299)))
        return answer["late"], answer["overflowed"]

    # The late record is in the oldest second that was open.
    assert [(LAST - one.second, one.late, one.overflowed) for one in sealed] == [(20, 0, 0), (19, 1, 0), (18, 0, 1)]
    assert [counts(age) for age in (20, 19, 18, 10, 9, 8)] == [(0, 0), (1, 0), (1, 1), (1, 1), (0, 1), (0, 0)]


@pytest.mark.parametrize("given_", [{"of": "nothing"}, {"by": "nothing"}, {"of": "origins", "by": "requests"}], ids=str)
def test_unknown_names_are_key_errors(given_: dict[str, str]) -> None:
    with pytest.raises(KeyError):
        ranking([], Question("domains", LAST, LAST)._replace(**given_))  # type: ignore[arg-type]
