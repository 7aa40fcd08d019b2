"""The Rust half: its counts against the oracle, and its Python face."""

import ast
import bz2
import doctest
import gzip
import inspect
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypedDict, Unpack, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgetally import _core
from edgetally.config import log_sections
from edgetally.model import Framing
from tests.support import records, records_formats, records_wrapped
from tests.support.oracle import Folded, fold
from tests.support.oracle_fields import ALWAYS, FIELDS, RATIOS, TIMES

NOW = records.NOW
END = 2**64 - 2
"""Later than the second of any record."""

DATASETS = ("channel", "domains", "origin_insights", "origins")

MANUAL = Path(_core.__file__).with_name("_core.pyi")


class Options(TypedDict, total=False):
    """Settings of a fold, besides its defaults for records."""

    services: list[str]
    max_line: int
    max_lateness: int
    max_ahead: int
    framing: Framing
    format: str
    weight: int


def make_fold(**options: Unpack[Options]) -> _core.Fold:
    return _core.Fold(service_id="default", pop="local", **options)


def make_window(**limits: int) -> _core.Window:
    return _core.Window(**limits)


def folded(data: bytes, **options: Unpack[Options]) -> _core.Fold:
    folding = make_fold(**options)
    folding.feed(data, NOW)
    folding.finish(NOW)
    return folding


def report_on(data: bytes, **options: Unpack[Options]) -> _core.Report:
    return folded(data, **options).report()


def found(report: _core.Report) -> list[tuple[int, str]]:
    """Return line and reason of the rejections that a report describes."""
    return [(one.line, one.reason) for one in report.rejections]


def partial_of(data: bytes, **options: Unpack[Options]) -> bytes:
    return folded(data, **options).drain()


def seal_all(partials: Iterable[bytes], **limits: int) -> list[_core.Sealed]:
    window = make_window(**limits)
    for partial in partials:
        # If no record counted, a drain returns no bytes.
        if partial:
            window.merge(partial)
    return window.seal(END)


def entries_of(*partials: bytes) -> list[dict[str, Any]]:
    """Return all entries in the form and the order of the oracle."""
    found = [
        {"service_id": sealed.service_id, "dataset": dataset, **json.loads(sealed.entry(dataset))}
        for sealed in seal_all(partials)
        for dataset in DATASETS
        if sealed.has(dataset)
    ]
    return sorted(found, key=lambda entry: (entry["service_id"], entry["dataset"], entry["recorded"]))


# --- against the oracle ----------------------------------------------------------------------------------------------


def comparable(tree: object) -> object:
    """Allow for rounding of ratios."""
    if isinstance(tree, dict):
        return {name: comparable(subtree) for name, subtree in tree.items()}
    if isinstance(tree, list):
        return [comparable(subtree) for subtree in tree]
    return pytest.approx(tree, rel=1e-12) if isinstance(tree, float) else tree


def compare(data: bytes, format: str = "canonical", weight: int = 1) -> Folded:
    """Fold `data` with both, compare, and return the result of the oracle."""
    wanted = fold(data, service_id="default", pop="local", now=NOW, format=format, weight=weight)
    folding = folded(data, format=format, weight=weight)
    report = folding.report()
    assert (report.lines, report.accepted) == (wanted.lines, wanted.accepted)
    assert report.without_time == wanted.without_time
    reasons = [reason for _, reason in wanted.rejected]
    assert dict(report.rejected) == {reason: reasons.count(reason) for reason in reasons}
    # Lines of other logs are expected, so they are counted and not shown.
    assert found(report) == [one for one in wanted.rejected if one[1] != "other_log"][:10]
    assert entries_of(folding.drain()) == comparable(wanted.entries)
    return wanted


@pytest.mark.parametrize("seed", range(101, 109))
def test_bulk_counts_as_the_oracle_says(seed: int) -> None:
    data = records.sample(seed, 2000)
    wanted = compare(data)
    # A report describes only the first ten rejections, so fold rejected lines one by one.
    lines = data.split(b"\n")
    for line, reason in wanted.rejected:
        # What follows compressed data may be more of it. A line may also end a record that began in lines before.
        before = [b"\x1f\x8b"] if reason == "compressed" else []
        assert (reason, 1 + len(before)) in report_on(b"\n".join([*before, lines[line - 1]])).rejected, line


