"""What systemd hears."""

import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetally.telemetry.systemd import notify
from tests.support.clock import PATIENCE
from tests.support.process import serving

ABSTRACT = "@edgetally-test"


@pytest.fixture(params=["a file", "a name"])
def supervisor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    # Paths of sockets have at most 107 bytes, and pytest's are long.
    with (
        tempfile.TemporaryDirectory() as directory,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        where = str(Path(directory) / "notify") if request.param == "a file" else f"{ABSTRACT}-{directory}"
        listening.bind(where.replace("@", "\0", 1))
        listening.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", where)
        yield listening


def test_it_is_told_what_we_say(supervisor: socket.socket) -> None:
    notify("READY=1")

    assert supervisor.recv(100) == b"READY=1"


def test_a_server_says_that_it_is_ready_alive_and_stopping(supervisor: socket.socket) -> None:
    with serving() as server:
        heard = [supervisor.recv(100)]
        while b"WATCHDOG=1" not in heard:
            heard.append(supervisor.recv(100))
        server.signal(signal.SIGTERM)
        while heard[-1] != b"STOPPING=1":
            heard.append(supervisor.recv(100))
        assert server.ended() == 0

    assert heard[0] == b"READY=1"


def test_nobody_has_to_listen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")
