"""Notifications to systemd."""

import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetally.telemetry.systemd import notify
from tests.support.clock import TIMEOUT_SECONDS
from tests.support.process import serving

ABSTRACT = "@edgetally-test"


@pytest.fixture(params=["a file", "an abstract name"])
def supervisor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    # Paths of sockets have at most 107 bytes, and pytest's are long.
    with (
        tempfile.TemporaryDirectory() as directory,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        path = str(Path(directory) / "notify") if request.param == "a file" else f"{ABSTRACT}-{directory}"
        listening.bind(path.replace("@", "\0", 1))
        listening.settimeout(TIMEOUT_SECONDS)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield listening


def test_a_state_is_sent(supervisor: socket.socket) -> None:
    notify("READY=1")

    assert supervisor.recv(100) == b"READY=1"


def test_a_server_notifies_that_it_is_ready_alive_and_stopping(supervisor: socket.socket) -> None:
    with serving() as server:
        states = [supervisor.recv(100)]
        while b"WATCHDOG=1" not in states:
            states.append(supervisor.recv(100))
        server.signal(signal.SIGTERM)
        while states[-1] != b"STOPPING=1":
            states.append(supervisor.recv(100))
        assert server.ended() == 0

    assert states[0] == b"READY=1"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "absent"))
    notify("READY=1")