@given(records.log())
def test_any_log_counts_as_the_oracle_says(data: bytes) -> None:
    compare(data)


@pytest.mark.parametrize("format", records_formats.FORMATS)
@pytest.mark.parametrize("seed", range(201, 204))
def test_bulk_of_other_formats_counts_as_the_oracle_says(format: str, seed: int) -> None:
    wanted = compare(records_formats.sample(format, seed, 2000), format, weight=seed % 3 + 1)
    assert wanted.accepted > 500


@pytest.mark.parametrize("format", records_formats.FORMATS)
def test_where_a_log_of_another_format_is_cut_does_not_matter(format: str) -> None:
    data = records_formats.sample(format, 204, 300)
    folding = make_fold(format=format)
    for at in range(0, len(data), 97):
        folding.feed(data[at : at + 97], NOW)
    folding.finish(NOW)
    assert entries_of(folding.drain()) == entries_of(partial_of(data, format=format))


@given(st.data())
def test_any_log_of_another_format_counts_as_the_oracle_says(data: st.DataObject) -> None:
    format = data.draw(st.sampled_from(records_formats.FORMATS))
    compare(data.draw(records_formats.log(format)), format)


WRAPPED_FORMATS = ["canonical", *(format for format in records_formats.FORMATS if not format.startswith("cloudfront"))]


@pytest.mark.parametrize("format", WRAPPED_FORMATS)
@pytest.mark.parametrize("seed", range(301, 304))
def test_bulk_of_wrapped_lines_counts_as_the_oracle_says(format: str, seed: int) -> None:
    assert compare(records_wrapped.sample(format, seed, 1000), format).accepted > 300


@given(st.data())
def test_any_wrapped_line_counts_as_the_oracle_says(data: st.DataObject) -> None:
    format = data.draw(st.sampled_from(WRAPPED_FORMATS))
    compare(data.draw(records_wrapped.log(format)), format)


@pytest.mark.parametrize("dataset", DATASETS)
def test_measurements_are_those_of_the_oracle(dataset: str) -> None:
    table = _core.measurements(dataset)
    names = [name for name, *_ in table]
    assert names == sorted(FIELDS[dataset])
    kinds = {name: kind for name, _, kind, _ in table}
    assert {name for name, kind in kinds.items() if kind == "ratio"} == FIELDS[dataset] & RATIOS
    assert {name for name, kind in kinds.items() if kind == "seconds"} == FIELDS[dataset] & TIMES
    assert {name for name, kind in kinds.items() if kind == "histogram"} == FIELDS[dataset] & {"miss_histogram"}
    assert {name for name, *_, is_always_shown in table if is_always_shown} == (
        ALWAYS if dataset == "channel" else set()
    )
    assert all(description.endswith(".") or name == "origin_offload" for name, description, *_ in table)


# --- the border ------------------------------------------------------------------------------------------------------


def test_the_example_of_the_manual_runs() -> None:
    manual = ast.get_docstring(ast.parse(MANUAL.read_text("utf-8")))
    assert manual
    example = doctest.DocTestParser().get_doctest(manual, dict(vars(_core)), "_core.pyi", None, None)
    assert doctest.DocTestRunner().run(example) == (0, len(example.examples))
    assert len(example.examples) > 5


def test_defaults_are_those_of_the_settings() -> None:
    limits = log_sections.WindowSettings().limits
    defaults = {name: one.default for name, one in inspect.signature(_core.Window).parameters.items()}
    assert defaults == limits._asdict()
    defaults = {name: one.default for name, one in inspect.signature(_core.Fold).parameters.items()}
    records = log_sections.RecordsSettings()
    assert [defaults[name] for name in ("service_id", "pop", "max_line", "weight")] == [
        *(records.service_id, records.pop, records.max_line, records.weight)
    ]


def test_a_rejection_is_a_value() -> None:
    rejection = _core.Rejection(line=3, reason="not_json", at=0, sample=b"it's")
    assert repr(rejection) == """Rejection(line=3, reason='not_json', at=0, sample=b"it's")"""
    assert rejection == _core.Rejection(line=3, reason="not_json", at=0, sample=b"it's")
    assert rejection != _core.Rejection(line=4, reason="not_json", at=0, sample=b"it's")
    with pytest.raises(AttributeError):
        rejection.line = 4  # type: ignore[misc]
    with pytest.raises(KeyError, match="no_such_reason"):
        _core.Rejection(line=3, reason="no_such_reason", at=0, sample=b"")


