"""Whole logs folded at once."""

import gzip
import json
import os
import random
import resource
import sys
import threading
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgetally
from edgetally import _core
from edgetally.model import Defaults, KeyLimits, reasons
from edgetally.offline import inputs, ordered_merge, parallel_fold
from edgetally.offline.inputs import inputs_of
from edgetally.offline.parallel_fold import REGION, SMALLEST_REGION, ParallelFold, regions
from tests.support import oracle
from tests.support.oracle_fields import RATIOS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOW = 1_763_769_600
GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.log"))
LINE = b'{"ts":1763769600,"domain":"a.example","status":200}\n'

REASONS = dict(reasons())
Change = Callable[[bytes], bytes]

golden = pytest.mark.parametrize("log", GOLDEN, ids=[path.stem for path in GOLDEN])


class Folded:
    """Files, folded."""

    def __init__(self, *files: Path | str, threads: int = 1, **options: Any) -> None:  # noqa: ANN401 - of `fold`
        self.result = edgetally.fold(list(files), now=NOW, threads=threads, allow_damaged=True, **options)

    @cached_property
    def out(self) -> bytes:
        """What `edgetally fold` prints."""
        return b"".join(self.result.json_lines())

    @property
    def lines(self) -> tuple[object, ...]:
        """What became of the lines."""
        found = self.result
        return found.accepted, found.rejected, found.rejections, found.unknown_cache_words, found.damaged

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def requests(self) -> int:
        """Requests in all, by what the entries show."""
        return sum(
            counts["requests"]
            for entry in self.entries
            if entry["dataset"] == "domains"
            for counts in entry["aggregated"].values()
        )


def write(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


# --- entries ---------------------------------------------------------------------------------------------------------


@golden
def test_a_log_folds_to_its_golden_entries(log: Path) -> None:
    found = Folded(log).out
    path = log.with_suffix(".jsonl")
    if os.environ.get("EDGETALLY_REWRITE") == "1":
        path.write_bytes(found)

    assert found == path.read_bytes(), "if the new entries are right: EDGETALLY_REWRITE=1 pytest tests/offline"


@golden
def test_golden_entries_are_those_of_the_oracle(log: Path) -> None:
    expected = oracle.fold(log.read_bytes(), service_id="default", pop="local", now=NOW)
    folded = Folded(log)

    def order(entry: dict[str, Any]) -> tuple[str, str, int]:
        return entry["service_id"], entry["dataset"], entry["recorded"]

    assert folded.entries == sorted(expected.entries, key=order)
    assert folded.result.accepted == expected.accepted
    assert folded.result.rejected.total() == len(expected.rejected)


@golden
def test_the_order_of_lines_does_not_matter(log: Path, tmp_path: Path) -> None:
    # The last line of a log may lack its newline.
    lines = [line.removesuffix(b"\n") + b"\n" for line in log.read_bytes().splitlines(keepends=True)]
    random.Random(3).shuffle(lines)  # noqa: S311 - an order, not a secret

    assert Folded(write(tmp_path / "shuffled.log", *lines)).out == Folded(log).out


@golden
def test_entries_are_sorted_by_service_dataset_and_second(log: Path) -> None:
    keys = [(entry["service_id"], entry["dataset"], entry["recorded"]) for entry in Folded(log).entries]

    assert keys == sorted(set(keys))


@golden
def test_a_printed_entry_is_one_compact_object_with_its_members_in_order(log: Path) -> None:
    for line in Folded(log).out.splitlines():
        entry = json.loads(line)
        assert list(entry) == ["service_id", "dataset", "recorded", "aggregated", "datacenter"]
        assert json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode() == line


@golden
def test_the_sum_over_pops_is_the_aggregate(log: Path) -> None:
    for entry in Folded(log).entries:
        sums: dict[str, dict[str, int]] = {}
        for keys in entry["datacenter"].values():
            for path, value in leaves(keys):
                counts = sums.setdefault("/".join(path[:-1]), {})
                counts[path[-1]] = counts.get(path[-1], 0) + value
        aggregated: dict[str, dict[str, int]] = {}
        for path, value in leaves(entry["aggregated"]):
            aggregated.setdefault("/".join(path[:-1]), {})[path[-1]] = value

        assert sums == aggregated


def leaves(tree: dict[str, Any], *above: str) -> Iterable[tuple[tuple[str, ...], int]]:
    """Yield path and value of every counter; ratios do not add up."""
    for name, below in tree.items():
        if isinstance(below, dict):
            yield from leaves(below, *above, name)
        elif name not in RATIOS:
            yield (*above, name), below


# --- inputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda data: data, id="plain"),
        pytest.param(gzip.compress, id="gzip"),
        pytest.param(zstd.compress, id="zstd"),
        pytest.param(lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]), id="gzip after gzip"),
        pytest.param(lambda data: zstd.compress(data[:1000]) + zstd.compress(data[1000:]), id="zstd after zstd"),
    ],
)
def test_compressed_files_are_decompressed(pack: Change, tmp_path: Path) -> None:
    log = next(path for path in GOLDEN if path.stem == "days")
    # The name does not give the compression away.
    packed = write(tmp_path / "access.log.1", pack(log.read_bytes()))

    assert Folded(packed).out == Folded(log).out


