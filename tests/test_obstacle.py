"""Why a file cannot be written is said: a file or directory in its place, permissions, a read-only file system."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgetally.obstacle import obstacle


def test_a_file_that_can_be_written_or_created_has_none(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert obstacle(path) == obstacle(tmp_path / "not" / "there" / "a") == ""
    path.touch()
    assert obstacle(path) == ""


def test_what_is_in_its_place_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.touch()
    assert obstacle(tmp_path) == "expected a file, got a directory"
    for below in (path / "a", path / "b" / "a"):
        assert obstacle(below) == f"{path}: expected a directory, got a file"
    monkeypatch.chdir(tmp_path)
    assert obstacle(Path("file/a")) == "file: expected a directory, got a file"


def test_a_read_only_file_system_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    path = tmp_path / "a"
    assert obstacle(path) == f"{tmp_path} is on a read-only file system"
    path.touch()
    assert obstacle(path) == obstacle(tmp_path / "not" / "there") == f"{tmp_path} is on a read-only file system"


def test_what_this_user_may_not_write_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.touch()
    for denied in (path, tmp_path):
        monkeypatch.setattr("os.access", lambda one, _, denied=denied: one != denied)
        assert obstacle(path) == f"this user may not write to {denied}"
    assert obstacle(tmp_path / "b" / "c") == f"this user may not write to {tmp_path}"


def test_a_path_that_cannot_be_looked_at_is_named(tmp_path: Path) -> None:
    assert obstacle(tmp_path / ("x" * 300)) == "File name too long"
