"""`edgetally top` as a process: into a pipe, and in a real terminal."""

import asyncio
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.certificates import make
from tests.support.clock import START, TIMEOUT_SECONDS
from tests.support.programs import skip_or_fail
from tests.support.served import Served, record, served
from tests.support.tokens import access, bearer

COMMAND = (sys.executable, "-m", "edgetally", "top")


async def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with its output in a pipe."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    out, error = await process.communicate()
    return subprocess.CompletedProcess(arguments, process.returncode or 0, out.decode(), error.decode())


@pytest.fixture
async def service(service: Served) -> Served:
    await service.push(record(0), record(0, domain="bad.example", status=503))
    await service.to(2)
    return service


async def test_a_pipe_gets_rows(service: Served) -> None:
    done = await run(service.url)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(" edgetally  svc  domains by trouble")
    assert [line.split()[0] for line in lines if ".example" in line] == ["bad.example", "a.example"]


async def test_a_picture_that_stands_still_is_no_picture_of_now(service: Served) -> None:
    service.clock.anchor(START + 60)  # Nothing is sealed.
    for _ in range(2):
        first = (await run(service.url)).stdout.splitlines()[0]
        assert re.search(r" 02:21:0\d UTC  stands still for (5[89] s|1 min)", first)


async def test_json_is_the_answer_as_it_came(service: Served) -> None:
    done = await run(service.url, "--json", "--of", "origins", "--rows", "1")

    assert json.loads(done.stdout) == (await service.client.get("/top/svc?of=origins&rows=1")).json()


async def test_follow_prints_every_second(service: Served) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, service.url, "--json", "--follow", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    seconds = []
    for second in range(1, 4):
        seconds.append(json.loads(await process.stdout.readline())["second"])
        await service.to(second + 2)
    process.terminate()
    await process.communicate()
    assert seconds == [START, START + 1, START + 2]


async def test_one_sentence_says_what_is_wrong(service: Served) -> None:
    await service.push(record(1, service_id="other"))
    await service.to(4)
    several = await run(service.url)
    assert (several.returncode, several.stdout) == (2, "")
    assert several.stderr == "edgetally: expected --service with one of: other, svc\n"

    for url, status, problem in (
        ("http://127.0.0.1:1", 1, "cannot reach http://127.0.0.1:1: Connection refused"),
        ("ftp://there", 2, "expected a URL such as http://127.0.0.1:8480, got 'ftp://there'"),
        (f"{service.url}/v1", 1, f"{service.url}/v1 answered 404: no such endpoint: /v1/ (see / for the list)"),
    ):
        done = await run(url)
        assert (done.returncode, done.stdout, done.stderr) == (status, "", f"edgetally: {problem}\n")


class Answers(http.server.BaseHTTPRequestHandler):
    """A server that is not Edgetally."""

    def do_GET(self) -> None:
        content = b"<html>" if self.path == "/" else b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


async def test_another_server_is_not_taken_for_edgetally() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{other.server_port}"
        done = await run(url)
        other.shutdown()

    problem = f"{url} is not Edgetally: expected a list of services at /"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"edgetally: {problem}\n")


async def test_http_and_https_are_told_apart(service: Served, tmp_path: Path) -> None:
    done = await run(service.url.replace("http:", "https:"))
    assert done.stderr.endswith("): if it serves no HTTPS, use http://\n")
    async with served({"api": make(tmp_path / "tls").settings}) as running:
        done = await run(running.url.replace("https:", "http:"))
    assert done.stderr.endswith("it closed the connection without an answer: if it serves HTTPS, use https://\n")


async def test_a_stream_that_the_server_ends_is_an_error() -> None:
    async with served() as running:
        await running.push(record(0))
        await running.to(2)
        process = await asyncio.create_subprocess_exec(
            *COMMAND, running.url, "--json", "--follow", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout
        await process.stdout.readline()
    _, error = await process.communicate()
    assert (process.returncode, error.decode()) == (1, f"edgetally: {running.url} ended the stream\n")


async def test_a_server_that_has_counted_nothing_says_where_to_look() -> None:
    async with served() as running:
        done = await run(running.url)
    assert done.returncode == 2
    assert f"has counted nothing yet: see {running.url}/rejected for lines that do not count" in done.stderr


async def test_a_service_without_entries_is_no_error_but_may_be_a_typing_error(service: Served) -> None:
    done = await run(service.url, "--service", "scv")

    assert done.returncode == 0
    assert done.stdout.startswith(" edgetally  scv ")
    assert done.stderr == "edgetally: no recent entries of service scv; there are some of: svc\n"


async def test_a_certificate_that_is_not_trusted_is_not_one_for_another_host(tmp_path: Path) -> None:
    pair = make(tmp_path / "tls")
    async with served({"api": pair.settings}) as running:
        assert (await run(running.url, "--service", "svc", "--ca", str(pair.cert))).returncode == 0
        unknown = await run(running.url, "--service", "svc")
        assert unknown.stderr.endswith("certificate): name the one that signed it with --ca\n")
        # Another way to write 127.0.0.1, which is not in the certificate.
        elsewhere = running.url.replace("127.0.0.1", "127.1")
        other = await run(elsewhere, "--service", "svc", "--ca", str(pair.cert))
        assert f"cannot reach {elsewhere}: its certificate is for another host" in other.stderr


async def test_an_order_that_a_dataset_does_not_have_is_an_error() -> None:
    done = await run("--of", "origins", "--by", "fetches")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "edgetally: --by: origins are ordered by one of: trouble, responses, 5xx, 4xx, bytes (got 'fetches')\n"
    )


