"""The public API: what `import edgetally` offers."""

import doctest
import importlib
import inspect
import json
from collections import Counter
from pathlib import Path
from typing import Any, get_type_hints

import polars as pl
import pytest

import edgetally
from edgetally.config.sections import Config
from edgetally.errors import InputError
from edgetally.model import DATASETS, measurements
from edgetally.offline.fold import FoldOptions
from edgetally.snippets import snippets
from tests.support.pages import ROOT, blocks

GOLDEN = sorted((ROOT / "tests" / "golden").glob("*.log"))
NOW = 1_763_769_600
LINE = b'{"ts":1763769600,"pop":"AMS","domain":"a.example","status":200,"cache":"HIT"}\n'
FETCH = b'{"ts":1763769600,"pop":"FRA","origin":"app","origin_addr":"10.0.0.1:80","origin_status":503}\n'

EXPORTED = ["Entry", "Fold", "FoldResult", "Rejection", "Window", "__version__", "fold", "formats", "rows"]

MODULES = [
    "edgetally",
    "edgetally.offline.entry",
    "edgetally.offline.fold",
    "edgetally.offline.line_report",
    "edgetally.offline.streaming",
    "edgetally.snippets",
]


def test_the_package_exports_these_names() -> None:
    assert edgetally.__all__ == EXPORTED
    assert [name for name in EXPORTED if not hasattr(edgetally, name)] == []


@pytest.mark.parametrize("name", [name for name in EXPORTED if name != "__version__"])
def test_every_name_has_a_docstring_and_types(name: str) -> None:
    exported = getattr(edgetally, name)
    public = [exported] if inspect.isfunction(exported) else [exported, *_methods(exported)]

    assert [one for one in public if not one.__doc__] == []
    assert [one for one in public if inspect.isfunction(one) and "return" not in get_type_hints(one)] == []


