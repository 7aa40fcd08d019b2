"""The law: minutes, hours and days are the sums of the entries, whatever is asked, and whenever it is compacted."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edgetally.history.tiers import DAY, HOUR, MINUTE, TIERS
from tests.support.history import MIDNIGHT, keeping, sealed_seconds, summed

METRICS = ("requests", "edge_requests", "status_2xx", "status_503", "resp_body_bytes", "tls_v13")
ORIGIN_METRICS = ("responses", "status_2xx", "all_responses", "latency_10_to_50ms")
CHANNEL_METRICS = ("requests", "hits", "miss", "origin_fetches", "all_status_5xx", "resp_body_bytes")
LENGTH = 2 * DAY + 3 * HOUR

moments = st.sampled_from([0, 30 * MINUTE, HOUR - 1, HOUR, 5 * HOUR, DAY - 1, DAY, DAY + HOUR, 2 * DAY]).flatmap(
    lambda near: st.integers(max(near - 70, 0), near + 70)
)
records = st.fixed_dictionaries(
    {
        "ts": moments.map(lambda second: MIDNIGHT + second),
        "service_id": st.sampled_from(["svc", "svc", "other"]),
        "pop": st.sampled_from(["AMS", "FRA", "ZRH"]),
        "domain": st.sampled_from(["a.example", "b.example", "c.example", "ö.example"]),
        "status": st.sampled_from([200, 404, 503]),
        "cache": st.sampled_from(["HIT", "MISS", "PASS"]),
        "resp_body_bytes": st.integers(0, 1 << 40),
    },
    optional={
        "origin": st.sampled_from(["app", "db"]),
        "origin_status": st.sampled_from([200, 500]),
        "origin_ttfb_ms": st.integers(0, 60),
        "tls": st.just("TLSv1.3"),
    },
)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    dataset = draw(st.sampled_from(["domains", "domains", "origins", "channel"]))
    names = {"domains": ["a.example", "ö.example", "nothing"], "origins": ["app", "nothing"], "channel": []}[dataset]
    dimensions = ["name", "datacenter"] if dataset != "channel" else ["datacenter"]
    start = draw(moments)
    start, end = sorted((start, draw(st.just(start) | moments)))
    known = {"domains": METRICS, "origins": ORIGIN_METRICS, "channel": CHANNEL_METRICS}[dataset]
    return {
        "dataset": dataset,
        "tier": draw(st.sampled_from(list(TIERS))),
        "metrics": tuple(draw(st.lists(st.sampled_from(known), min_size=1, unique=True))),
        "group_by": frozenset(draw(st.sets(st.sampled_from(dimensions)))),
        "names": frozenset(draw(st.sets(st.sampled_from(names)))) if names else frozenset(),
        "pops": frozenset(draw(st.sets(st.sampled_from(["AMS", "FRA", "nowhere"])))),
        "start": MIDNIGHT + start,
        "end": MIDNIGHT + end,
    }


@given(
    given_records=st.lists(records, max_size=25),
    asked=st.lists(questions(), min_size=1, max_size=4),
    sealed_until=moments,
    limit=st.integers(1, 3),
)
@settings(deadline=None, max_examples=40)
def test_history_is_the_sum_of_the_entries(
    given_records: list[dict[str, object]], asked: list[dict[str, Any]], sealed_until: int, limit: int
) -> None:
    until = MIDNIGHT + sealed_until
    sealed = [one for one in sealed_seconds(given_records) if one.second <= until]
    with TemporaryDirectory() as directory, keeping(Path(directory)) as kept:
        for second in sorted({one.second for one in sealed} | {until}):
            kept.seal(second, [one for one in sealed if one.second == second])
        kept.settle()

        assert kept.recorder.failing is None
        for question in asked:
            expected = summed(sealed, **question)
            found = kept.ask(**{**question, "tier": TIERS[question["tier"]], "limit": limit})
            assert list(found) == list(expected)
            assert found == expected