@pytest.mark.parametrize("rows", ["0", "201", "many"])
async def test_rows_beyond_what_a_ranking_may_have_are_an_error(rows: str) -> None:
    done = await run("http://127.0.0.1:1", "--rows", rows)
    assert done.returncode == 2
    assert done.stderr.endswith(f"argument --rows: expected an integer from 1 to 200, got '{rows}'\n")


async def test_a_token_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    reader = bearer("read", "svc")
    async with served({"access": access(reader)}) as running:
        without = await run(running.url, "--service", "svc")
        assert without.returncode == 1
        assert without.stderr == (
            f"edgetally: {running.url} wants a token that may read: set EDGETALLY_TOKEN or --token-file\n"
        )
        file = tmp_path / "token"
        file.write_text(reader.token + "\n")
        assert (await run(running.url, "--service", "svc", EDGETALLY_TOKEN=reader.token)).returncode == 0
        assert (await run(running.url, "--service", "svc", "--token-file", str(file))).returncode == 0
        wrong = await run(running.url, "--service", "svc", EDGETALLY_TOKEN="wrong")
        assert wrong.returncode == 1
        assert "refuses this token: it is unknown or revoked" in wrong.stderr
        missing = await run(running.url, "--token-file", str(tmp_path / "missing"))
        assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)


class Tmux:
    """A real terminal of a given size."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def call(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments, stdout=subprocess.PIPE
        )
        out, _ = await process.communicate()
        return out.decode()

    async def shows(self, *texts: str) -> str:
        """Wait until all of these are on the screen."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                screen = await self.call("capture-pane", "-p")
                if all(text in screen for text in texts):
                    return screen

    async def press(self, *keys: str) -> None:
        await self.call("send-keys", *keys)


@asynccontextmanager
async def terminal(tmp_path: Path, *arguments: str, locale: str = "C.UTF-8") -> AsyncIterator[Tmux]:
    """Run the command in a terminal of 80 by 24."""
    tmux = Tmux(tmp_path / "tmux")
    command = " ".join([*COMMAND, *arguments])
    await tmux.call("new-session", "-d", "-x", "80", "-y", "24", f"LC_ALL={locale} {command}; echo left $?; cat")
    try:
        yield tmux
    finally:
        await tmux.call("kill-server")


@pytest.mark.parametrize("_tmux", [pytest.param("tmux", marks=skip_or_fail("tmux"))])
async def test_keys_in_a_terminal(service: Served, tmp_path: Path, _tmux: str) -> None:
    async with terminal(tmp_path, service.url) as tmux:
        await tmux.shows("svc  domains by trouble", "bad.example", "starting")
        await tmux.press("Down", "Enter")
        await tmux.shows(">bad.example", "codes  503 1")
        await tmux.press("Escape", "Escape", "2")
        await tmux.shows("domains by requests")
        await tmux.press("/", "a.ex", "Enter")
        await tmux.shows("with 'a.ex'", "1 more")
        await tmux.press("Escape", "f")
        await tmux.shows("frozen")
        await service.push(record(2, domain="new.example"))
        await service.to(4)
        await tmux.press("f")
        await tmux.shows("new.example", "starting")
        await tmux.press("o")
        await tmux.shows("origins by trouble", "RESP/S")
        await tmux.press("?")
        await tmux.shows("domains, origins")
        await tmux.press("?", "q")
        await tmux.shows("left 0")


@pytest.mark.parametrize("_tmux", [pytest.param("tmux", marks=skip_or_fail("tmux"))])
async def test_a_terminal_opened_while_the_picture_stands_still(service: Served, tmp_path: Path, _tmux: str) -> None:
    service.clock.anchor(START + 600)  # Nothing is sealed.
    async with terminal(tmp_path, service.url) as tmux:
        await tmux.shows("bad.example", "stands still for 10 min")
        await tmux.press("q")
        await tmux.shows("left 0")


@pytest.mark.parametrize("_tmux", [pytest.param("tmux", marks=skip_or_fail("tmux"))])
async def test_a_terminal_without_utf_8(service: Served, tmp_path: Path, _tmux: str) -> None:
    async with terminal(tmp_path, service.url, locale="C") as tmux:
        shown = await tmux.shows("bad.example", "CR open")
        assert shown.isascii()
        assert "#" in shown
        await tmux.press("C-c")
        await tmux.shows("left 130")
