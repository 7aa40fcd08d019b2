"""`edgetally check`: everything that is wrong with the settings of a server, before it is started."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from edgetally.cli.main import main
from tests.support.certificates import make
from tests.support.process import COMMAND
from tests.support.programs import skip_or_fail
from tests.support.tokens import bearer, write

pytestmark = skip_or_fail("openssl")


def test_valid_settings_are_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--data-dir", str(tmp_path / "data"), "--follow", "a.log", "--syslog", "udp:127.0.0.1:5514", "--stdin"]

    assert main(["check", "--listen", "127.0.0.1:1", *flags]) == 0

    assert capsys.readouterr().out == (
        "ok\n"
        f"listens on http://127.0.0.1:1, no tokens ({tmp_path}/data/tokens.jsonl does not exist), "
        f"journal in {tmp_path}/data\n"
        "sources: push, file a.log, syslog udp:127.0.0.1:5514, standard input\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_history_in_clickhouse_is_named_and_its_password_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    monkeypatch.setenv("EDGETALLY_HISTORY__CLICKHOUSE", "https://ch.example:8443/edge")
    monkeypatch.setenv("EDGETALLY_HISTORY__CLICKHOUSE_USER", "me")
    monkeypatch.setenv("EDGETALLY_HISTORY__CLICKHOUSE_PASSWORD_FILE", str(secret))
    flags = ["--journal", "kafka://b1:9092/edge", "--role", "read"]

    assert main(["check", *flags]) == 2
    assert f"CLICKHOUSE_PASSWORD_FILE: cannot read {secret}: No such file" in capsys.readouterr().err

    secret.write_text("s3cret\n")
    assert main(["check", *flags]) == 0
    shown = capsys.readouterr()
    _, listens, history, _ = shown.out.splitlines()
    assert listens.endswith(", journal in kafka://b1:9092/edge")
    assert history == "history in ClickHouse at ch.example:8443/edge, as me"
    assert "s3cret" not in shown.out + shown.err


def test_tokens_and_the_certificate_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokens = write(tmp_path / "tokens.jsonl", bearer("read", "*"), bearer("read", "*", revoked=True))
    pair = make(tmp_path / "tls")
    flags = ["--journal", "memory", "--tls-cert", str(pair.cert), "--tls-key", str(pair.key)]

    assert main(["check", "--listen", "0.0.0.0:1", "--token-file", str(tokens), *flags]) == 0

    assert capsys.readouterr().out.splitlines()[1] == (
        f"listens on https://0.0.0.0:1, 1 valid token in {tokens}, journal in memory"
    )


def test_every_problem_has_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "edgetally.toml"
    settings.write_text("[records]\npop = ''\n[window]\nmax_pop = 1\n")

    assert main(["check", "--config", str(settings), "--listen", "8480", "--syslog", "foo"]) == 2

    out, problems = capsys.readouterr()
    assert out == ""
    assert [line.split(": ")[:3] for line in problems.splitlines()] == [
        ["edgetally", "--listen", "expected HOST:PORT or [IPv6]:PORT, got '8480'"],
        ["edgetally", str(settings), "records.pop"],
        ["edgetally", str(settings), "window.max_pop"],
        ["edgetally", "--syslog", problems.splitlines()[3].split(": ", 2)[2]],
    ]


def test_files_and_addresses_are_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "edgetally.toml"
    settings.write_text("[[sources.syslog]]\nlisten = 'udp:0.0.0.0:1'\n")
    flags = ["--listen", "0.0.0.0:1", "--tls-cert", "no.pem", "--tls-key", "no.key"]

    assert main(["check", "--config", str(settings), *flags]) == 2

    assert [line.split(": ")[1:-1] for line in capsys.readouterr().err.splitlines()] == [
        ["--listen", "0.0.0.0 can be reached by others"],
        [str(settings), "sources.syslog[0]", "0.0.0.0 can be reached by others, and syslog has no tokens"],
        ["--tls-cert", "no.pem"],
    ]


def test_what_is_valid_and_probably_not_meant_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    tokens = write(data / "tokens.jsonl", bearer("read", "*"))
    tokens.chmod(0o600)
    command = ["check", "--data-dir", str(data), "--listen"]

    assert main([*command, "127.0.0.1:1"]) == 0
    assert capsys.readouterr().err == ""

    data.chmod(0o701)
    tokens.chmod(0o620)
    monkeypatch.setattr("os.access", lambda path, _: path != data)
    assert main([*command, "0.0.0.0:1"]) == 0

    out, warned = capsys.readouterr()
    assert out.startswith("ok\n")
    assert warned.splitlines() == [
        "edgetally: warning: listening on 0.0.0.0 without TLS: tokens are sent in clear text",
        f"edgetally: warning: cannot write {data}/journal.sqlite: this user may not write to {data}",
        f"edgetally: warning: {data}: every user may look into it: chmod 700",
        f"edgetally: warning: {tokens}: other users may write tokens into it: chmod 600",
    ]


def test_a_directory_that_will_be_created_needs_one_that_may_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, _: path != tmp_path)

    assert main(["check", "--data-dir", str(tmp_path / "not" / "there")]) == 0

    path = tmp_path / "not" / "there" / "journal.sqlite"
    assert (
        capsys.readouterr().err == f"edgetally: warning: cannot write {path}: this user may not write to {tmp_path}\n"
    )


INVALID = [
    ["--syslog", "foo"],
    ["--format", "nginks"],
    ["--follow", ""],
    ["--token-file", ""],
    ["--pop", "é" * 33],
    ["--listen", "0.0.0.0:1"],
    ["--syslog", "udp:0.0.0.0:1"],
    ["--tls-cert", "no.pem", "--tls-key", "no.key"],
    ["--token-file", "no.jsonl"],
    ["--follow", "a.log", "--follow", "./a.log"],
]


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize("flags", INVALID, ids=" ".join)
def test_invalid_settings_create_nothing(command: str, flags: list[str], tmp_path: Path) -> None:
    arguments = [*COMMAND, command, "--data-dir", str(tmp_path / "data"), *flags]

    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"edgetally: {flags[0]}: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["access.log", "*.log"])
def test_a_log_may_come_later_but_not_in_a_directory_that_is_not_there(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["check", "--data-dir", str(tmp_path / "data"), "--follow"]

    assert main([*command, str(tmp_path / name)]) == 0
    assert capsys.readouterr().err == ""

    missing = tmp_path / "ngnix"
    assert main([*command, str(missing / name)]) == 0
    said = f"{missing}: No such file or directory ({name} is followed once it is there)"
    assert capsys.readouterr().err == f"edgetally: warning: {said}\n"


def test_a_directory_that_cannot_be_listed_hinders_patterns_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("os.scandir", refuse)
    command = ["check", "--data-dir", str(tmp_path / "data"), "--follow"]

    assert main([*command, str(tmp_path / "access.log")]) == 0
    assert capsys.readouterr().err == ""
    assert main([*command, str(tmp_path / "*.log")]) == 0
    assert capsys.readouterr().err == f"edgetally: warning: {tmp_path}: Permission denied\n"
