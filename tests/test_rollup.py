"""Minutes, hours and days: what is read of them, against entries of the API that are summed here."""

import json
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgetally import _core
from edgetally.model import measurements

MIDNIGHT = 1_795_305_600
START, END = MIDNIGHT - 3600, MIDNIGHT + 3600
NAMES = ("a.example", "b.example", "c.example", 'quo"te', "é.example")
POPS = ("AMS", "LHR", "NRT")
REGIONS = {"AMS": "europe", "LHR": "europe"}
ELSEWHERE = "asia"
STEPS = (60, 3600, 86_400)
DATASETS = ("channel", "domains", "origins")
METRICS = {name: [one for one in measurements(name) if one.kind != "histogram"] for name in DATASETS}
EVERY_NAME = 100

Part = tuple[str | None, bytes]


class Key(NamedTuple):
    """What values are of."""

    name: str
    pop: str
    start: int


Sums = dict[Key, Counter[str]]


# --- traffic ---------------------------------------------------------------------------------------------------------


@st.composite
def record(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {
        # Few seconds in few minutes, at both sides of midnight.
        "ts": MIDNIGHT + draw(st.sampled_from([-3600, -3599, -61, -1, 0, 59, 60, 3599])),
        "pop": draw(st.sampled_from(POPS)),
        "domain": draw(st.sampled_from(NAMES)),
        "status": draw(st.sampled_from([200, 304, 404, 500, 103])),
        "cache": draw(st.sampled_from(["HIT", "MISS", "PASS", "-"])),
        "edge": draw(st.booleans()),
        "compute": draw(st.sampled_from([False, False, True])),
        "resp_body_bytes": draw(st.sampled_from([0, 1, 1000, 2**40])),
        "resp_header_bytes": draw(st.integers(0, 300)),
        "edge_time_ms": draw(st.sampled_from([1, 250, 70_000])),
    }
    if draw(st.booleans()):
        found |= {
            "origin": draw(st.sampled_from(["app", "Σ", "_other"])),
            "origin_ip": draw(st.sampled_from(["192.0.2.1", "192.0.2.2"])),
            "origin_status": draw(st.sampled_from([200, 502, "-"])),
            "beresp_body_bytes": draw(st.sampled_from([0, 100, 5000])),
            "origin_ttfb_ms": draw(st.integers(0, 2000)),
        }
    return found


def seal(batches: Sequence[Sequence[Mapping[str, Any]]]) -> list[_core.Sealed]:
    """Fold batches, and seal after each of them, so that some records are late."""
    window, sealed = _core.Window(), []
    for batch in batches:
        fold = _core.Fold(service_id="shop")
        fold.feed("".join(f"{json.dumps(one)}\n" for one in batch).encode(), END)
        fold.finish(END)
        assert not fold.report().rejected
        if partial := fold.drain():
            window.merge(partial)
        if window.newest is not None:
            sealed += window.seal(window.newest - 30)
    return sealed + window.seal(END)


TRAFFIC = st.lists(st.lists(record(), min_size=1, max_size=12), min_size=1, max_size=4).map(seal)


Minutes = list[tuple[int, dict[str, bytes]]]


def minutes(sealed: Iterable[_core.Sealed], *, names: int = EVERY_NAME, kept: int = EVERY_NAME) -> Minutes:
    """Roll seconds up. A minute that has seconds in both halves comes twice, as if a journal began anew within it."""
    rollups: dict[tuple[int, bool], _core.Rollup] = {}
    for one in sealed:
        start = one.second // 60 * 60
        rollups.setdefault((start, one.second % 60 < 30), _core.Rollup(start, names=names)).add(one)
    return [(start, rollup.close(kept)) for (start, _), rollup in rollups.items()]


def parts_of(closed: Minutes, dataset: str) -> list[tuple[int, Part]]:
    stored = "domains" if dataset == "channel" else dataset
    return [(start, (None, one[stored])) for start, one in closed if stored in one]


# --- the oracle ------------------------------------------------------------------------------------------------------


def sums(sealed: Iterable[_core.Sealed], dataset: str, step: int) -> Sums:
    """Sum the counters of entries by name, POP and period; times are in microseconds."""
    found: Sums = defaultdict(Counter)
    for one in sealed:
        entry = json.loads(one.entry(dataset))
        for pop, shown in entry["datacenter"].items():
            for name, fields in {"": shown}.items() if dataset == "channel" else shown.items():
                key = Key(name, pop, one.second // step * step)
                for metric in METRICS[dataset]:
                    if metric.kind != "ratio" and (value := fields.get(metric.name)):
                        found[key][metric.name] += value if metric.kind == "counter" else round(value * 1e6)
    return found


def values(dataset: str, found: Counter[str]) -> dict[str, float]:
    """Make what is shown of sums, ratios from sums included."""
    shown: dict[str, float] = {}
    sent = found["edge_resp_body_bytes"] + found["edge_resp_header_bytes"]
    fetched = found["origin_fetch_resp_body_bytes"] + found["origin_fetch_resp_header_bytes"]
    ratios = {
        "edge_hit_ratio": (found["edge_hit_requests"], found["edge_hit_requests"] + found["edge_miss_requests"]),
        "hit_ratio": (found["hits"], found["hits"] + found["miss"]),
        "origin_offload": (sent - fetched, sent),
    }
    for metric in METRICS[dataset]:
        if metric.kind == "ratio":
            part, whole = ratios[metric.name]
            value = part / whole if whole else 0
        else:
            value = found[metric.name] / 1e6 if metric.kind == "seconds" else found[metric.name]
        if value > 0:
            shown[metric.name] = value
    return shown


def series(dataset: str, found: Sums, group_by: set[str]) -> list[dict[str, Any]]:
    """Group sums as the API does."""
    grouped: dict[tuple[tuple[str, str], ...], dict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for key, counters in found.items():
        all_dimensions = {"name": key.name, "datacenter": key.pop, "region": REGIONS.get(key.pop, ELSEWHERE)}
        dimensions = tuple((name, value) for name, value in all_dimensions.items() if name in group_by)
        grouped[dimensions][key.start] += counters
    answer = []
    for dimensions, by_start in sorted(grouped.items()):
        shown = {start: values(dataset, counters) for start, counters in sorted(by_start.items())}
        periods = [{**one, "timestamp": start} for start, one in shown.items() if one]
        if periods:
            answer.append({"dimensions": dict(dimensions), "values": periods})
    return answer


# --- what is read ----------------------------------------------------------------------------------------------------


def query(dataset: str, step: int, group_by: set[str], **options: object) -> _core.HistoryQuery:
    asked: dict[str, Any] = {
        "dataset": dataset,
        "metrics": [one.name for one in METRICS[dataset]],
        "start": START,
        "end": END,
        "step": step,
        "group_by": group_by,
        "regions": REGIONS,
        "default_region": ELSEWHERE,
        **options,
    }
    return _core.HistoryQuery(**asked)


def read(parts: Sequence[Part], dataset: str, step: int, group_by: set[str], **options: object) -> list[dict[str, Any]]:
    asked = query(dataset, step, group_by, **options)
    asked.add(parts, _core.names_in(parts, "", EVERY_NAME) if "name" in group_by else [""])
    data, last = asked.page(1000)
    assert last is None
    answer: list[dict[str, Any]] = json.loads(data)
    assert asked.series >= len(answer)
    return answer


def approximately(answer: object) -> object:
    """Allow for rounding of ratios and of seconds."""
    if isinstance(answer, dict):
        return {name: approximately(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return [approximately(value) for value in answer]
    return pytest.approx(answer, rel=1e-9) if isinstance(answer, float) else answer


def pack(parts: Iterable[Part], step: int, names: int = EVERY_NAME) -> list[Part]:
    return list(_core.pack(list(parts), step=step, names=names))


def levels(started: Iterable[tuple[int, Part]]) -> dict[int, list[Part]]:
    """Compact minutes as a store does; return the chunks of minutes, hours and days."""
    hours: dict[int, list[Part]] = defaultdict(list)
    for start, part in started:
        hours[start // 3600].append(part)
    days: list[Part] = []
    for hour in hours.values():
        days = pack([*days, *pack(hour, 3600)], 3600)
    return {
        60: [chunk for hour in hours.values() for chunk in pack(hour, 60)],
        3600: days,
        86_400: pack(days, 86_400),
    }


def names_of(parts: Iterable[Part]) -> set[str]:
    return set(_core.names_in(list(parts), "", EVERY_NAME))


# --- tests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", DATASETS)
@given(sealed=TRAFFIC, cut=st.integers(0, 8))
@settings(max_examples=25)
def test_minutes_hours_and_days_are_the_sums_of_entries(dataset: str, sealed: list[_core.Sealed], cut: int) -> None:
    started = parts_of(minutes(sealed), dataset)
    # The older ones are chunks, the others are minutes still.
    kept = levels(started[:cut])
    open_minutes = [part for _, part in started[cut:]]
    group_by = {"datacenter"} if dataset == "channel" else {"name", "datacenter"}
    for step in STEPS:
        wanted = approximately(series(dataset, sums(sealed, dataset, step), group_by))
        # Periods of any length are made of shorter ones.
        for finer in (one for one in STEPS if one <= step):
            assert read(kept[finer] + open_minutes, dataset, step, group_by) == wanted


@given(sealed=TRAFFIC, group_by=st.sets(st.sampled_from(["datacenter", "region"])), step=st.sampled_from(STEPS))
@settings(max_examples=25)
def test_the_row_for_everything_is_the_sum_over_all_names(
    sealed: list[_core.Sealed], group_by: set[str], step: int
) -> None:
    for dataset in DATASETS:
        parts = pack([part for _, part in parts_of(minutes(sealed), dataset)], 60)
        assert read(parts, dataset, step, group_by) == approximately(
            series(dataset, sums(sealed, dataset, step), group_by)
        )


@given(
    sealed=TRAFFIC,
    group_by=st.sets(st.sampled_from(["name", "datacenter", "region"])),
    names=st.sets(st.sampled_from(NAMES), min_size=1),
    pops=st.sets(st.sampled_from(POPS)),
    regions=st.sets(st.sampled_from(["europe", ELSEWHERE])),
    start=st.sampled_from([START, MIDNIGHT - 60, MIDNIGHT + 1]),
)
@settings(max_examples=25)
def test_only_what_is_asked_for_counts(
    sealed: list[_core.Sealed],
    group_by: set[str],
    names: set[str],
    pops: set[str],
    regions: set[str],
    start: int,
) -> None:
    parts = [part for _, part in parts_of(minutes(sealed), "domains")]
    counts = {
        key: counters
        for key, counters in sums(sealed, "domains", 60).items()
        if key.name in names
        and key.pop in (pops or POPS)
        and REGIONS.get(key.pop, ELSEWHERE) in (regions or {"europe", ELSEWHERE})
        and start // 60 * 60 <= key.start < MIDNIGHT + 60
    }
    asked = query("domains", 60, group_by, pops=pops, only_regions=regions, start=start, end=MIDNIGHT + 60)
    asked.add(parts, list(names))
    assert json.loads(asked.page(1000)[0]) == approximately(series("domains", counts, group_by))


@given(sealed=TRAFFIC, group_by=st.sets(st.sampled_from(["name", "datacenter", "region"])), limit=st.integers(1, 4))
@settings(max_examples=25)
def test_pages_are_the_whole_cut_in_pieces(sealed: list[_core.Sealed], group_by: set[str], limit: int) -> None:
    parts = [part for _, part in parts_of(minutes(sealed), "domains")]
    names = [*names_of(parts)] if "name" in group_by else [""]
    found, after = [], None
    while True:
        asked = query("domains", 3600, group_by, after=after)
        asked.add(parts, names)
        data, after = asked.page(limit)
        page = json.loads(data)
        assert len(page) <= limit
        found += page
        if after is None:
            break
        assert after == list(page[-1]["dimensions"].values())
    assert found == approximately(series("domains", sums(sealed, "domains", 3600), group_by))


@given(sealed=TRAFFIC, open_names=st.integers(1, 4), kept=st.integers(1, 3))
@settings(max_examples=25)
def test_names_beyond_a_limit_count_as_other(sealed: list[_core.Sealed], open_names: int, kept: int) -> None:
    for dataset in ("domains", "origins"):
        wanted = series(dataset, sums(sealed, dataset, 86_400), {"datacenter"})
        closed = minutes(sealed, names=open_names, kept=kept)
        for _, part in parts_of(closed, dataset):
            assert len(names_of([part]) - {_core.OTHER}) <= kept
        packed = [pack([part for _, part in parts_of(closed, dataset)], step, kept) for step in (60, 3600)]
        twice = _core.pack_twice([part for _, part in parts_of(closed, dataset)], steps=(60, 3600), names=kept)
        assert list(twice) == packed
        # The same names have rows, whatever the step.
        assert names_of(packed[0]) == names_of(packed[1])
        assert len(names_of(packed[0]) - {_core.OTHER}) <= kept
        for parts in packed:
            for names in ([""], [*names_of(parts)]):
                asked = query(dataset, 86_400, {"datacenter"})
                asked.add(parts, names)
                assert json.loads(asked.page(1000)[0]) == approximately(wanted)


def test_the_names_with_the_most_requests_are_kept_and_ties_go_by_name() -> None:
    requests = {"a.example": 1, "b.example": 3, "c.example": 2, "d.example": 2, "e.example": 1}
    sealed = seal([[{"ts": MIDNIGHT, "status": 200, "domain": name, "weight": n} for name, n in requests.items()]])
    for kept, wanted in {0: set(), 1: {"b"}, 2: {"b", "c"}, 3: {"b", "c", "d"}, 4: {"a", "b", "c", "d"}}.items():
        ((_, closed),) = minutes(sealed, kept=kept)
        names = {f"{name}.example" for name in wanted} | {_core.OTHER}
        assert names_of([(None, closed["domains"])]) == names
        ((_, whole),) = minutes(sealed)
        assert names_of(pack([(None, whole["domains"])], 60, kept)) == names


@given(sealed=TRAFFIC)
@settings(max_examples=25)
def test_minutes_of_one_minute_are_merged_by_addition(sealed: list[_core.Sealed]) -> None:
    by_start: dict[int, list[bytes]] = defaultdict(list)
    for start, (_, minute) in parts_of(minutes(sealed), "domains"):
        by_start[start].append(minute)
    merged = [(None, _core.merge_minutes(found, names=EVERY_NAME)) for found in by_start.values()]
    group_by = {"name", "datacenter"}
    assert read(merged, "domains", 60, group_by) == approximately(
        series("domains", sums(sealed, "domains", 60), group_by)
    )


@given(sealed=TRAFFIC)
@settings(max_examples=25)
def test_lines_are_rows_that_add_up_to_entries(sealed: list[_core.Sealed]) -> None:
    for dataset in DATASETS:
        parts = pack([part for _, part in parts_of(minutes(sealed), dataset)], 3600)
        written = _core.history_lines(parts, dataset=dataset, service_id="shop", start=START, end=END)
        found: Sums = {}
        for line in written.decode().splitlines():
            row = json.loads(line)
            assert row.pop("service_id") == "shop"
            name = row.pop("host" if dataset == "origins" else "domain", "")
            key = Key(name, row.pop("datacenter"), row.pop("timestamp"))
            assert key not in found
            found[key] = Counter({field.removesuffix("_us"): value for field, value in row.items()})
        assert found == {key: counters for key, counters in sums(sealed, dataset, 3600).items() if counters}


@given(sealed=TRAFFIC, step=st.sampled_from(STEPS), dataset=st.sampled_from(["domains", "origins"]))
@settings(max_examples=25)
def test_what_a_database_makes_of_counters_is_what_is_added_up_here(
    sealed: list[_core.Sealed], step: int, dataset: str
) -> None:
    parts = [part for _, part in parts_of(minutes(sealed), dataset)]
    rows = [json.loads(line) for line in _core.counter_rows(parts, '"service":"shop"').splitlines()]
    assert {row["service"] for row in rows} <= {"shop"}
    chunks = _core.summed_chunks(b"".join(map(row_binary, rows)), step=step)
    assert _core.counter_rows(chunks, '"a":0') == _core.counter_rows(pack(parts, step), '"a":0')


def row_binary(row: Mapping[str, Any]) -> bytes:
    """Return a row as ClickHouse does, its values in two halves."""
    columns, values = row["counters.id"], row["counters.value"]
    texts = [one.encode() for one in (row["name"], row["pop"])]
    written = b"".join(bytes([len(one)]) + one for one in texts) + struct.pack("<I", row["time"])
    for half in ([value & 0xFFFF_FFFF for value in values], [value >> 32 for value in values]):
        counted = bytes([len(columns)])
        written += counted + struct.pack(f"<{len(columns)}H", *columns)
        written += counted + struct.pack(f"<{len(columns)}Q", *half)
    return written


@given(sealed=TRAFFIC, step=st.sampled_from(STEPS))
@settings(max_examples=25)
def test_periods_are_like_sealed_seconds(sealed: list[_core.Sealed], step: int) -> None:
    periods = sealed_periods(minutes(sealed), step)
    assert {one.service_id for one in periods} == {"shop"}
    starts = sorted({one.second // step for one in sealed})
    assert [one.second for one in periods] == starts
    assert sum(one.records for one in periods) == sum(one.records for one in sealed)
    assert sum(one.late for one in periods) == sum(one.late for one in sealed)
    for dataset in DATASETS:
        wanted = sums(sealed, dataset, step).items()
        assert sums(periods, dataset, 1) == {
            key._replace(start=key.start // step): counters for key, counters in wanted if counters
        }


def sealed_periods(closed: Minutes, step: int, start: int = START) -> list[_core.Sealed]:
    domains, origins = (pack((part for _, part in parts_of(closed, dataset)), 60) for dataset in ("domains", "origins"))
    return _core.sealed_periods(domains, origins, service_id="shop", start=start, end=END, step=step)


def test_a_ranking_counts_in_minutes_too() -> None:
    names = {-61: "a.example", 0: "b.example", 60: "b.example", 3599: "c.example"}
    sealed = seal([[{"ts": MIDNIGHT + second, "status": 200, "domain": name} for second, name in names.items()]])
    ranking = json.loads(
        _core.ranking(
            sealed_periods(minutes(sealed), 60),
            service_id="shop",
            of="domains",
            by="requests",
            rows=9,
            pop=None,
            matching="",
            focus=None,
            second=MIDNIGHT // 60 + 1,
            since=START,
            aggregate_delay=2,
            unit=60,
        )
    )
    assert ranking["second"] == MIDNIGHT + 60
    assert (ranking["Timestamp"], ranking["since"]) == (MIDNIGHT + 62, START)
    assert (ranking["window"], ranking["ago"]) == (600, 3600)
    assert [(row["name"], row["now"][0]) for row in ranking["rows"]] == [("b.example", 2), ("a.example", 1)]
    # Of several minutes, only those from here on.
    assert [one.second for one in sealed_periods(minutes(sealed), 60, MIDNIGHT + 1)] == [
        (MIDNIGHT + later) // 60 for later in (0, 60, 3599)
    ]


@given(sealed=TRAFFIC, data=st.data())
@settings(max_examples=25)
def test_damage_is_an_error(sealed: list[_core.Sealed], data: st.DataObject) -> None:
    minute: Part = parts_of(minutes(sealed), "domains")[0][1]
    whole = data.draw(st.sampled_from([minute, *pack([minute], 3600)]))
    at = data.draw(st.integers(1, len(whole[1]) - 1))
    flipped = bytes([*whole[1][:at], whole[1][at] ^ 1 << data.draw(st.integers(0, 7)), *whole[1][at + 1 :]])
    for damaged in (flipped, whole[1][:at], whole[1] + b"\0", b""):
        part = (whole[0], damaged)
        with pytest.raises(ValueError, match="damaged"):
            pack([part], 3600)
        with pytest.raises(ValueError, match="damaged"):
            _core.sealed_periods([part], [], service_id="shop", start=START, end=END, step=3600)


def test_the_second_length_is_a_multiple_of_the_first() -> None:
    for steps in ((60, 90), (0, 60), (3600, 60)):
        with pytest.raises(ValueError, match="do not add up"):
            _core.pack_twice([], steps=steps, names=1)


def test_other_versions_are_refused() -> None:
    with pytest.raises(ValueError, match="expected history of version 1, got 2"):
        pack([("a.example", b"\2")], 60)


def test_a_second_belongs_to_one_minute() -> None:
    sealed = seal([[{"ts": MIDNIGHT, "status": 200, "domain": "a.example"}]])
    for start in (MIDNIGHT - 60, MIDNIGHT + 60):
        with pytest.raises(ValueError, match="not of this minute"):
            _core.Rollup(start).add(sealed[0])
    first, second = (minutes(seal([[{"ts": MIDNIGHT + later, "status": 200}]]))[0][1] for later in (0, 60))
    with pytest.raises(ValueError, match="not of this minute"):
        _core.merge_minutes([first["domains"], second["domains"]], names=1)


def test_longer_periods_are_not_divided() -> None:
    ((_, closed),) = minutes(seal([[{"ts": MIDNIGHT, "status": 200, "domain": "a.example"}]]))
    hours = pack([(None, closed["domains"])], 3600)
    with pytest.raises(ValueError, match="do not add up"):
        pack(hours, 60)
    with pytest.raises(ValueError, match="do not add up"):
        query("domains", 60, set()).add(hours, [""])


def test_periods_and_series_of_nothing_but_zeros_are_left_out() -> None:
    caches = {"a.example": ["HIT", "MISS"], "b.example": ["MISS", "MISS"], "c.example": ["MISS", "HIT"]}
    sealed = seal(
        [
            [
                {"ts": MIDNIGHT + 60 * minute, "status": 200, "domain": name, "cache": cache}
                for name, shown in caches.items()
                for minute, cache in enumerate(shown)
            ]
        ]
    )
    asked = query("domains", 60, {"name"}, metrics=["edge_hit_ratio"])
    asked.add([part for _, part in parts_of(minutes(sealed), "domains")], sorted(caches))
    assert json.loads(asked.page(3)[0]) == [
        {"dimensions": {"name": name}, "values": [{"edge_hit_ratio": 1, "timestamp": start}]}
        for name, start in (("a.example", MIDNIGHT), ("c.example", MIDNIGHT + 60))
    ]


def test_an_answer_is_bounded() -> None:
    sealed = seal([[{"ts": MIDNIGHT + later, "status": 200, "domain": "a.example"} for later in (0, 60, 120)]])
    parts = [part for _, part in parts_of(minutes(sealed), "domains")]
    for most, is_allowed in ((3, True), (2, False)):
        asked = query("domains", 60, set(), metrics=["requests"], most=most)
        asked.add(parts, [""])
        if is_allowed:
            assert [one["timestamp"] for one in json.loads(asked.page(1)[0])[0]["values"]] == [
                MIDNIGHT,
                MIDNIGHT + 60,
                MIDNIGHT + 120,
            ]
        else:
            with pytest.raises(OverflowError, match="too many values"):
                asked.page(1)
    with pytest.raises(OverflowError, match="too many values"):
        query("domains", 60, set(), start=0, end=2**63).add(parts, [""])


@pytest.mark.parametrize(
    "options",
    [{"dataset": "origin_insights"}, {"dataset": "nothing"}, {"metrics": ["nothing"]}, {"group_by": {"nothing"}}],
)
def test_what_there_is_not_cannot_be_asked_for(options: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        query(**{"dataset": "domains", "step": 60, "group_by": set(), **options})


def test_the_histogram_has_no_history() -> None:
    with pytest.raises(KeyError, match="miss_histogram"):
        query("channel", 60, set(), metrics=["miss_histogram"])


def test_a_rollup_starts_anew_when_it_is_closed() -> None:
    (sealed,) = seal([[{"ts": MIDNIGHT, "status": 200, "domain": "a.example"}]])
    rollup = _core.Rollup(MIDNIGHT)
    rollup.add(sealed)
    first = rollup.minute()
    assert set(first) == {"domains"}
    assert rollup.close() == first
    assert rollup.close() == {}
    rollup.add(sealed)
    assert rollup.close() == first
