"""Starting servers on this machine, and what they need."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tests.support.edges.client import connected

TIMEOUT = 30.0
"""Seconds after which something that was expected will not happen."""

DEFAULT_HOST = "edge.example"
"""The name that edges have for themselves."""


def uncomment(text: str) -> str:
    """Uncomment the alternatives in a snippet: their `#` has no blank after it."""
    return re.sub(r"^( *)#(?=[a-z-])", r"\1", text, flags=re.MULTILINE)


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """Hold a port for a server that sets SO_REUSEADDR, as all do: only such a server can take it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextlib.contextmanager
def dead_port() -> Iterator[str]:
    """Hold an address that refuses connections."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe: the end to read from, and the end to write to."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def make_certificate(directory: Path) -> Path:
    """Make a self-signed certificate, with its key in the same file."""
    both, half = directory / "certificate.pem", directory / "half.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={DEFAULT_HOST}", "-days", "1", "-keyout", both, "-out", half),
        ],
        check=True,
        capture_output=True,
    )
    both.write_bytes(both.read_bytes() + half.read_bytes())
    return both


@contextlib.asynccontextmanager
async def started(
    *command: str | Path, ports: tuple[int, ...], errors: Path, stdout: int = subprocess.DEVNULL
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a server, wait until it listens on these ports, and stop it in the end; its stderr goes into `errors`."""
    with errors.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
    try:
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(_listening(ports))
        await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        assert not ended.done(), _text(errors)
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await ended
    assert process.returncode == 0, _text(errors)


async def _listening(ports: tuple[int, ...]) -> None:
    for port in ports:
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                async with connected(port):
                    break


def _text(file: Path) -> str:
    return file.read_text()


class Announced:
    """A server that writes a line with `announcement` to stderr whenever it is ready."""

    def __init__(self, process: asyncio.subprocess.Process, announcement: str) -> None:
        self.stderr: list[str] = []
        self.ready = asyncio.Event()
        self._process = process
        self._announcement = announcement
        self._reading = asyncio.create_task(self._read())

    async def wait(self) -> None:
        """Wait until it is ready."""
        await self.ready.wait()
        assert self._process.returncode is None, self.stderr

    async def signal_and_wait(self, number: signal.Signals) -> None:
        """Send it a signal, and wait until it is ready again."""
        self.ready.clear()
        self._process.send_signal(number)
        await self.ready.wait()

    async def stop(self) -> int:
        """Stop it; return its exit status."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        status = await self._process.wait()
        await self._reading
        return status

    async def _read(self) -> None:
        assert self._process.stderr
        while line := (await self._process.stderr.readline()).decode():
            self.stderr.append(line)
            if self._announcement in line:
                self.ready.set()
        self.ready.set()


@contextlib.asynccontextmanager
async def announced(*command: str | Path, announcement: str, stdout: int | None = None) -> AsyncIterator[Announced]:
    """Start a server, wait until it is ready, and stop it in the end."""
    process = await asyncio.create_subprocess_exec(*command, stdout=stdout, stderr=subprocess.PIPE)
    server = Announced(process, announcement)
    try:
        await server.wait()
        yield server
    finally:
        await server.stop()