def test_several_files_are_one_log(tmp_path: Path) -> None:
    for path in GOLDEN:
        lines = path.read_bytes().splitlines(keepends=True)
        parts = [lines[:1], [], lines[1:3], lines[3:]]
        files = [write(tmp_path / f"{path.stem}.{number}", *part) for number, part in enumerate(parts)]

        assert Folded(*files).out == Folded(path).out


def test_a_file_whose_last_line_has_no_newline_is_not_joined_with_the_next(tmp_path: Path) -> None:
    one = write(tmp_path / "1.log", LINE, LINE[:-1])
    two = write(tmp_path / "2.log", LINE)

    folded = Folded(one, two)

    assert (folded.result.accepted, folded.requests) == (3, 3)
    assert folded.result.rejected.total() == 0


def test_there_may_be_more_files_than_may_be_open_at_once(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{number}.log", LINE) for number in range(100)]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (80, before[1]))
    try:
        assert Folded(*files).requests == 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[gzip.compress(LINE * 3)])
    writer.start()

    folded = Folded(pipe)
    writer.join()

    assert folded.requests == 3


def test_a_record_without_a_time_counts_now(tmp_path: Path) -> None:
    entries = Folded(write(tmp_path / "a.log", b'{"status":200}')).entries

    assert [(entry["dataset"], entry["recorded"]) for entry in entries] == [("channel", NOW), ("domains", NOW)]


# --- memory ----------------------------------------------------------------------------------------------------------