# --- Fold ------------------------------------------------------------------------------------------------------------

GOOD = b'{"status":200}\n'


def test_a_report_says_what_became_of_every_line() -> None:
    folding = make_fold()
    folding.feed(GOOD + b'\n{"status":9999}\nupstream timed out\n {"a":1}x\n' + GOOD + b'{"status', NOW)
    report = folding.report()
    assert report.accepted == 2
    assert report.rejected == [("not_json", 2), ("bad_status", 1)]
    assert report.rejections == [
        _core.Rejection(line=3, reason="bad_status", at=10, sample=b'{"status":9999}'),
        _core.Rejection(line=4, reason="not_json", at=0, sample=b"upstream timed out"),
        _core.Rejection(line=5, reason="not_json", at=8, sample=b' {"a":1}x'),
    ]
    sentences = dict(_core.reasons())
    assert [one.sentence for one in report.rejections] == [sentences[one.reason] for one in report.rejections]
    # The next report has only what is new. Lines are numbered until the input ends.
    assert (folding.report().accepted, folding.report().rejected, folding.report().rejections) == (0, [], [])
    folding.finish(NOW)
    assert found(folding.report()) == [(7, "truncated")]
    folding.feed(b"x\n", NOW)
    assert found(folding.report()) == [(1, "not_json")]


def test_a_report_counts_lines_by_where_their_time_is_from() -> None:
    record = b'{"status":200}'
    lines = [b'{"status":200,"ts":9}', record, record, b"2026-11-22T04:41:06Z stdout F " + record]
    report = report_on(b"\n".join(lines))

    assert (report.accepted, report.without_time, report.with_wrapper_time) == (4, 2, 1)


def test_parts_of_a_record_go_on_in_another_fold() -> None:
    parts = [b'2026-11-22T04:41:06Z stdout P {"status":', b"2026-11-22T04:41:06Z stdout F 200}"]
    one, two, three = make_fold(), make_fold(), make_fold()
    one.feed(parts[0] + b"\n", NOW)
    two.feed(parts[0] + b"\n", NOW)
    two.resume(b"")
    three.resume(one.pending)
    three.feed(parts[1] + b"\n", NOW)

    assert (two.pending, three.pending) == (b"", b"")
    assert three.report().accepted == 1
    two.finish(NOW)
    assert two.report().rejected == []


def test_a_report_counts_unknown_cache_words() -> None:
    lines = b"".join(
        b'{"status":200,"cache":"%b"}\n' % word for word in (b"HIT", b"so-so", b"so-so", b"a\\u0062", b"-")
    )
    assert report_on(lines).unknown_cache_words == [("so-so", 2), ("ab", 1)]


def test_the_test_line_of_cloudflare_is_neither_accepted_nor_rejected() -> None:
    report = report_on(b'{"content":"tests"}\n', format="cloudflare")
    assert (report.accepted, report.rejected) == (0, [])
    assert report_on(b'{"content":"tests"}\n').rejected == [("no_part", 1)]


