"""Files that cannot be read or written, and values that nothing can be: a sentence, and status 2."""

import gzip
import os
import subprocess
from pathlib import Path

import pytest

from edgetally.history.sqlite_file import open_history
from edgetally.journal.sqlite import SqliteJournal
from tests.support.process import COMMAND
from tests.support.programs import program

PATIENCE = 50
"""Seconds until a command counts as hanging."""

LINE = b'{"ts":1763769600,"domain":"a.example","status":200}\n'

NOT_UTF8 = os.fsdecode(b"\xff")
"""A file name that is no UTF-8."""

HUGE = "9" * 30

SERVE = ["serve", "--listen", "127.0.0.1:0"]
TOKEN = ["token", "new", "--scope", "read", "--service", "shop"]


def run(folder: Path, *arguments: str, prefix: str = "", **variables: str) -> tuple[int, list[str]]:
    """Run a command after a command of the shell; return its exit status, and the lines of standard error."""
    done = subprocess.run(
        ["sh", "-c", f'{prefix} exec "$@"', "sh", *COMMAND, *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stderr.decode().splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log").write_bytes(LINE)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(LINE)[:-3])
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 and so on")
    (tmp_path / "utf16.toml").write_bytes("[api]".encode("utf-16"))
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000)
    (tmp_path / "nul.toml").write_text('[sources]\nfollow = [{path = "a\\u0000b"}]\n')
    return tmp_path


@pytest.mark.parametrize("command", ["fold", "explain"])
@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("missing", "missing: No such file or directory"),
        ("folder", "folder: Is a directory"),
        ("loop", "loop: Too many levels of symbolic links"),
        ("log/log", "log/log: Not a directory"),
        ("x" * 300, f"{'x' * 300}: File name too long"),
        (NOT_UTF8, r"\xff: No such file or directory"),
        ("\x1b]0;", r"\x1b]0;: No such file or directory"),
        ("/proc/self/mem", "/proc/self/mem: Input/output error"),
        ("a.zip", "a.zip: a zip archive: unpack it first"),
        ("cut.gz", "cut.gz: the gzip stream is cut off after byte "),
    ],
)
def test_a_log_that_cannot_be_read_is_named(command: str, file: str, problem: str, folder: Path) -> None:
    status, said = run(folder, command, file)

    assert status == 2
    assert said[0].removeprefix("edgetally: ").startswith(problem)


def test_what_could_be_read_counts_and_the_status_is_that_of_an_error(folder: Path) -> None:
    status, said = run(folder, "fold", "cut.gz", "log", "/proc/self/mem")

    assert status == 2
    assert said[-1] == "2 lines accepted, 0 rejected"
    assert said[1] == "/proc/self/mem: Input/output error after byte 0 (what could be read counts)"


def test_explain_shows_the_lines_before_the_damage(folder: Path) -> None:
    done = subprocess.run([*COMMAND, "explain", "cut.gz"], cwd=folder, capture_output=True, check=False)

    assert b"domains a.example" in done.stdout


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("missing", "missing: No such file or directory"),
        ("folder", "folder: Is a directory"),
        ("/proc/self/mem", "/proc/self/mem: Input/output error"),
        ("utf16.toml", "utf16.toml: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        ("deep.toml", "deep.toml: "),
        ("nul.toml", "nul.toml: sources.follow[0].path: expected a path, got a NUL character in it"),
        ("~nosuchuser/a.toml", "~nosuchuser/a.toml: '~nosuchuser/a.toml': there is no such home directory"),
        (NOT_UTF8, r"\xff: No such file or directory"),
    ],
)
def test_settings_that_cannot_be_read_are_named(file: str, problem: str, folder: Path) -> None:
    status, said = run(folder, "check", "--config", file)

    assert (status, len(said)) == (2, 1)
    assert said[0].startswith(f"edgetally: {problem}")


@pytest.mark.parametrize(
    "directory", ["log", "log/data", "/proc/data", "/proc/1/data", "~nosuchuser/data", NOT_UTF8 + "/x"]
)
@pytest.mark.parametrize("command", [SERVE, TOKEN], ids=["serve", "token new"])
def test_a_data_directory_that_cannot_be_written_is_named(command: list[str], directory: str, folder: Path) -> None:
    (folder / NOT_UTF8).touch()

    status, said = run(folder, *command, "--data-dir", directory)

    assert (status, len(said)) == (2, 1)
    assert said[0].startswith(("edgetally: --data-dir: ", "edgetally: --token-file: "))


WRITERS = {
    "journal.sqlite": SERVE,
    "history.sqlite": ["history", "import", "log"],
    "tokens.jsonl": TOKEN,
}
"""Commands by the file that they write."""

POWERLESS = "exec setpriv --inh-caps=-all --bounding-set=-all " if os.geteuid() == 0 else "exec "
"""Before a command that may write no more than its user may."""