def days(count: int) -> list[bytes]:
    """Make lines over some days, in order."""
    chance = random.Random(4)  # noqa: S311 - traffic, not secrets
    return [
        b'{"ts":%d,"service_id":"s%d","domain":"d%d.example","status":200,"origin":"o%d","origin_status":200}\n'
        % (NOW + number * 86_400 // 500, chance.randrange(2), chance.randrange(3), chance.randrange(3))
        for number in range(count * 500)
    ]


def delayed(lines: list[bytes]) -> list[bytes]:
    """Delay one line in ten, some by days."""
    chance = random.Random(5)  # noqa: S311 - an order, not a secret
    position = {
        number: number + (int(chance.expovariate(0.002)) if chance.random() < 0.1 else 0)
        for number in range(len(lines))
    }
    return [lines[number] for number in sorted(position, key=lambda number: position[number])]


def backwards(lines: list[bytes]) -> list[bytes]:
    return lines[::-1]


@pytest.mark.parametrize("order", [list, delayed, backwards], ids=["sorted", "nearly sorted", "backwards"])
@pytest.mark.parametrize("kept", [0, 1, 2], ids=["none", "one", "two"])
def test_freezing_seconds_early_changes_no_entry(
    order: Callable[[list[bytes]], list[bytes]], kept: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write(tmp_path / "days.log", *order(days(4)))
    expected = Folded(path)
    assert expected.requests == 2_000

    monkeypatch.setattr(inputs, "BLOCK", 10_000)
    monkeypatch.setattr(parallel_fold, "MERGE_BYTES", 1)
    monkeypatch.setattr(ordered_merge, "OPEN_SECONDS", kept)

    assert Folded(path).out == expected.out


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("ended", [b"", b"\n"])
def test_the_number_of_threads_does_not_matter(
    threads: int, ended: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    golden_lines = b"\n".join(path.read_bytes().rstrip(b"\n") for path in GOLDEN).splitlines()
    random.Random(1).shuffle(golden_lines)  # noqa: S311 - any order will do
    # Lines of all lengths, blank ones and one longer than a region included, so that regions end anywhere in a line.
    lines = [*golden_lines, b"", b'{"status":200,"x":"%b"}' % (b"y" * 5_000), *golden_lines, b"no record"]
    log = write(tmp_path / "log", b"\n".join(lines), ended)
    want = Folded(log)
    monkeypatch.setattr(parallel_fold, "SHARED", 0)
    for region, block in [(1_000, 300), (997, 5_000), (4_096, 64), (1 << 20, 300)]:
        monkeypatch.setattr(parallel_fold, "REGION", region)
        monkeypatch.setattr(inputs, "BLOCK", block)
        got = Folded(log, threads=threads)
        assert (want.out, want.lines) == (got.out, got.lines)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_merging_while_others_fold_changes_no_entry(
    threads: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = write(tmp_path / "log", *days(4))
    want = Folded(log)
    monkeypatch.setattr(inputs, "BLOCK", 500)
    monkeypatch.setattr(parallel_fold, "SHARED", 0)
    monkeypatch.setattr(parallel_fold, "SMALLEST_REGION", 1)
    for few, region in product((0, 16, 1_000_000), (1, 2_000)):
        monkeypatch.setattr(parallel_fold, "FEW", few)
        monkeypatch.setattr(parallel_fold, "REGION", region)
        assert Folded(log, threads=threads).out == want.out


@given(size=st.integers(1, 1 << 32), threads=st.integers(1, 64))
def test_no_thread_folds_the_end_of_a_file_alone_for_long(size: int, threads: int) -> None:
    cuts = regions(size, threads)
    lengths = [end - start for start, end in pairwise(cuts)]

    assert (cuts[0], cuts[-1]) == (0, size)
    assert min(lengths) > 0
    assert max(lengths) <= REGION
    # When one begins with a region, the others have as much left to do, unless it is one of the smallest.
    for at, length in zip(cuts, lengths, strict=False):
        assert length <= max(SMALLEST_REGION, (size - at) // (2 * threads))


def test_the_keys_beyond_a_limit_do_not_depend_on_which_thread_is_faster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = [b'{"ts":%d,"domain":"%d.example","status":200}\n' % (NOW, number) for number in range(2_000)]
    log = write(tmp_path / "log", *lines)
    monkeypatch.setattr(inputs, "BLOCK", 500)
    for name, value in {"REGION": 2_000, "SHARED": 0, "FEW": 0}.items():
        monkeypatch.setattr(parallel_fold, name, value)
    outs = {Folded(log, threads=3, max_domains=100).out for _ in range(5)}
    assert len(outs) == 1


def test_an_interrupt_does_not_wait_for_the_other_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def pread(*_: int) -> bytes:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return LINE  # endless

    log = write(tmp_path / "log", *days(1))
    monkeypatch.setattr(parallel_fold, "SHARED", 0)
    monkeypatch.setattr(parallel_fold, "REGION", 1_000)  # enough for each
    monkeypatch.setattr("os.pread", pread)
    with pytest.raises(KeyboardInterrupt):
        Folded(log, threads=3)


def test_rows_of_one_thread_are_merged_while_it_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    merged = 0

    class Counting:
        def __init__(self, **limits: int) -> None:
            self._window = Window(**limits)

        def merge(self, partial: bytes) -> None:
            nonlocal merged
            merged += 1
            self._window.merge(partial)

        def freeze(self, keep: int) -> None:
            self._window.freeze(keep)

    Window = _core.Window  # noqa: N806 - it is a class
    monkeypatch.setattr(_core, "Window", Counting)
    monkeypatch.setattr(inputs, "BLOCK", 500)
    monkeypatch.setattr(parallel_fold, "FEW", 0)
    monkeypatch.setattr(parallel_fold, "REGION", 1)
    log = write(tmp_path / "log", *days(1))
    folding = ParallelFold(
        defaults=Defaults("a", "b"),
        max_line=262_144,
        limits=KeyLimits(domains=9, origins=9, addresses=9, pops=9, services=9),
        now=NOW,
        threads=3,
        progress=lambda _: None,
    )
    (one,) = inputs_of(log)
    folding.read(one)
    assert merged == -(-log.stat().st_size // 500)


def test_where_files_are_cut_into_blocks_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (5, 100, 1000):
        for path in GOLDEN:
            expected = Folded(path)
            with monkeypatch.context() as patched:
                patched.setattr(inputs, "BLOCK", size)
                blocks = Folded(path)
            assert (blocks.out, blocks.lines) == (expected.out, expected.lines)


def test_keys_beyond_a_limit_count_together(tmp_path: Path) -> None:
    lines = [b'{"ts":%d,"domain":"%d.example","status":200}\n' % (NOW, number) for number in range(10)]

    folded = Folded(write(tmp_path / "a.log", *lines), max_domains=3)

    channel, entry = folded.entries
    assert channel["aggregated"]["requests"] == 10
    assert len(entry["aggregated"]) == 4
    assert entry["aggregated"]["_other"]["requests"] == 7
    assert folded.requests == 10


# --- rejected lines --------------------------------------------------------------------------------------------------


def test_the_name_of_a_file_does_not_reach_a_terminal_as_it_is(tmp_path: Path) -> None:
    (rejection,) = Folded(write(tmp_path / "a\x1b[31m\n.log", b"nonsense\n")).result.rejections

    assert str(rejection).startswith(f"{tmp_path}/a\\x1b[31m\\n.log:1: not_json: ")
    assert rejection.input == f"{tmp_path}/a\x1b[31m\n.log"


def test_rejected_lines_are_named_by_file_and_line(tmp_path: Path) -> None:
    one = write(tmp_path / "1.log", LINE, b"nonsense\n", b"\n", b'{"status":9999}\n')
    two = write(tmp_path / "2.log", b'{"domain":"a.example"}\n', LINE, b'{"status":2')

    result = Folded(one, two).result

    assert [str(rejection) for rejection in result.rejections] == [
        f"{one}:2: not_json: {REASONS['not_json']} (byte 0): nonsense",
        f'{one}:4: bad_status: {REASONS["bad_status"]} (byte 10): {{"status":9999}}',
        f'{two}:1: no_part: {REASONS["no_part"]} (byte 0): {{"domain":"a.example"}}',
        f'{two}:3: truncated: {REASONS["truncated"]} (byte 11): {{"status":2',
    ]
    assert result.accepted == 2
    assert result.rejected == {"bad_status": 1, "no_part": 1, "not_json": 1, "truncated": 1}


def test_the_first_ten_rejected_lines_are_kept_and_all_are_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(inputs, "BLOCK", 100)
    one = write(tmp_path / "1.log", b"no\n" * 4, LINE, b"no\n" * 2)
    two = write(tmp_path / "2.log", LINE, b"no\n" * 500)

    result = Folded(one, two).result

    assert [(rejection.input, rejection.line) for rejection in result.rejections] == [
        *((str(one), number) for number in (1, 2, 3, 4, 6, 7)),
        *((str(two), number) for number in (2, 3, 4, 5)),
    ]
    assert (result.accepted, result.rejected) == (2, {"not_json": 506})


def test_the_text_of_a_rejected_line_is_short(tmp_path: Path) -> None:
    (rejection,) = Folded(write(tmp_path / "a.log", b"x" * 5_000)).result.rejections

    assert len(str(rejection)) < len(str(tmp_path)) + 250


def test_a_line_that_is_too_long_is_rejected_and_its_neighbours_count(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", LINE, b'{"status":200,"x":"', b"x" * 5_000, b'"}\n', LINE)

    folded = Folded(path, max_line=1_024)

    assert folded.requests == 2
    assert [(one.input, one.line, one.reason) for one in folded.result.rejections] == [(str(path), 2, "too_long")]


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_of_a_damaged_file_counts_what_was_read_before(pack: Change, tmp_path: Path) -> None:
    cut_off = write(tmp_path / "1.log", pack(LINE * 1_000)[:-3])
    garbage = write(tmp_path / "2.log", pack(LINE), b"garbage after the end")
    good = write(tmp_path / "3.log", LINE)

    folded = Folded(cut_off, garbage, good)

    assert folded.requests >= 2
    assert [name for name, _ in folded.result.damaged] == [str(cut_off), str(garbage)]
    assert folded.result.accepted == folded.requests


def test_lines_without_a_time_count_now_and_are_counted(tmp_path: Path) -> None:
    result = Folded(write(tmp_path / "a.log", LINE, b'{"status":200}\n' * 2)).result

    assert (result.accepted, result.without_time) == (3, 2)
