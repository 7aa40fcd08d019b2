"""What `fold` takes as its inputs."""

import gzip
import io
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import edgetally
from edgetally.offline import inputs

LINE = b'{"ts":1763769600,"domain":"a.example","status":200}\n'
TEXT = LINE.decode()


def requests(logs: Any) -> float:  # noqa: ANN401 - anything
    """Fold something; return how many requests of a.example it has."""
    result = edgetally.fold(logs)
    assert result.rejected.total() == 0
    return sum(entry.domains["a.example"]["requests"] for entry in result)


def write(path: Path, count: int) -> Path:
    path.write_bytes(LINE * count)
    return path


@pytest.mark.parametrize(
    ("log", "count"),
    [
        pytest.param(lambda: LINE * 2 + LINE[:-1], 3, id="bytes"),
        pytest.param(lambda: bytearray(LINE * 2), 2, id="bytearray"),
        pytest.param(lambda: memoryview(LINE * 2), 2, id="memoryview"),
        pytest.param(lambda: gzip.compress(LINE * 2), 2, id="compressed bytes"),
        pytest.param(lambda: io.BytesIO(LINE * 2), 2, id="binary file"),
        pytest.param(lambda: io.BytesIO(gzip.compress(LINE * 2)), 2, id="compressed file"),
        pytest.param(lambda: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(LINE))), 1, id="file of a library"),
        pytest.param(lambda: io.StringIO(TEXT * 2), 2, id="text file"),
        pytest.param(lambda: iter([TEXT, TEXT.rstrip(), TEXT]), 3, id="lines of text"),
        pytest.param(lambda: iter([LINE[:20], LINE[20:] + LINE[:7], LINE[7:]]), 2, id="blocks"),
        pytest.param(lambda: (gzip.compress(LINE)[i : i + 1] for i in range(99)), 1, id="compressed blocks"),
        pytest.param(lambda: iter([memoryview(LINE), bytearray(LINE)]), 2, id="blocks of other types"),
        pytest.param(lambda: [LINE[:-1], io.BytesIO(LINE), iter([TEXT])], 3, id="list of logs"),
        pytest.param(lambda: (LINE[:-1], LINE), 2, id="tuple of logs"),
        pytest.param(list, 0, id="no logs"),
        pytest.param(lambda: b"", 0, id="empty bytes"),
        pytest.param(lambda: iter(()), 0, id="empty iterator"),
        pytest.param(lambda: gzip.compress(b""), 0, id="nothing, compressed"),
    ],
)
def test_a_log_may_be_of_many_types(log: Callable[[], object], count: int) -> None:
    assert requests(log()) == count


def test_an_empty_log_has_no_entries() -> None:
    result = edgetally.fold(b"")

    assert (list(result), len(result), result.accepted, result.rejected.total()) == ([], 0, 0, 0)


def test_paths_name_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", 2)

    assert requests(path) == requests(str(path)) == 2
    assert requests([path, str(path)]) == 4


def test_an_open_file_is_read_from_where_it_stands(tmp_path: Path) -> None:
    with write(tmp_path / "a.log", 3).open("rb") as file:
        file.seek(len(LINE))
        assert requests(file) == 2
    with tempfile.NamedTemporaryFile("w+") as text:
        text.write(TEXT * 2)
        text.seek(0)
        assert requests(text) == 2


def test_a_glob_names_files_in_alphabetical_order(tmp_path: Path) -> None:
    (tmp_path / "old.log").mkdir()
    (tmp_path / "old.log" / "d.log").write_bytes(b"oops")
    for number, name in enumerate(["b.log", "a.log", "c.txt"], start=1):
        write(tmp_path / name, number)

    assert requests(f"{tmp_path}/*.log") == requests(tmp_path / "*.log") == 3
    assert [one.name for one in inputs.inputs_of(f"{tmp_path}/**")] == [
        str(tmp_path / name) for name in ("a.log", "b.log", "c.txt", "old.log/d.log")
    ]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    write(tmp_path / "a[1].log", 1)
    write(tmp_path / "a1.log", 2)

    assert requests(tmp_path / "a[1].log") == 1


def test_an_iterable_of_paths_is_several_files(tmp_path: Path) -> None:
    write(tmp_path / "a.log", 1)
    write(tmp_path / "b.log", 2)

    assert requests(tmp_path.glob("*.log")) == 3


def test_bytes_that_were_decoded_with_surrogates_are_the_same_bytes_again() -> None:
    line = b'{"ts":1763769600,"domain":"a.example","status":200,"pop":"\xff"}'

    (entry,) = edgetally.fold(iter([line.decode(errors="surrogateescape")]))

    assert list(entry.domains_by_pop) == list(next(iter(edgetally.fold(line))).domains_by_pop)


def test_pieces_of_any_size_are_joined_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "BLOCK", 3 * len(LINE))

    for log in (LINE * 10, iter([TEXT] * 10)):
        (one,) = inputs.inputs_of(log)
        assert isinstance(one.source, Iterable)
        assert [len(block) // len(LINE) for block in one.source if block] == [3, 3, 3, 1]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        pytest.param("missing.log", FileNotFoundError, "No such file or directory: 'missing.log'", id="missing file"),
        pytest.param("*.log", FileNotFoundError, "no file matches: '*.log'", id="glob that matches nothing"),
        pytest.param("", FileNotFoundError, "No such file or directory: ''", id="empty path"),
        pytest.param("folder", IsADirectoryError, "Is a directory: 'folder'", id="directory"),
        pytest.param(
            TEXT,
            FileNotFoundError,
            'not a path (pass the text of a log as bytes, and lines as an iterator): \'{"ts":1763769600',
            id="a line",
        ),
    ],
)
def test_what_cannot_be_opened_is_named_before_anything_is_read(
    name: str, error: type[OSError], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.txt").write_bytes(LINE)
    read: list[int] = []

    with pytest.raises(error) as raised:
        edgetally.fold(["a.txt", name], progress=read.append)

    assert message in str(raised.value)
    assert raised.value.filename == name[: inputs.SHOWN_CHARACTERS]
    assert read == []


def test_a_file_without_permission_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", 1)
    monkeypatch.setattr("os.access", lambda *_: False)  # root may read every file

    with pytest.raises(PermissionError, match=r"a\.log"):
        edgetally.fold(path)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (17, "expected a path, bytes, a file or an iterable of these, got int"),
        (iter([17]), "expected blocks of bytes or lines of str, got int"),
        (iter([TEXT, None]), "expected blocks of bytes or lines of str, got NoneType"),
    ],
)
def test_other_types_are_errors(log: Any, message: str) -> None:  # noqa: ANN401 - anything
    with pytest.raises(TypeError, match=message):
        edgetally.fold(log)
