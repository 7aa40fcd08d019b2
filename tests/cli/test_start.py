"""What commands import. Imports are nearly all that a command does before its first line, so each has to be needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgetally.cli.commands import COMMANDS

LINE = b'{"ts":1763769600,"domain":"shop.example","status":200}\n'

PRINTED = """\
import atexit, sys
before = set(sys.modules)
atexit.register(lambda: print(*sorted(set(sys.modules) - before), file=sys.stderr))
from edgetally.cli.main import main
sys.exit(main())
"""
"""Runs a command, and prints the modules that it imported."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("EDGETALLY_")}
"""Variables of ours may be settings, which take more to read."""

HELP = {"edgetally", "cli", "cli.main", "cli.commands", "cli.streams", "errors", "escaping"}
HELP |= {"sources", "sources.descriptor"}
"""Everything of ours that is imported before a command is known."""

NEVER = {"asyncio", "bz2", "concurrent.futures", "ctypes", "dataclasses", "datetime", "difflib", "email", "http"}
NEVER |= {"importlib.metadata", "importlib.resources", "inspect", "json", "logging", "msgspec", "pathlib", "shutil"}
NEVER |= {"socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "tomllib", "tqdm", "urllib", "uvloop"}
NEVER |= {"xml", "zipfile", "zlib", "edgetally.config.sections", "edgetally.config.variables"}
"""Modules that take long to import, and that no command needs which only counts."""

EVEN_LESS = {"edgetally._core", "typing"}
"""Modules that settings and counting need, but `--help` does not."""

MOST = 80
"""Modules that `fold` imports at most."""

MOST_TUPLES = 32
"""Named tuples of ours that a server has at most."""


def imported(*arguments: str | Path) -> set[str]:
    command = [sys.executable, "-W", "error", "-c", PRINTED, *arguments]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    assert "Traceback" not in done.stderr
    return set(done.stderr.splitlines()[-1].split())


def ours(modules: set[str]) -> set[str]:
    return {one.removeprefix("edgetally.") for one in modules if one.partition(".")[0] == "edgetally"}


@pytest.mark.parametrize("arguments", [["--help"], [], ["flod"]])
def test_no_command_is_imported_before_it_is_known(arguments: list[str]) -> None:
    found = imported(*arguments)

    assert ours(found) <= HELP
    assert found & (NEVER | EVEN_LESS) - {"difflib"} == set()


def test_fold_imports_nothing_that_only_others_need(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LINE)

    found = imported("fold", tmp_path / "log")

    assert found & NEVER == set()
    assert {one for one in ours(found) if one.startswith("cli.")} <= HELP | {"cli.fold", "cli.flags"}
    assert {one.partition(".")[0] for one in ours(found)} & {"access", "api", "http", "service", "telemetry"} == set()
    assert len(found) <= MOST


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_no_other_command(command: str) -> None:
    found = {one.removeprefix("cli.") for one in ours(imported(command, "--help")) if one.startswith("cli.")}

    assert found & COMMANDS.keys() == {command}


def test_a_server_starts_without_what_only_few_need(tmp_path: Path) -> None:
    command: list[str | Path] = [
        sys.executable,
        "-c",
        PRINTED,
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        tmp_path,
    ]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as server:
        assert server.stderr
        next(line for line in server.stderr if "started" in line)
        server.terminate()
        *_, printed = server.stderr
    found = set(printed.split())

    few = {"confluent_kafka", "edgetally.history.clickhouse", "edgetally.journal.kafka.journal"}
    few |= {"edgetally.api.compat.answers", "edgetally.api.history.answers", "edgetally.api.history.parameters"}
    few |= {"edgetally.api.openapi", "edgetally.api.ranking_answer", "edgetally.journal.kafka.extra"}
    few |= {"edgetally.config.variables", "edgetally.http.tls_listener"}
    few |= {"edgetally.sources.files.follower", "edgetally.sources.stdin", "edgetally.sources.syslog"}
    never = {"bz2", "dataclasses", "difflib", "email", "http.client", "http.server", "importlib.metadata"}
    never |= {"importlib.resources", "importlib.util", "prometheus_client", "shutil", "tempfile", "tqdm", "tomllib"}
    never |= {"urllib.request"}
    assert "edgetally.service.service" in found
    assert found & (few | never) == set()


def test_few_classes_of_a_server_are_named_tuples() -> None:
    # Each takes half a million instructions to declare, a frozen struct a fifth of that.
    declared = "import edgetally.service.process; print(*(one.__module__ for one in tuple.__subclasses__()))"

    modules = subprocess.run([sys.executable, "-c", declared], capture_output=True, text=True, check=True).stdout

    assert len([one for one in modules.split() if one.startswith("edgetally.")]) <= MOST_TUPLES
