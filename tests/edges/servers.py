"""Servers that listen where they are told to, and say nothing when they are ready."""

import asyncio
import contextlib
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tests.edges.client import connected


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """Hold a port for a server that says SO_REUSEADDR, as all do: it can have it, but nobody gets it by chance."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextlib.asynccontextmanager
async def started(
    *command: str | Path, ports: tuple[int, ...], errors: Path, stdout: int = subprocess.DEVNULL
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a server, wait until it listens on these ports, and stop it in the end; what it says goes into `errors`."""
    with errors.open("wb") as said:
        process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=said)
    try:
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(_answering(ports))
        await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        assert not ended.done(), _said(errors)
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await ended
    assert process.returncode == 0, _said(errors)


async def _answering(ports: tuple[int, ...]) -> None:
    for port in ports:
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                async with connected(port):
                    break


def _said(errors: Path) -> str:
    return errors.read_text()