@pytest.mark.parametrize("file", WRITERS)
@pytest.mark.parametrize("place", ["below a file", "a directory", "a file", "nothing"])
@pytest.mark.skipif(os.geteuid() == 0 and not program("setpriv"), reason="root may write everything")
def test_why_a_file_cannot_be_written_is_said_and_what_to_do(file: str, place: str, folder: Path) -> None:
    data = folder / "log" / "below" if place == "below a file" else folder / "data"
    if place == "below a file":
        why = f"{folder}/log: expected a directory, got a file"
    elif place == "a directory":
        (data / file).mkdir(parents=True)
        why = "expected a file, got a directory"
    else:
        data.mkdir()
        if place == "a file":
            SqliteJournal(data)._database.close()  # noqa: SLF001 - there is no event loop to close it in
            open_history(data / "history.sqlite").close()
        data.chmod(0o500)
        why = f"this user may not write to {data}"

    status, (*_, said) = run(folder, *WRITERS[file], "--data-dir", str(data), prefix=f'{POWERLESS} "$@";')

    assert status == 2
    if (file, place) == ("tokens.jsonl", "a directory"):
        why = "Is a directory"
    elif (file, place) == ("journal.sqlite", "below a file"):
        why, file = "Not a directory", "tokens.jsonl"
    else:
        why = f"{why}; choose a directory that this user may write to"
    assert said.startswith("edgetally: --token-file: " if file == "tokens.jsonl" else "edgetally: --data-dir: ")
    assert said.endswith(f"{data}/{file}: {why}")


def test_a_full_disk_is_worth_another_try(folder: Path) -> None:
    """The limit on the size of files stands in for it."""
    status, said = run(folder, *SERVE, "--data-dir", "data", prefix="ulimit -f 0;")

    assert status == 1
    assert said == [f"edgetally: the journal cannot be written: {folder}/data/journal.sqlite: disk I/O error"]


@pytest.mark.parametrize("file", ["folder", "log/tokens", "/proc/tokens", "/proc/self/mem", "loop", "cut.gz"])
@pytest.mark.parametrize("command", [TOKEN, ["token", "list"]], ids=["token new", "token list"])
def test_a_token_file_that_cannot_be_used_is_named(command: list[str], file: str, folder: Path) -> None:
    status, said = run(folder, *command, "--token-file", file)

    assert (status, len(said)) == (2, 1)
    assert said[0].startswith("edgetally: --token-file: ")


def test_a_token_file_that_cannot_be_written_is_named(folder: Path) -> None:
    status, said = run(folder, *TOKEN, "--data-dir", "data", prefix="ulimit -f 0;")

    assert status == 2
    assert said == [f"edgetally: --token-file: {folder}/data/tokens.jsonl: File too large"]
    assert list((folder / "data").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["fold", "--threads", HUGE], "--threads: expected an integer from 1 to 1024, got "),
        (["fold", "--threads", "1025"], "--threads: expected an integer from 1 to 1024, got '1025'"),
        (["fold", "--threads", NOT_UTF8], r"--threads: expected an integer from 1 to 1024, got '\udcff'"),
        (["explain", "--lines", HUGE], "--lines: expected an integer from 1 to 1000000, got "),
        (["explain", "--lines", "9" * 5_000], "--lines: expected an integer from 1 to 1000000, got "),
        (
            ["journal", "create", "kafka://a:1/b", "--replicas", "-1"],
            "--replicas: expected an integer from 1 to 32767, ",
        ),
        (["check", "--weight", HUGE], "--weight: expected an integer from 1 to 4294967296, got "),
        (["check", "--poll-timeout", "nan"], "--poll-timeout: expected a number above 0, at most 3600, got 'nan'"),
        (["check", "--poll-timeout", "1e999"], "--poll-timeout: expected a number above 0, at most 3600, got '1e999'"),
        (["check", "--listen", f"{'a' * 70}.example:1"], "--listen: expected HOST:PORT or [IPv6]:PORT, got "),
        (["check", "--listen", "ü..x:1"], "--listen: expected HOST:PORT or [IPv6]:PORT, got 'ü..x:1'"),
        (["check", "--listen", "127.0.0.1:٣"], "--listen: expected HOST:PORT or [IPv6]:PORT, got '127.0.0.1:٣'"),
        (["check", "--syslog", "udp:ü..x:1"], "--syslog: must be udp:HOST:PORT, tcp:HOST:PORT or unix:/PATH"),
        (["check", "--syslog", f"tcp:{NOT_UTF8}:1"], "--syslog: must be udp:HOST:PORT, tcp:HOST:PORT or unix:/PATH"),
        (["check", "--syslog", "udp:127.0.0.1:٣"], "--syslog: must be udp:HOST:PORT, tcp:HOST:PORT or unix:/PATH"),
        ([*SERVE, "--syslog", f"unix:/tmp/{'x' * 200}"], "--syslog: cannot listen on unix:/tmp/"),
        (["check", "--pop", NOT_UTF8], r"--pop: expected 1 to 64 bytes of printable characters, got '\udcff'"),
        (["check", "--format", f"cloudfront:{NOT_UTF8}"], "--format: "),
        (["check", "--follow", "~nosuchuser/log"], "--follow: '~nosuchuser/log': there is no such home directory"),
        ([*TOKEN, "--name", NOT_UTF8], r"token: expected a name of 1 to 64 printable characters, got '\udcff'"),
        (["formats", NOT_UTF8], r"\xff: unknown edge"),
        ([NOT_UTF8], "argument COMMAND: invalid choice: "),
    ],
)
def test_a_value_that_cannot_be_is_named(arguments: list[str], problem: str, folder: Path) -> None:
    status, said = run(folder, *arguments)

    assert status == 2
    assert problem in said[-1]


@pytest.mark.parametrize("command", [["check"], TOKEN], ids=["check", "token new"])
def test_a_working_directory_that_is_gone_is_no_traceback(command: list[str], folder: Path) -> None:
    status, said = run(folder, *command, "--data-dir", "data", prefix="mkdir x; cd x; rmdir ../x;")

    assert (status, said) == (2, ["edgetally: [Errno 2] No such file or directory"])
