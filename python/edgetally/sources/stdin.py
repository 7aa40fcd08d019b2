"""Standard input, until it ends."""

import asyncio
import os
import select
import sys
import threading
from collections.abc import AsyncIterator

from edgetally.errors import ConfigError, reason
from edgetally.model import Defaults, Framing
from edgetally.sources.base import READ_BYTES, Block
from edgetally.sources.descriptor import is_readable
from edgetally.telemetry.events import StdinEnded, StdinFailed, StdinOpened, say

READ_AHEAD = 4
"""Blocks that are read before they are folded. Then the writer has to wait."""


class Stdin:
    """A source of what is piped into the process."""

    name = "stdin"
    framing: Framing = "lines"

    def __init__(self, defaults: Defaults, descriptor: int | None = None) -> None:
        self.defaults = defaults
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor
        if not is_readable(self._descriptor):
            raise ConfigError("sources.stdin", "standard input is closed")
        self._problem = ""

    def note_progress(self, line: int, unfinished: int, recognised: int, rejected: int) -> None:
        """Nothing depends on it."""

    async def blocks(self) -> AsyncIterator[Block]:
        """Yield what is written, until the writer closes the pipe."""
        loop = asyncio.get_running_loop()
        ahead: asyncio.Queue[bytes] = asyncio.Queue()
        room = threading.Semaphore(READ_AHEAD)
        stopped = False

        def read() -> None:
            data = b"-"
            while data:
                room.acquire()
                if stopped:
                    return
                data = self._read()
                try:
                    loop.call_soon_threadsafe(ahead.put_nowait, data)
                except RuntimeError:  # the loop is closed
                    return

        # A thread, because nothing else works for pipes, terminals and files alike. A daemon, because a read that waits
        # for a writer must not keep the process alive.
        threading.Thread(target=read, name="stdin", daemon=True).start()
        say(StdinOpened(source=self.name))
        try:
            while data := await ahead.get():
                room.release()
                yield Block(data, more=not ahead.empty())
        except asyncio.CancelledError:
            # The process stops. What was read by now counts: nobody else can read it again.
            for _ in range(READ_AHEAD):
                await asyncio.sleep(0)  # blocks may be on their way into the queue
                if not ahead.empty():
                    yield Block(ahead.get_nowait(), more=True)
            raise
        finally:
            stopped = True
            room.release()
        if self._problem:
            say(StdinFailed(source=self.name, problem=self._problem))
        else:
            say(StdinEnded(source=self.name))
        yield Block(b"", end=True)

    def _read(self) -> bytes:
        """Read what has been written, or wait for it; empty at the end, and after an error."""
        while True:
            try:
                return os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:  # another process has set it to non-blocking
                select.select([self._descriptor], [], [])
            except OSError as error:
                self._problem = reason(error)
                return b""
