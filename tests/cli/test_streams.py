"""No command ends with a traceback, whatever its standard streams are, and whenever it is interrupted."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from edgetally.access.token_file import TokenFile
from tests.support.process import COMMAND

PATIENCE = 50
"""Seconds until a command counts as hanging."""

TRACES = (b"Traceback", b"Exception ignored", b"Fatal", b"Error:")
"""What must not be printed."""


class Case(NamedTuple):
    """A command that works."""

    arguments: str
    prints: bool = True
    """Whether it prints to standard output."""
    serves: bool = False
    """Whether it runs until it is stopped."""
    reads: bool = False
    """Whether it reads standard input."""
    needs_reader: bool = False
    """Whether what it prints is lost if it is not read."""


CASES = {
    "help": Case("--help"),
    "version": Case("--version"),
    "fold": Case("fold log"),
    "fold of standard input": Case("fold log -", reads=True),
    "explain": Case("explain log"),
    "explain of standard input": Case("explain", reads=True),
    "formats": Case("formats nginx"),
    "check": Case("check --data-dir größe"),
    "token new": Case("token new --scope read --service shop --data-dir data", needs_reader=True),
    "token list": Case("token list --data-dir data"),
    "token revoke": Case("token revoke token-1 --data-dir data", prints=False),
    "serve": Case("serve --listen 127.0.0.1:0 --data-dir served", prints=False, serves=True),
    "serve --stdin": Case("serve --listen 127.0.0.1:0 --journal memory --stdin", prints=False, serves=True, reads=True),
    "demo": Case("demo --listen 127.0.0.1:0", serves=True),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)

LINE = '{"ts":1763769600,"pop":"Köln","origin":"größe","origin_addr":"10.0.0.7","origin_status":200,"status":200}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a log and a token."""
    (tmp_path / "log").write_text(LINE, "utf-8")
    for name in ("größe", "token-1"):
        TokenFile(tmp_path / "data" / "tokens.jsonl").add(name=name, scopes=["read"], services=["*"])
    return tmp_path


class Done(NamedTuple):
    """A command that has ended."""

    status: int
    said: bytes
    """What it wrote to standard error."""


def run(
    case: Case,
    folder: Path,
    redirect: str = "",
    *,
    ends: bool = False,
    stdout: int = subprocess.DEVNULL,
    variables: dict[str, str] | None = None,
) -> Done:
    """
    Run a command, and interrupt it once it serves, unless it `ends` by itself.

    `redirect` is in the language of a shell.
    """
    command = ["sh", "-c", f'exec "$@" {redirect}', "sh", *COMMAND, *case.arguments.split()]
    notified = folder / "notified"
    environment = {**os.environ, **(variables or {}), "NOTIFY_SOCKET": str(notified)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(notified))
        systemd.settimeout(PATIENCE)
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE
        ) as process:
            if case.serves and not ends:
                assert systemd.recv(100) == b"READY=1"
                process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE)
    notified.unlink()
    assert [one for one in TRACES if one in said] == []
    return Done(process.returncode, said)


@cases
@pytest.mark.parametrize(
    ("redirect", "problem"),
    [(">/dev/full", "standard output: No space left on device"), (">&-", "standard output: closed")],
    ids=["full", "closed"],
)
def test_an_output_that_cannot_be_written_is_an_error(case: Case, redirect: str, problem: str, folder: Path) -> None:
    done = run(case, folder, redirect, ends=case.prints)

    assert done.status == (2 if case.prints else 0)
    assert (f"edgetally: {problem}\n".encode() in done.said) == case.prints


