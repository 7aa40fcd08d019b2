"""Log lines are written by a thread of their own, so a reader of the log that is stuck blocks nothing else."""

import contextlib
import logging
import os
import queue
import threading

QUEUE_LINES = 1000
"""Lines that wait to be written. Any more are dropped."""

CLOSE_SECONDS = 1.0
"""How long the last lines may take at the end."""


class LogWriter(logging.Handler):
    """Writes lines to a file descriptor."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.dropped = 0
        """Lines dropped because the queue was full."""
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(QUEUE_LINES)
        self._is_closed = False
        # A daemon, because a write may block for ever. It uses the descriptor and no stream of Python, whose lock it
        # would hold meanwhile.
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether the next line would be dropped."""
        return self._lines.full()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line of `record`, or drop it."""
        try:
            self._lines.put_nowait(f"{self.format(record)}\n".encode("utf-8", "backslashreplace"))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write the lines in the queue, as far as they are read in time."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=CLOSE_SECONDS)
            self._thread.join(CLOSE_SECONDS)
        self._is_closed = True
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None and not self._is_closed:
            # An error in writing the log cannot be logged.
            with contextlib.suppress(OSError):
                while line:
                    line = line[os.write(self._descriptor, line) :]