@pytest.mark.parametrize(
    ("format", "problem"),
    [
        ("squid", "unknown format 'squid' (expected one of: canonical, caddy, cloudflare, cloudfront, traefik)"),
        ("caddy:ts", "caddy has no columns to choose (expected just: caddy)"),
        ("cloudfront:", "cloudfront has no field '' (use - for a column to ignore)"),
        ("cloudfront:sc-status,x", "cloudfront has no field 'x' (use - for a column to ignore)"),
        ("cloudfront:timestamp,-", "cloudfront needs the column sc-status"),
    ],
)
def test_an_unknown_format_is_an_error_that_says_why(format: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        make_fold(format=format)


def test_a_report_describes_the_first_ten_rejections() -> None:
    report = report_on(b"x" * 3000 + b"\n" + b"y\n" * 20)
    assert report.rejected == [("not_json", 21)]
    assert [one.line for one in report.rejections] == list(range(1, 11))
    assert [one.sample for one in report.rejections] == [b"x" * 1024] + [b"y"] * 9


def test_every_reason_has_a_sentence() -> None:
    reasons = _core.reasons()
    assert [code for code, _ in reasons] == [
        *(
            "compressed",
            "too_long",
            "not_json",
            "truncated",
            "bad_columns",
            "other_log",
            "bad_weight",
            "bad_service_id",
        ),
        *("foreign_service", "no_part", "bad_status", "bad_ts", "too_old", "too_new"),
    ]
    assert len({sentence for _, sentence in reasons}) == 14


PACKED = {
    "gzip": gzip.compress(GOOD),
    "zstd": b"\x28\xb5\x2f\xfd" + GOOD,
    "xz": lzma.compress(GOOD),
    "bzip2": bz2.compress(GOOD),
    "lz4": b"\x04\x22\x4d\x18" + GOOD,
    "zlib": zlib.compress(GOOD),
}


@pytest.mark.parametrize("format", ["canonical", "cloudfront"])
@pytest.mark.parametrize("framing", get_args(Framing))
@pytest.mark.parametrize("name", PACKED)
def test_compressed_data_is_named_as_what_it_is(name: str, framing: Framing, format: str) -> None:
    data = PACKED[name].replace(b"\n", b"") + b"\n" + b"y\n"

    report = report_on(data, framing=framing, format=format)

    first = report.rejections[0]
    assert (first.reason, first.at) == ("compressed", 0)
    assert first.sentence == f"{name}-compressed data: expected lines of text"


def test_what_follows_in_compressed_data_is_compressed_too() -> None:
    packed = gzip.compress(b"".join(b'{"status":%d,"url":"%d"}\n' % (200 + at % 99, at * at) for at in range(20_000)))
    assert packed.count(b"\n") > 100

    report = report_on(GOOD + packed + b"\n" + b"some text\n" + GOOD)

    assert report.accepted == 2
    reasons = dict(report.rejected)
    assert reasons["compressed"] > 0.95 * sum(reasons.values())
    assert reasons["not_json"] >= 1


def test_compressed_data_without_a_newline_is_named_too() -> None:
    report = report_on(b"\x1f\x8b" + b"x" * 10_000, max_line=2000)

    assert report.rejected == [("compressed", 1)]


def test_records_of_foreign_services_are_rejected_however_these_are_written() -> None:
    lines = b"""\
{"status":200,"service_id":"mine"}
{"status":200,"service_id":"theirs"}
{"status":200}
{"status":200,"service_id":"mine","pop":"AMS"}
{"status":200,"service_id":" mine "}
{"status":200,"service_id":"th\\u0065irs","pop":"AMS"}
{"status":200,"service_id":"theirs"}
{"status":200,"service_id":"Mine"}
{"status":200,"service_id":"min"}
{"status":200,"service_id":"m\\u0069ne"}
"""
    folding = folded(lines, services=["mine", "ours"])
    report = folding.report()

    assert report.rejected == [("foreign_service", 6)]
    assert [(one.line, one.at) for one in report.rejections] == [(2, 28), (3, 0), (6, 28), (7, 28), (8, 28), (9, 28)]
    assert {entry["service_id"] for entry in entries_of(folding.drain())} == {"mine"}
    assert report.accepted == 4


def test_foreign_services_are_rejected_after_a_drain_too() -> None:
    folding = make_fold(services=["default"])
    for _ in range(2):
        folding.feed(GOOD + b'\n{"status":200,"service_id":"theirs"}\n', NOW)
        assert folding.report().rejected == [("foreign_service", 1)]
        assert {entry["service_id"] for entry in entries_of(folding.drain())} == {"default"}


def test_without_an_allowed_service_nothing_counts() -> None:
    assert report_on(GOOD, services=[]).rejected == [("foreign_service", 1)]


@pytest.mark.parametrize("cut", [0, 1, 7, 20, 21, 22, 30])
@pytest.mark.parametrize(("longer", "rejected"), [(0, []), (1, [("too_long", 1)])])
def test_max_line_does_not_include_the_newline(cut: int, longer: int, rejected: list[tuple[str, int]]) -> None:
    line = b'{"status":200,"a":"' + b"x" * longer + b'"}'
    folding = make_fold(max_line=21)
    data = line + b"\n" + GOOD
    folding.feed(data[:cut], NOW)
    folding.feed(data[cut:], NOW)
    report = folding.report()
    assert (report.accepted, report.rejected) == (2 - longer, rejected)
    assert [(one.line, one.at, one.sample) for one in report.rejections] == [(1, 21, line)] * longer


@pytest.mark.parametrize(("kept", "max_line"), [(1500, 2000), (1024, 1000)])
def test_a_line_without_an_end_is_kept_only_up_to_its_limit(kept: int, max_line: int) -> None:
    folding = make_fold(max_line=max_line)
    for _ in range(3):
        folding.feed(b"x" * 1500, NOW)
    assert folding.unfinished == kept
    folding.finish(NOW)
    assert folding.unfinished == 0
    assert folding.report().rejected == [("too_long", 1)]


@pytest.mark.parametrize(
    ("bounds", "second", "rejected"),
    [
        ({"max_lateness": 120}, NOW - 120, []),
        ({"max_lateness": 120}, NOW - 121, [("too_old", 1)]),
        ({"max_lateness": 0}, NOW - 1, [("too_old", 1)]),
        ({"max_lateness": 2**64 - 1}, 0, []),
        ({"max_ahead": 5}, NOW + 5, []),
        ({"max_ahead": 5}, NOW + 6, [("too_new", 1)]),
        ({"max_ahead": 5}, NOW - 999, []),
        ({}, 0, []),
        ({}, NOW + 999_999, []),
    ],
)
def test_records_lie_within_the_limits_around_now(
    bounds: Options, second: int, rejected: list[tuple[str, int]]
) -> None:
    report = report_on(b'{"status":200,"ts":%d.999}' % second, **bounds)
    assert (report.accepted, report.rejected) == (1 - len(rejected), rejected)
    if rejected:
        assert report.rejections[0].at == len('{"status":200,"ts":')


def test_a_record_outside_the_limits_is_rejected_with_its_distance_and_the_limit() -> None:
    wrapped = b'1970-01-01T00:00:09Z stdout F {"status":200}\n'
    lines = b"".join(b'{"status":200,"ts":%s}\n' % ts for ts in (b"%d" % (NOW - 121), b'"x"', b"%d" % (NOW + 6)))

    report = report_on(wrapped + lines, max_lateness=120, max_ahead=5)

    assert [one.sentence for one in report.rejections] == [
        f"ts is {NOW - 9} s back, more than records.max_lateness (120 s): look for delayed lines or a wrong clock",
        "ts is 121 s back, more than records.max_lateness (120 s): look for delayed lines or a wrong clock",
        dict(_core.reasons())["bad_ts"],
        "ts is 6 s ahead, more than records.max_ahead (5 s): check the edge's clock",
    ]


def test_a_rejection_without_its_distance_says_the_limit() -> None:
    for reason, setting in (("too_old", "records.max_lateness"), ("too_new", "records.max_ahead")):
        assert setting in _core.Rejection(line=1, reason=reason, at=0, sample=b"").sentence


def test_defaults_hold_for_records_that_do_not_say() -> None:
    folding = _core.Fold(service_id="shop", pop="fra")
    folding.feed(GOOD + b'{"status":204,"service_id":"-","pop":""}\n', NOW)
    (sealed,) = seal_all([folding.drain()])
    assert (sealed.service_id, sealed.second, sealed.records) == ("shop", NOW, 2)
    assert list(json.loads(sealed.entry("domains"))["datacenter"]) == ["fra"]


ELEMENTS = [
    b'{"status":200,"domain":"a.example","ua":"],[}{\\"\\\\"}',
    b'{\n"status"\n:404 ,"x":[[1,2],{"y":"]"}] }',
    b'"a record"',
    b'{"status":200,"ua":"a\nb"}',
    b"7",
    b'{"origins":[{"ip":"10.0.0.1","status":200},{"ip":"10.0.0.2","status":502}]}',
    b"{}",
]


@pytest.mark.parametrize("separator", [b",", b" ,\n ", b",\r\n\t"])
def test_an_array_counts_like_its_elements_wherever_it_is_cut(separator: bytes) -> None:
    array = b"[" + separator.join(ELEMENTS) + b"]\n"
    as_lines = b"\n".join(element.replace(b"\n", b" ") for element in ELEMENTS)
    wanted_report, wanted = report_on(as_lines), entries_of(partial_of(as_lines))
    for cut in range(len(array) + 1):
        folding = make_fold(framing="arrays")
        folding.feed(array[:cut], NOW)
        folding.feed(array[cut:], NOW)
        folding.finish(NOW)
        report = folding.report()
        assert (report.accepted, report.rejected) == (4, wanted_report.rejected), cut
        assert found(report) == found(wanted_report), cut
        assert entries_of(folding.drain()) == wanted, cut


def test_a_truncated_array_is_one_rejection_and_its_complete_elements_count() -> None:
    array = b" [" + b" ,\n ".join(ELEMENTS) + b"]"
    ends = [array.index(element) + len(element) for element in ELEMENTS]
    counts = [report_on(element.replace(b"\n", b" ")).accepted for element in ELEMENTS]
    for cut in range(2, len(array)):
        came = sum(end <= cut for end in ends)
        report = report_on(array[:cut], framing="arrays")
        assert report.accepted == sum(counts[:came]), cut
        assert dict(report.rejected)["truncated"] == 1, cut
        # The rejection is at the missing element, or the one after an element that is invalid itself.
        (cut_off,) = [one.line for one in report.rejections if one.reason == "truncated"]
        assert cut_off - came in (1, 2), cut


@pytest.mark.parametrize(
    ("accepted", "rejected", "array"),
    [
        (0, [(1, "truncated")], b"["),
        (0, [(1, "truncated")], b"\n [ \n "),
        (1, [(2, "truncated")], b'[{"status":200}'),
        (1, [(2, "truncated")], b'[{"status":200},'),
        (1, [(2, "truncated")], b'[{"status":200}, \n'),
        (1, [(2, "truncated")], b'[{"status":200},{"status":'),
        (0, [(1, "bad_status"), (2, "truncated")], b'[{"status":9999}'),
        # An extra brace leaves the array open; brackets of the other kind do not close it.
        (1, [(1, "not_json")], b'[{"status":200}},{"status":200}]'),
        (1, [(2, "truncated")], b'[{"status":200,"x":{[}}'),
        (1, [], b'[{"status":200}]\r\n \t'),
        (1, [(2, "not_json")], b'[{"status":200}]]'),
        # Other arrays may follow, as several lines with one each.
        (3, [], b'[{"status":200}]\n[{"status":200}]\n[{"status":200}]'),
        (2, [(3, "truncated")], b'[{"status":200}]\n[{"status":200},'),
        # So may records, from there on as lines.
        (3, [], b'[{"status":200}]\n[{"status":200}]\n' + GOOD),
        (4, [], b'[{"status":200}]' + GOOD * 3),
        (3, [(3, "not_json")], b'[{"status":200}]\r\n' + GOOD + b"x\n" + GOOD),
        (1, [(2, "not_json")], b'[{"status":200}]' + b"x" * 600_000),
    ],
)
def test_how_an_array_may_end(accepted: int, rejected: list[tuple[int, str]], array: bytes) -> None:
    for cut in range(min(len(array), 60)):
        folding = make_fold(framing="arrays")
        folding.feed(array[:cut], NOW)
        folding.feed(array[cut:], NOW)
        folding.finish(NOW)
        report = folding.report()
        assert (report.accepted, found(report)) == (accepted, rejected), cut


def test_data_after_an_array_is_shown_from_its_start() -> None:
    (rejection,) = report_on(b"[]\n 7" + b"x" * 2000, framing="arrays").rejections
    assert (rejection.line, rejection.reason, rejection.sample) == (2, "not_json", b"7" + b"x" * 1023)
    assert rejection.sentence == "data after the end of the array: expected records or other arrays"


def test_elements_are_counted_from_the_bracket() -> None:
    folding = make_fold(framing="arrays")
    folding.feed(b"\n", NOW)
    folding.feed(b"[-7]", NOW)
    assert [one.line for one in folding.report().rejections] == [1]


@pytest.mark.parametrize(
    ("accepted", "framing", "data"),
    [
        (2, "arrays", GOOD * 2),
        (2, "arrays", b" \n\t" + GOOD * 2),
        (1, "lines", b"[" + GOOD.rstrip() + b"]"),
        (0, "arrays", b"[]"),
    ],
)
def test_only_a_bracket_starts_an_array(accepted: int, framing: Framing, data: bytes) -> None:
    assert report_on(data, framing=framing).accepted == accepted


@pytest.mark.parametrize(
    ("accepted", "data"),
    [
        (1, b"<190>Nov 22 02:20:35 vm edge: " + GOOD),
        (1, b'<134>1 2026-11-22T02:28:47.9+00:00 vm edge - - [timeQuality tzKnown="1" isSynced="0"] ' + GOOD),
        (1, GOOD),
        (1, GOOD.rstrip() + b"\n\n"),
        (1, GOOD.rstrip() + b"\0\n"),
        (0, b"127.0.0.1:42962 [22/Nov/2026:02:59:36.631] fe/2: SSL handshake failure\n"),
    ],
)
def test_a_datagram_may_have_a_syslog_header(accepted: int, data: bytes) -> None:
    assert report_on(data, framing="datagrams").accepted == accepted


def test_a_stream_may_count_octets() -> None:
    message = b"<134>1 2026-11-22T02:54:36.525820+00:00 - haproxy 32342 - - " + GOOD.rstrip()
    counted = b"%d %b" % (len(message), message)
    data = counted * 3 + message + b"\n" + counted
    for cut in range(len(data)):
        folding = make_fold(framing="stream")
        folding.feed(data[:cut], NOW)
        folding.feed(data[cut:], NOW)
        folding.finish(NOW)
        assert folding.report().accepted == 5, cut


def test_each_input_is_an_array_or_lines() -> None:
    folding = make_fold(framing="arrays")
    for data in (b"[" + GOOD + b"]", GOOD, b"[" + GOOD + b"," + GOOD + b"]"):
        folding.feed(data, NOW)
        folding.finish(NOW)
    assert folding.report().accepted == 4


def test_a_drain_takes_all_rows_and_keeps_the_unfinished_line() -> None:
    folding = make_fold()
    assert (folding.size, folding.unfinished, folding.drain()) == (0, 0, b"")
    folding.feed(GOOD + GOOD[:5], NOW)
    assert folding.size > 0
    assert folding.unfinished == 5
    first = folding.drain()
    assert (folding.size, folding.unfinished, folding.drain()) == (0, 5, b"")
    folding.feed(GOOD[5:], NOW)
    assert folding.drain() == first


def test_a_service_id_is_rejected_however_long_it_is() -> None:
    report = report_on(b'{"status":200,"service_id":"' + b"s" * 4097 + b'"}')
    assert report.rejected == [("bad_service_id", 1)]


def test_a_fold_checks_the_types_of_its_arguments() -> None:
    with pytest.raises(TypeError):
        _core.Fold("service", "pop")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        make_fold().feed("text", NOW)  # type: ignore[arg-type]
    for second in (-1, 2**64):
        with pytest.raises(OverflowError):
            make_fold().feed(GOOD, second)


# --- Window and Sealed -----------------------------------------------------------------------------------------------


def test_a_merge_returns_records_and_late_records_by_service() -> None:
    data = b"".join(
        b'{"status":200,"weight":10,"service_id":"%s","pop":"%s","ts":%d}\n' % (service, pop, second)
        for service, pop, second in [(b"b", b"p", 4), (b"b", b"q", 5), (b"a", b"p", 6), (b"b", b"p", 6)]
    )
    window = make_window()
    assert sorted(window.merge(partial_of(data))) == [("a", 1, 0), ("b", 3, 0)]
    assert [(sealed.second, sealed.service_id, sealed.records) for sealed in window.seal(5)] == [
        (4, "b", 1),
        (5, "b", 1),
    ]
    assert window.sealed == 5
    assert sorted(window.merge(partial_of(data))) == [("a", 1, 0), ("b", 3, 2)]
    assert window.seal(5) == window.seal(0) == []
    assert window.sealed == 5
    # Late records count in the oldest open second.
    assert [(sealed.second, sealed.service_id, sealed.records) for sealed in window.seal(6)] == [
        (6, "a", 2),
        (6, "b", 4),
    ]


def test_a_second_without_traffic_is_sealed_and_shows_nothing() -> None:
    window = make_window()
    before = window.sealed
    assert window.seal(7) == []
    assert (before, window.sealed) == (None, 7)


@pytest.mark.parametrize(
    ("message", "damage"),
    [
        pytest.param(
            "expected a partial of version 1 to 2, got version 9", lambda partial: b"\x09" + partial[1:], id="version"
        ),
        pytest.param("^partial damaged at byte 0$", lambda _: b"", id="empty"),
        pytest.param("^partial damaged at byte", lambda partial: partial[:-1], id="cut off"),
        pytest.param("^partial damaged at byte", lambda partial: partial + b"\xff", id="data after its end"),
    ],
)
def test_a_damaged_partial_is_an_error_and_changes_nothing(message: str, damage: Callable[[bytes], bytes]) -> None:
    partial = partial_of(GOOD)
    window = make_window()
    window.merge(partial)
    with pytest.raises(ValueError, match=message):
        window.merge(damage(partial))
    (sealed,) = window.seal(END)
    assert sealed.records == 1
    assert sealed.entry("domains") == seal_all([partial])[0].entry("domains")


def test_an_unknown_dataset_is_a_key_error() -> None:
    (sealed,) = seal_all([partial_of(GOOD)])
    for call in (sealed.has, sealed.entry, _core.measurements):
        with pytest.raises(KeyError, match="channels"):
            call("channels")


def test_a_sealed_second_says_which_datasets_have_traffic() -> None:
    (sealed,) = seal_all([partial_of(GOOD)])
    assert [sealed.has(dataset) for dataset in DATASETS] == [True, True, False, False]
    assert json.loads(sealed.entry("origins")) == {"recorded": NOW, "aggregated": {}, "datacenter": {}}
    assert sealed.size > 0


def test_an_entry_is_in_alphabetical_order_without_zeros_or_blanks() -> None:
    data = b"".join(
        b'{"status":200,"cache":"%s","pop":"%s","domain":"%s"}\n' % line
        for line in [(b"HIT", b"lhr", b"b.example"), (b"MISS", b"ams", b"b.example"), (b"HIT", b"lhr", b"a.example")]
    )
    (sealed,) = seal_all([partial_of(data)])
    counted = '"edge_requests":1,"requests":1,"status_200":1,"status_2xx":1}'
    hit = '{"edge_hit_ratio":1.0,"edge_hit_requests":1,' + counted
    miss = '{"edge_miss_requests":1,' + counted
    both = '{"edge_hit_ratio":0.5,"edge_hit_requests":1,"edge_miss_requests":1,' + counted.replace(":1", ":2")
    assert sealed.entry("domains").decode() == (
        f'{{"recorded":{NOW},"aggregated":{{"a.example":{hit},"b.example":{both}}},'
        f'"datacenter":{{"ams":{{"b.example":{miss}}},"lhr":{{"a.example":{hit},"b.example":{hit}}}}}}}'
    )


def test_keys_beyond_a_limit_count_under_other() -> None:
    data = b"".join(b'{"status":200,"domain":"d%d.example"}\n' % number for number in range(5))
    (sealed,) = seal_all([partial_of(data)], domains=2)
    shown = json.loads(sealed.entry("domains"))["aggregated"]
    assert {name: counters["requests"] for name, counters in shown.items()} == {
        "d0.example": 1,
        "d1.example": 1,
        "_other": 3,
    }
    assert (sealed.records, sealed.overflowed) == (5, 3)


def test_services_beyond_the_limit_count_under_other() -> None:
    data = b"".join(b'{"status":200,"service_id":"s%d"}\n' % number for number in range(4))
    assert [(sealed.service_id, sealed.records) for sealed in seal_all([partial_of(data)], services=3)] == [
        ("_other", 1),
        ("s0", 1),
        ("s1", 1),
        ("s2", 1),
    ]


@given(st.lists(st.tuples(records.log(), st.integers(0, 3)), max_size=3))
@settings(max_examples=30)
def test_freezing_changes_no_entry(logs: list[tuple[bytes, int]]) -> None:
    window, frozen = make_window(), make_window()
    for data, keep in logs:
        partial = partial_of(data)
        if partial:
            assert window.merge(partial) == frozen.merge(partial)
        frozen.freeze(keep)
    one, other = window.seal(END), frozen.seal(END)
    assert [sealed.records for sealed in one] == [sealed.records for sealed in other]
    for dataset in DATASETS:
        assert [sealed.entry(dataset) for sealed in one] == [sealed.entry(dataset) for sealed in other]