@cases
def test_a_reader_that_is_gone_is_no_error(case: Case, folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(case, folder, ends=case.prints, stdout=writing)
    os.close(writing)

    assert done.status == (2 if case.needs_reader else 0)
    assert case.needs_reader or case.serves or b"edgetally: " not in done.said


@cases
@pytest.mark.parametrize("redirect", ["2>/dev/full", "2>&-"], ids=["full", "closed"])
def test_messages_that_cannot_be_written_are_dropped(case: Case, redirect: str, folder: Path) -> None:
    assert run(case, folder, redirect) == Done(0, b"")


@cases
def test_a_closed_input_is_an_error_if_it_is_read(case: Case, folder: Path) -> None:
    done = run(case, folder, "<&-", ends=case.reads)

    assert done.status == (2 if case.reads else 0)
    assert (b"standard input is closed\n" in done.said) == case.reads


@cases
def test_all_streams_may_be_closed(case: Case, folder: Path) -> None:
    is_needed = case.reads or case.prints

    assert run(case, folder, "<&- >&- 2>&-", ends=is_needed) == Done(2 if is_needed else 0, b"")


@cases
@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=["ascii", "C"],
)
def test_a_terminal_may_lack_characters(case: Case, variables: dict[str, str], folder: Path) -> None:
    assert run(case, folder, variables=variables).status == 0


def test_characters_that_a_terminal_lacks_are_escaped(folder: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "explain", "log"],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )

    assert b"POP K\\xf6ln" in done.stdout


def test_a_token_that_cannot_be_printed_is_revoked(folder: Path) -> None:
    done = run(CASES["token new"], folder, ">/dev/full")

    assert b"the token is revoked again, because it could not be printed" in done.said
    assert [one.revoked for one in TokenFile(folder / "data" / "tokens.jsonl").existing()] == [False, False, True]


def test_streams_that_do_not_block_are_waited_for(folder: Path) -> None:
    """Another program on the same terminal or pipe may have set them so."""
    lines = LINE.encode() * 100_000
    given, to_fold = os.pipe()
    from_fold, out = os.pipe()
    os.set_blocking(given, False)
    os.set_blocking(out, False)
    command = [*COMMAND, "fold", "--format", "nginx"]
    with subprocess.Popen(command, cwd=folder, stdin=given, stdout=out, stderr=subprocess.PIPE) as fold:
        os.close(given)
        os.close(out)
        with os.fdopen(to_fold, "wb") as writing:
            writing.write(lines)
        with os.fdopen(from_fold, "rb") as reading:
            printed = reading.read()
        _, said = fold.communicate(timeout=PATIENCE)

    assert said == b"100000 lines accepted, 0 rejected\n"
    assert printed.count(b"\n") == 4  # a line per dataset
    assert fold.returncode == 0


# --- interrupts -----------------------------------------------------------------------------------------------------

INTERRUPTED = """\
import os, signal, sys

module = sys.argv.pop(1)

class Interrupt:
    @staticmethod
    def find_spec(name, *_):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt)
from edgetally.cli.main import main

sys.exit(main())
"""
"""Runs a command, and interrupts it while it imports a module."""


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("edgetally.cli.commands", "formats"),
        ("edgetally.config.given", "fold log"),
        ("msgspec", "fold --weight 2 log"),
        ("edgetally.cli.fold", "fold log"),
        ("edgetally.offline.fold", "fold log"),
        ("edgetally.cli.explain", "explain log"),
        ("edgetally.service.process", "serve --journal memory --listen 127.0.0.1:0"),
        ("uvloop", "serve --journal memory --listen 127.0.0.1:0"),
        ("edgetally.demo.run", "demo --listen 127.0.0.1:0"),
    ],
)
def test_an_interrupt_shows_no_traceback_while_modules_are_imported(module: str, arguments: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", INTERRUPTED, module, *arguments.split()],
        cwd=folder,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.stderr == b""
    assert done.returncode in (130, -signal.SIGINT)


@pytest.mark.parametrize("arguments", ["fold", "fold --threads 2 - log", "explain --lines 1000000"])
def test_an_interrupt_shows_no_traceback_while_a_log_is_read(arguments: str, folder: Path) -> None:
    # More than fits into the pipe: once it is written, the log is being read.
    lines = LINE.encode() * 10_000
    command = [sys.executable, "-W", "error", "-c", INTERRUPTED, "none", *arguments.split()]
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        process.stdin.write(lines)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=PATIENCE)

    assert (printed, said) == (b"", b"")
    assert process.returncode == 130
