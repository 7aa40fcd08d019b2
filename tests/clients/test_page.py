"""docs/fastly-tools.md, followed to the letter: its commands and programs run as they are shown."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.certificates import Pair
from tests.support.clients import CLI, NAMES, NODE, READER, TRAFFIC, Standin, by_name, needs_clients, needs_hosts
from tests.support.pages import ROOT, blocks

pytestmark = [*needs_clients(), *needs_hosts()]

BLOCKS = blocks(ROOT / "docs" / "fastly-tools.md")


def shown(info: str, words: str) -> str:
    """Return the block of this language that contains `words`."""
    (text,) = [block.text for block in BLOCKS if block.info == info and words in block.text]
    return text


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the reader."""
    return tmp_path_factory.mktemp("here")


@pytest.fixture(scope="module")
def standin(here: Path) -> Iterator[Standin]:
    """The server of the reader, with tokens and traffic."""
    subprocess.run(["sh", "-ec", shown("sh", "openssl")], cwd=here, check=True, capture_output=True)
    pair = Pair(here / "fastly.pem", here / "fastly.key")
    assert set(shlex.split(shown("sh", "edgetally serve"))) > {"127.0.0.1:443", pair.cert.name, pair.key.name}
    with by_name(here, pair, shown("text", NAMES[0])) as running:
        running.push(*TRAFFIC)
        yield running


def typed(here: Path, text: str) -> list[str]:
    """Return a shell in which the reader set the page's variables and installed the packages, and types this."""
    variables = shown("sh", "export SSL_CERT_FILE").replace("FASTLY_API_TOKEN=any", f"FASTLY_API_TOKEN={READER.token}")
    return ["sh", "-ec", f'PATH="{CLI.parent}:$PATH"; cd {here}; {variables} cd {NODE}; {text}']


def test_the_command_line(standin: Standin, here: Path) -> None:
    services, pops, realtime = shown("sh", "fastly service list").splitlines()
    reader = replace(standin, environment={})

    assert "Web shop" in reader.run(*typed(here, services))
    assert "Amsterdam" in reader.run(*typed(here, pops))
    with reader.start(*typed(here, realtime)) as process:
        while not standin.waiting():
            assert process.poll() is None
        standin.push(*TRAFFIC)
        assert process.stdout
        assert json.loads(process.stdout.readline())["aggregated"]["requests"] == len(TRAFFIC)


@pytest.mark.parametrize(("language", "command"), [("js", "node --input-type=module"), ("python", sys.executable)])
def test_programs(standin: Standin, here: Path, language: str, command: str) -> None:
    (program,) = [block.text for block in BLOCKS if block.info == language]

    printed = replace(standin, environment={}).run(*typed(here, f"{command} -"), given=program)

    assert "a.example" in printed
    assert re.search(rf"\brequests\W+{len(TRAFFIC) // 2}\b", printed)