def _methods(exported: type) -> list[Any]:
    return [member for name, member in vars(exported).items() if not name.startswith("_") and callable(member)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))

    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_the_examples_of_pages_run(page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (log,) = [block.text for block in blocks(ROOT / "docs/library.md") if block.info == "json access.log"]
    (tmp_path / "access.log").write_text(log)
    examples = "".join(block.text for block in blocks(ROOT / page) if block.info == "python")

    test = doctest.DocTestParser().get_doctest(examples, {}, page, page, 0)

    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


def test_defaults_are_those_of_the_settings() -> None:
    config = Config()
    settings = {
        **{name: getattr(config.records, name) for name in ("format", "service_id", "pop", "weight", "max_line")},
        **{name: getattr(config.window, name) for name in inspect.signature(edgetally.Window).parameters},
    }
    for function in (edgetally.fold, edgetally.Fold, edgetally.Window):
        parameters = inspect.signature(function).parameters
        found = {name: parameters[name].default for name in settings if name in parameters}
        assert found == {name: settings[name] for name in found}
    assert set(settings) < set(inspect.signature(edgetally.fold).parameters)


def test_rows_takes_the_keywords_of_fold() -> None:
    hints = get_type_hints(edgetally.fold)
    keywords = list(inspect.signature(edgetally.fold).parameters)[1:]

    assert get_type_hints(FoldOptions) == {name: hints[name] for name in keywords}


# --- entries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("log", GOLDEN, ids=[path.stem for path in GOLDEN])
def test_entries_hold_what_the_api_shows(log: Path) -> None:
    shown = {dataset: Counter[tuple[str, int]]() for dataset in DATASETS}
    for line in log.with_suffix(".jsonl").read_bytes().splitlines():
        entry = json.loads(line)
        shown[entry["dataset"]][entry["service_id"], entry["recorded"]] += 1
        dataset, key = entry["dataset"], (entry["service_id"], entry["recorded"])
        (found,) = [one for one in edgetally.fold(log, now=NOW) if (one.service_id, one.second) == key]
        assert (nested(getattr(found, dataset)), {p: nested(t) for p, t in by_pop(found, dataset).items()}) == (
            entry["aggregated"],
            entry["datacenter"],
        )
        assert json.loads(found.json(dataset)) == {
            name: entry[name] for name in ("recorded", "aggregated", "datacenter")
        }
    for dataset, seconds in shown.items():
        result = edgetally.fold(log, now=NOW)
        assert seconds == Counter((one.service_id, one.second) for one in result if dataset in one.datasets)


def by_pop(entry: edgetally.Entry, dataset: str) -> dict[str, Any]:
    found: dict[str, Any] = getattr(entry, f"{dataset}_by_pop")
    return found


def nested(table: dict[Any, Any]) -> dict[str, Any]:
    """Write keys of two parts as the API does; the channel has no keys."""
    tree: dict[str, Any] = {}
    for key, row in table.items():
        if isinstance(key, tuple):
            tree.setdefault(key[0], {})[key[1]] = row
        else:
            tree[key] = row
    return tree


def test_a_dataset_without_traffic_is_empty() -> None:
    (entry,) = edgetally.fold(LINE)

    assert entry.datasets == ("channel", "domains")
    assert (entry.origins, entry.origins_by_pop) == ({}, {})
    assert (entry.origin_insights, entry.origin_insights_by_pop) == ({}, {})


def test_a_result_can_be_iterated_again() -> None:
    result = edgetally.fold(LINE + LINE.replace(b'ts":17', b'ts":16'))

    assert [entry.second for entry in result] == [entry.second for entry in result] == [1_663_769_600, 1_763_769_600]
    assert len(result) == 2
    assert repr(result) == "<FoldResult entries=2 accepted=2 rejected=0>"


def test_a_result_reports_on_lines() -> None:
    result = edgetally.fold(LINE + b'oops\n{"status":200,"cache":"maybe"}\n')

    assert (result.accepted, result.rejected) == (2, {"not_json": 1})
    (rejection,) = result.rejections
    assert (rejection.input, rejection.line, rejection.reason, rejection.at) == ("<bytes>", 2, "not_json", 0)
    assert rejection.sample == b"oops"
    assert result.unknown_cache_words == {"maybe": 1}


# --- arguments -----------------------------------------------------------------------------------------------------


def test_records_that_name_none_get_the_service_the_pop_and_the_time() -> None:
    (entry,) = edgetally.fold(b'{"status":200,"domain":"a.example"}', service_id="shop", pop="AMS", now=NOW, weight=5)

    assert (entry.second, entry.service_id) == (NOW, "shop")
    assert {pop: domains["a.example"]["requests"] for pop, domains in entry.domains_by_pop.items()} == {"AMS": 5}


@pytest.mark.parametrize("name", ["canonical", *(one.name for one in snippets())])
def test_every_format_can_be_folded(name: str) -> None:
    assert name in edgetally.formats()
    assert edgetally.fold(b"", format=name).accepted == 0
    edgetally.Fold(format=name).feed(b"", NOW)


def test_a_limit_on_keys_leads_to_the_overflow_key() -> None:
    result = edgetally.fold(LINE + LINE.replace(b"a.ex", b"b.ex"), max_domains=1)

    assert [sorted(entry.domains) for entry in result] == [["_other", "a.example"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "nginks"}, r"^format: unknown format 'nginks' \(expected one of: .*nginx"),
        ({"format": "cloudfront:nonsense"}, "^format: "),
        ({"service_id": "a b"}, "^service_id: "),
        ({"pop": ""}, "^pop: "),
        ({"weight": 0}, "^weight: "),
        ({"max_line": 10}, "^max_line: "),
        ({"max_domains": 0}, "^max_domains: "),
        ({"threads": 0}, "^threads: expected an integer from 1 to 1024, got 0$"),
        ({"threads": 10**9}, "^threads: expected an integer from 1 to 1024, got 1000000000$"),
        ({"now": -1}, "^now: expected an integer from 0 to 253402300799, got -1$"),
        ({"now": 1 << 70}, "^now: expected an integer from 0 to 253402300799, got 1180591620717411303424$"),
    ],
)
def test_an_argument_out_of_range_is_an_error_that_names_it(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        edgetally.fold(LINE, **arguments)
    for other in (edgetally.Fold, edgetally.Window):
        if set(arguments) <= set(inspect.signature(other).parameters):
            with pytest.raises(ValueError, match=message):
                other(**arguments)


@pytest.mark.parametrize("now", [-1, 1 << 70])
def test_a_second_out_of_range_is_an_error_in_a_stream(now: int) -> None:
    message = rf"^now: expected an integer from 0 to 253402300799, got {now}$"
    fold = edgetally.Fold()
    with pytest.raises(ValueError, match=message):
        fold.feed(LINE, now)
    with pytest.raises(ValueError, match=message):
        fold.finish(now)


def test_a_damaged_input_is_an_error_unless_it_is_allowed() -> None:
    damaged = b"\x1f\x8b" + b"nonsense"

    with pytest.raises(InputError, match=r"^<bytes>: the gzip stream is damaged"):
        edgetally.fold([LINE, damaged])
    result = edgetally.fold([LINE, damaged], allow_damaged=True)
    assert result.damaged == [("<bytes>", "the gzip stream is damaged after byte 3")]
    assert result.accepted == 1


def test_progress_adds_up_to_what_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LINE * 10)
    read: list[int] = []

    edgetally.fold([str(tmp_path / "a.log"), LINE], progress=read.append)

    assert sum(read) == len(LINE) * 11


