"""Files that settings name: whatever is at their path, a sentence says so, and nothing waits."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from edgetally.cli.main import main
from edgetally.errors import reason
from edgetally.small_file import read_file
from tests.support.certificates import Pair, make
from tests.support.programs import skip_or_fail

pytestmark = skip_or_fail("openssl")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make(tmp_path_factory.mktemp("tls"))


def directory(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))


def endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path)


ODD: dict[Callable[[Path], None], str] = {
    directory: "Is a directory",
    pipe: "expected a file, got a pipe that nothing was written to",
    listening_socket: "No such device or address",
    endless_device: "expected at most 67108864 bytes",
    loop: "Too many levels of symbolic links",
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_file_is_named(odd: Callable[[Path], None], tmp_path: Path) -> None:
    odd(tmp_path / "file")

    with pytest.raises(OSError) as error:  # noqa: PT011 - its text is compared
        read_file(tmp_path / "file")

    assert reason(error.value) == ODD[odd]


def test_what_a_process_writes_into_a_pipe_is_read_once() -> None:
    out, into = os.pipe()
    os.write(into, b"[api]\n")
    os.close(into)

    assert read_file(Path(f"/dev/fd/{out}")) == b"[api]\n"

    with pytest.raises(OSError, match="expected a file, got a pipe"):
        read_file(Path(f"/dev/fd/{out}"), again=True)
    os.close(out)


@pytest.mark.parametrize("flag", ["--tls-cert", "--tls-key", "--token-file", "--config", "--data-dir"])
@pytest.mark.parametrize("odd", ODD)
def test_a_setting_that_names_no_file_has_a_sentence(
    flag: str, odd: Callable[[Path], None], pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    odd(path)
    given = {"--tls-cert": pair.cert, "--tls-key": pair.key, "--data-dir": tmp_path / "data"} | {flag: path}

    status = main(["check", *(str(one) for item in given.items() for one in item)])

    out, problems = capsys.readouterr()
    if flag == "--data-dir" and odd is directory:
        assert (status, problems.split(": ")[1:]) == (
            0,
            ["warning", str(path), "every user may look into it", "chmod 700\n"],
        )
        return
    assert (status, out) == (2, "")
    assert problems.startswith(f"edgetally: {path}: " if flag == "--config" else f"edgetally: {flag}: {path}")
    assert problems.count("\n") == 1


def test_a_path_that_cannot_be_followed_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "access.log").touch()
    flags = [f"--follow={tmp_path / name}" for name in ("pipe", "access.log", "none", "*.log")]

    assert main(["check", "--journal", "memory", *flags]) == 0

    assert capsys.readouterr().err == (
        f"edgetally: warning: {tmp_path}/pipe: not a regular file (--stdin reads pipes)\n"
    )
