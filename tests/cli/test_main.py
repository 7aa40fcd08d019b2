"""The command, as a shell starts it."""

import gzip
import http.client
import json
import os
import pty
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

from edgetally.cli.main import main

GOLDEN = Path(__file__).parents[1] / "golden"
LINE = b'{"ts":1763769600,"domain":"a.example","status":200}\n'
COMMAND = [sys.executable, "-W", "error", "-m", "edgetally"]
PATIENCE = 30
"""Seconds until a command counts as hanging."""


def run(*arguments: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], input=given, capture_output=True, timeout=PATIENCE, check=False)


# --- fold ----------------------------------------------------------------------------------------------------------


def test_fold_prints_entries_to_stdout_and_the_rest_to_stderr() -> None:
    done = run("fold", GOLDEN / "nginx.log")

    assert done.stdout == (GOLDEN / "nginx.jsonl").read_bytes()
    # No progress bar, because stderr is not a terminal.
    assert done.stderr == b"7 lines accepted, 0 rejected\n"
    assert done.returncode == 0


def test_fold_reads_standard_input_when_it_is_given_no_file() -> None:
    log = (GOLDEN / "days.log").read_bytes()
    expected = (GOLDEN / "days.jsonl").read_bytes()

    assert run("fold", given=log).stdout == expected
    assert run("fold", "-", given=gzip.compress(log)).stdout == expected


def test_fold_gives_records_the_service_and_the_pop_that_they_lack() -> None:
    done = run("fold", "--service-id", "mine", "--pop", "AMS", given=LINE)

    for entry in map(json.loads, done.stdout.splitlines()):
        assert (entry["service_id"], list(entry["datacenter"])) == ("mine", ["AMS"])


def test_fold_takes_limits_from_a_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "edgetally.toml"
    path.write_text("window.max_domains = 1\nrecords.pop = 'FIL'")

    done = run("fold", "--config", path, given=LINE + LINE.replace(b"a.example", b"b.example"))

    entries = {entry["dataset"]: entry for entry in map(json.loads, done.stdout.splitlines())}
    assert [entry["datacenter"].keys() for entry in entries.values()] == [{"FIL"}] * 2
    assert entries["domains"]["aggregated"]["_other"]["requests"] == 1


@pytest.mark.parametrize(
    ("arguments", "given", "status", "said"),
    [
        pytest.param(["fold"], LINE + b"no\n", 0, "1 line accepted, 1 rejected: 1 not_json", id="something counted"),
        pytest.param(
            ["fold"],
            b"no\n",
            1,
            "<stdin>:1: not_json: not a JSON object: expected one record per line, in JSON",
            id="nothing counted",
        ),
        pytest.param(["fold"], b"", 1, "0 lines accepted, 0 rejected", id="nothing there"),
        pytest.param(["fold", "missing.log"], b"", 2, "missing.log: No such file or directory", id="no such file"),
        pytest.param(["fold", "/"], b"", 2, "/: Is a directory", id="a directory"),
        pytest.param(["fold", "--popp", "x"], b"", 2, "unrecognized arguments: --popp", id="no such flag"),
        pytest.param(["fold", "--service-id", "a b"], b"", 2, "--service-id: expected 1 to 64", id="no service id"),
        pytest.param(["fold", "--config", "no.toml"], b"", 2, "no.toml: ", id="no settings"),
        pytest.param([], b"", 2, "the following arguments are required: COMMAND", id="no command"),
        pytest.param(["flod"], b"", 2, "invalid choice: 'flod'", id="no such command"),
        pytest.param(["serve", "--listen", "8480"], b"", 2, "--listen: expected HOST:PORT", id="no address"),
        pytest.param(["serve", "--listen", "0.0.0.0:0"], b"", 2, "--allow-anonymous", id="reachable by others"),
        pytest.param(["serve", "--aggregate-delay", "x"], b"", 2, "from 1 to 60, got 'x'", id="not a number"),
        pytest.param(
            ["serve", "--aggregate-delay", "0"],
            b"",
            2,
            "--aggregate-delay: expected an integer from 1 to 60",
            id="out of range",
        ),
        pytest.param(["serve", "--poll-timeout", "x"], b"", 2, "at most 3600, got 'x'", id="not seconds"),
        pytest.param(
            ["demo", "--listen", "0.0.0.0:0"], b"", 2, "expected 127.0.0.1, localhost or [::1]", id="open demo"
        ),
    ],
)
def test_the_exit_status_and_the_message(arguments: list[str], given: bytes, status: int, said: str) -> None:
    done = run(*arguments, given=given)

    assert done.returncode == status
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "fold", "explain", "formats", "demo", "token list"])
def test_an_unknown_argument_shows_the_usage_of_its_command(command: str) -> None:
    done = run(*command.split(), "--bogus")

    said = done.stderr.decode()
    assert done.returncode == 2
    assert said.startswith(f"usage: edgetally {command} [-h]")
    assert said.endswith(
        f"edgetally {command}: error: unrecognized arguments: --bogus (see `edgetally {command} --help`)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("check --folow a.log", "--follow"),
        ("serve --sevice-id=shop", "--service-id"),
        ("formats ngnix", "nginx"),
        ("fold --format cady", "caddy"),
    ],
)
def test_what_is_misspelled_has_a_suggestion(arguments: str, meant: str) -> None:
    done = run(*arguments.split())

    assert done.returncode == 2
    assert done.stderr.decode().endswith(f"; did you mean {meant}?\n")


