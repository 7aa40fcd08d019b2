"""What `edgetally fold` prints."""

import gzip
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

from edgetally.cli import fold as cli
from edgetally.config.validation import check
from edgetally.errors import ConfigError
from edgetally.model import reasons

NOW = 1_763_769_600
GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.log"))
LINE = b'{"ts":1763769600,"domain":"a.example","status":200}\n'
REASONS = dict(reasons())


class Printed:
    """What `edgetally fold` prints of files."""

    def __init__(self, *files: Path | str, settings: dict[str, Any] | None = None) -> None:
        out, errors = io.BytesIO(), io.StringIO()
        names = [str(file) for file in files]
        self.status = cli.fold(names, check(settings or {}), threads=1, now=NOW, out=out, errors=errors)
        self.out = out.getvalue()
        self.errors = errors.getvalue().splitlines()


def write(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("log", GOLDEN, ids=[path.stem for path in GOLDEN])
def test_the_golden_entries_are_printed(log: Path) -> None:
    assert Printed(log).out == log.with_suffix(".jsonl").read_bytes()


def test_the_last_line_says_how_many_lines_were_accepted(tmp_path: Path) -> None:
    one = write(tmp_path / "1.log", LINE, LINE[:-1])
    two = write(tmp_path / "2.log", LINE)

    assert Printed(one, two).errors == ["3 lines accepted, 0 rejected"]
    assert Printed(two).errors == ["1 line accepted, 0 rejected"]


def test_lines_of_other_logs_and_lines_without_a_time_are_summed_up(tmp_path: Path) -> None:
    other_log = b'{"level":"error","ts":1,"logger":"http.log.error","msg":"x"}\n'
    caddy = b'{"request":{"host":"a.example"},"status":200}\n'
    printed = Printed(write(tmp_path / "a.log", other_log * 3, caddy * 12), settings={"records": {"format": "caddy"}})

    assert printed.status == 0
    assert printed.errors == [
        "12 lines accepted, 0 rejected",
        "3 lines of other logs",
        "12 lines had no time, counted in the current second",
    ]


CADDY = b'{"ts":1763769600,"logger":"http.log.access","request":{"host":"a.example"},"status":200}\n'


def test_a_log_in_another_format_is_named(tmp_path: Path) -> None:
    right, wrong = write(tmp_path / "a.log", LINE), write(tmp_path / "b.log.gz", gzip.compress(CADDY * 3))

    assert Printed(right, wrong).errors == [
        f"{wrong}: lines look like format caddy, and are read as canonical: pass --format caddy",
        "4 lines accepted, 0 rejected",
    ]
    assert Printed(wrong, right, settings={"records": {"format": "caddy"}}).errors == ["4 lines accepted, 0 rejected"]


def test_standard_input_is_a_dash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(LINE * 3))))

    assert Printed(write(tmp_path / "a.log", LINE), "-").errors == ["4 lines accepted, 0 rejected"]


def test_standard_input_can_be_read_once() -> None:
    with pytest.raises(ConfigError, match="-: standard input can be read only once"):
        Printed("-", "-")


def test_a_missing_file_is_named_before_anything_is_read(tmp_path: Path) -> None:
    there = write(tmp_path / "a.log", LINE)

    with pytest.raises(ConfigError) as raised:
        Printed(there, tmp_path / "b.log")

    assert (raised.value.where, raised.value.problem) == (str(tmp_path / "b.log"), "No such file or directory")