# --- rows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "keys"),
    [
        ("channel", {}),
        ("domains", {"domain": "a.example"}),
        ("origins", {"origin": "app"}),
        ("origin_insights", {"origin": "app", "address": "10.0.0.1"}),
    ],
)
def test_every_row_has_every_column_with_one_type(dataset: str, keys: dict[str, str]) -> None:
    names = [one.name for one in measurements(dataset) if one.kind != "histogram"]
    rows = [*edgetally.rows(LINE + FETCH, dataset), *edgetally.rows(list(GOLDEN), dataset, now=NOW)]

    assert [name for name in keys if keys[name] not in {row[name] for row in rows}] == []
    assert {tuple(row) for row in rows} == {("second", "service_id", "pop", *keys, *names)}
    for name in rows[0]:
        assert len({type(row[name]) for row in rows}) == 1


def test_rows_are_ordered_by_second_service_pop_and_key() -> None:
    keys = ("second", "service_id", "pop", "domain")
    rows = [tuple(row[key] for key in keys) for row in edgetally.rows(list(GOLDEN), now=NOW)]

    assert rows == sorted(set(rows))


def test_several_datasets_can_be_taken_from_one_fold() -> None:
    result = edgetally.fold(LINE + FETCH)

    for dataset in DATASETS:
        assert list(result.rows(dataset)) == list(edgetally.rows(LINE + FETCH, dataset))


def test_an_unknown_dataset_is_an_error_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match=r"^dataset: must be one of: .*origins.* \(got 'origin'\)"):
        edgetally.rows("missing.log", "origin")


@pytest.mark.parametrize("dataset", DATASETS)
def test_rows_make_a_data_frame(dataset: str) -> None:
    rows = list(edgetally.rows(list(GOLDEN), dataset, now=NOW))

    frame = pl.DataFrame(edgetally.rows(list(GOLDEN), dataset, now=NOW))

    assert frame.rows(named=True) == rows
    assert set(frame.drop("second", "service_id", "pop").select(pl.selectors.numeric()).columns) == {
        one.name for one in measurements(dataset) if one.kind != "histogram"
    }
    assert frame.null_count().pipe(lambda counts: counts.sum_horizontal().item()) == 0


def test_a_ratio_after_many_rows_without_one_is_in_the_data_frame() -> None:
    lines = [f'{{"ts":{NOW + second},"status":200}}' for second in range(2_000)]
    hit = f'{{"ts":{NOW + 2_000},"status":200,"cache":"HIT"}}'

    frame = pl.DataFrame(edgetally.rows(iter([*lines, hit])))

    assert frame["edge_hit_ratio"].to_list() == [0.0] * 2_000 + [1.0]


# --- bit by bit ----------------------------------------------------------------------------------------------------


def test_a_log_that_arrives_bit_by_bit_has_the_same_entries() -> None:
    for log in GOLDEN:
        data = log.read_bytes()
        fold, window = edgetally.Fold(), edgetally.Window()
        for start in range(0, len(data), 100):
            fold.feed(data[start : start + 100], NOW)
            window.merge(fold.drain())
        fold.finish(NOW)
        window.merge(fold.drain())

        result = edgetally.fold(log, now=NOW)

        found = [(one.service_id, one.second, [one.json(name) for name in one.datasets]) for one in window.seal()]
        assert found == [(one.service_id, one.second, [one.json(name) for name in one.datasets]) for one in result]
        assert (fold.accepted, fold.rejected, fold.unknown_cache_words) == (
            result.accepted,
            result.rejected,
            result.unknown_cache_words,
        )
        assert [one._replace(input="") for one in fold.rejections] == [
            one._replace(input="") for one in result.rejections
        ]


def test_a_window_seals_up_to_a_second_and_late_rows_go_on() -> None:
    fold, window = edgetally.Fold(), edgetally.Window()
    fold.feed(LINE)
    window.merge(fold.drain())
    assert [entry.second for entry in window.seal(NOW)] == [NOW]

    fold.feed(LINE)
    window.merge(fold.drain())
    assert window.seal(NOW) == []
    assert [entry.second for entry in window.seal(NOW + 1)] == [NOW + 1]


def test_records_far_from_now_can_be_rejected() -> None:
    fold = edgetally.Fold(max_lateness=60, max_ahead=5)
    for second in (NOW + 61, NOW - 6, NOW):
        fold.feed(LINE, second)

    assert (fold.accepted, fold.rejected) == (1, {"too_old": 1, "too_new": 1})


def test_a_damaged_partial_is_an_error() -> None:
    with pytest.raises(ValueError, match="partial"):
        edgetally.Window().merge(b"nonsense")