def test_a_closed_pipe_ends_the_command_quietly(tmp_path: Path) -> None:
    lines = b"".join(b'{"ts":%d,"domain":"a.example","status":200}\n' % second for second in range(5_000))
    log = tmp_path / "a.log"
    log.write_bytes(lines)

    with subprocess.Popen([*COMMAND, "fold", log], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as fold:
        assert fold.stdout
        assert fold.stderr
        first = fold.stdout.readline()
        fold.stdout.close()
        said = fold.stderr.read()

    assert json.loads(first)["recorded"] == 0
    assert said == b""
    assert fold.returncode == 0


def test_fold_in_the_same_process_says_the_same(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(GOLDEN)

    assert main(["fold", "varnish.log", "odd.log"]) == 0

    found = capfdbinary.readouterr()
    done = run("fold", GOLDEN / "varnish.log", GOLDEN / "odd.log")
    assert found.out == done.stdout
    assert found.err == done.stderr.replace(os.fsencode(GOLDEN) + b"/", b"")


def test_fold_shows_no_progress_when_it_is_done_at_once() -> None:
    controller, terminal = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "fold"], input=LINE, stdout=subprocess.DEVNULL, stderr=terminal, timeout=PATIENCE, check=True
    )
    os.close(terminal)

    assert done.returncode == 0
    assert read_terminal(controller) == b"1 line accepted, 0 rejected\r\n"


def test_an_interrupted_command_shows_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgetally.cli.fold.fold", interrupted)

    assert main(["fold"]) == 130


def read_terminal(controller: int) -> bytes:
    """Read the output on a terminal until the last program on it has ended."""
    said = b""
    with os.fdopen(controller, "rb", buffering=0) as file:
        try:
            while data := file.read(4096):
                said += data
        except OSError:  # what Linux says instead of "the end"
            pass
    return said


# --- serve ---------------------------------------------------------------------------------------------------------


@contextmanager
def serving(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `edgetally serve`; yield it and its URL once it has started."""
    command = [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--journal", "memory", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as serve:
        assert serve.stderr
        try:
            url = ""
            while not url:
                line = serve.stderr.readline().decode()
                assert line, "the server has ended"
                url = json.loads(line).get("url", "")
            yield serve, url
        finally:
            serve.kill()


def ask(url: str, data: bytes | None = None) -> object:
    with urllib.request.urlopen(url, data, timeout=PATIENCE) as answer:  # noqa: S310 - our own address
        return json.loads(answer.read())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_serve_stops_cleanly_and_answers_waiting_readers(number: signal.Signals) -> None:
    with serving() as (serve, url):
        assert ask(f"{url}/ingest", b'{"status":200}\n') == {"accepted": 1, "rejected": 0, "errors": []}
        waiting = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
        waiting.request("GET", "/v1/domains/idle/ts/1")
        # Connections are accepted in order: once this is answered, the one before waits.
        ask(f"{url}/openapi.json")

        serve.send_signal(number)
        answer = json.loads(waiting.getresponse().read())
        waiting.close()
        assert serve.wait(PATIENCE) == 0

        assert serve.stderr
        rest = serve.stderr.read()
    assert answer["Data"] == []
    assert [json.loads(line)["event"] for line in rest.decode().splitlines()] == ["stopping"]


def test_serve_names_the_address_on_which_it_cannot_listen() -> None:
    with serving() as (_, url):
        taken = url.removeprefix("http://")
        done = run("serve", "--listen", taken)

    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"edgetally: --listen: cannot listen on {taken}: ")
    assert done.stderr.count(b"\n") == 1


# --- about itself --------------------------------------------------------------------------------------------------


def test_version() -> None:
    done = run("--version")

    assert (done.returncode, done.stdout.decode()) == (0, f"edgetally {version('edgetally')}\n")


@pytest.mark.parametrize("command", ["serve", "fold", "demo"])
def test_help_describes_every_flag(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    options = capsys.readouterr().out.partition("options:\n")[2]
    # An option without a help text is followed by the next option.
    words = [line.split() for line in options.splitlines() if line.startswith("  ")]
    lonely = [
        line
        for line, following in zip(words, [*words[1:], ["-"]], strict=True)
        if line[0].startswith("-") and following[0].startswith("-") and len(line) < 4
    ]
    assert lonely == []


def test_the_command_is_on_the_path_of_its_environment() -> None:
    script = Path(sys.executable).parent / "edgetally"

    done = subprocess.run([script, "--version"], capture_output=True, timeout=PATIENCE, check=True)

    assert done.stdout == run("--version").stdout