def test_a_directory_is_not_a_log(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        Printed(tmp_path)


def test_an_unknown_format_is_named_as_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^records.format: unknown format 'nginks'"):
        Printed(write(tmp_path / "a.log", LINE), settings={"records": {"format": "nginks"}})


def test_settings_hold(tmp_path: Path) -> None:
    log = write(tmp_path / "a.log", LINE, LINE.replace(b"a.example", b"b.example"))
    records = {"service_id": "shop", "pop": "AMS", "weight": 3, "max_line": 1024}

    out = Printed(log, settings={"records": records, "window": {"max_domains": 1}}).out

    assert out.startswith(b'{"service_id":"shop","dataset":"channel","recorded":1763769600,"aggregated":{"all_status_2')
    assert b'{"service_id":"shop","dataset":"domains","recorded":1763769600,"aggregated":{"_other":' in out
    assert b'"datacenter":{"AMS":{"_other":{' in out
    assert b'"requests":3' in out


def test_rejected_lines_and_their_number_are_printed(tmp_path: Path) -> None:
    one = write(tmp_path / "1.log", LINE, b"nonsense\n", b"\n", b'{"status":9999}\n')
    two = write(tmp_path / "2.log", b'{"domain":"a.example"}\n', LINE, b'{"status":2')

    assert Printed(one, two).errors == [
        f"{one}:2: not_json: {REASONS['not_json']} (byte 0): nonsense",
        f'{one}:4: bad_status: {REASONS["bad_status"]} (byte 10): {{"status":9999}}',
        f'{two}:1: no_part: {REASONS["no_part"]} (byte 0): {{"domain":"a.example"}}',
        f'{two}:3: truncated: {REASONS["truncated"]} (byte 11): {{"status":2',
        "2 lines accepted, 4 rejected: 1 bad_status, 1 no_part, 1 not_json, 1 truncated",
    ]


def test_a_damaged_file_is_named_and_counts_as_far_as_it_was_read(tmp_path: Path) -> None:
    cut_off = write(tmp_path / "1.log", gzip.compress(LINE)[:-3])
    good = write(tmp_path / "2.log", LINE)
    size = cut_off.stat().st_size

    printed = Printed(cut_off, good)

    assert printed.errors == [
        f"{cut_off}: the gzip stream is cut off after byte {size} (what could be read counts)",
        "2 lines accepted, 0 rejected",
    ]
    assert printed.status == 2


def test_unknown_cache_words_are_printed_most_frequent_first(tmp_path: Path) -> None:
    lines = [b'{"ts":1763769600,"status":200,"cache":"%b"}\n' % word for word in (b"maybe", b"perhaps", b"maybe")]

    assert Printed(write(tmp_path / "a.log", *lines)).errors == [
        "3 lines accepted, 0 rejected",
        "unknown cache words, counted as neither hit nor miss: 'maybe' (2), 'perhaps' (1)",
    ]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        pytest.param(LINE, 0, id="something was accepted"),
        pytest.param(LINE + b"nonsense\n", 0, id="something was accepted, and something rejected"),
        pytest.param(b"nonsense\n", 1, id="everything was rejected"),
        pytest.param(b"", 1, id="the log is empty"),
        pytest.param(b"\n\n", 1, id="there are only blank lines"),
        pytest.param(b'{"status":200,"ts":1}\n', 0, id="something very old"),
        pytest.param(b'{"status":200,"ts":9999999999}\n', 0, id="something from the future"),
    ],
)
def test_the_exit_status_says_whether_anything_was_accepted(lines: bytes, status: int, tmp_path: Path) -> None:
    assert Printed(write(tmp_path / "a.log", lines)).status == status


# --- progress ------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("errors", "shows"), [(Terminal(), True), (io.StringIO(), False)], ids=["terminal", "file"])
def test_progress_is_shown_on_terminals_only(
    errors: io.StringIO, *, shows: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As if a second had passed already.
    monkeypatch.setattr("tqdm.tqdm", lambda **how: tqdm(**(how | {"delay": 0})))
    path = write(tmp_path / "a.log", LINE)

    cli.fold([str(path)], check({}), threads=1, now=NOW, out=io.BytesIO(), errors=errors)

    assert ("%|" in errors.getvalue()) == shows
    assert errors.getvalue().splitlines()[-1].endswith("1 line accepted, 0 rejected")
