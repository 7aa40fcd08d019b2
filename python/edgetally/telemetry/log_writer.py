"""Lines on their way to whoever reads the log. Nobody who logs waits for that: a log that is stuck stops nothing."""

import contextlib
import logging
import os
import queue
import threading

WAITING = 1000
"""Lines that may wait to be written."""

LAST_SECONDS = 1.0
"""How long the last lines may take at the end."""


class Lines(logging.Handler):
    """Writes lines to a file descriptor, from a thread of its own."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.lost = 0
        """Lines that nobody will read, because those before them are not taken."""
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(WAITING)
        # It may be stuck at the end, and must not keep the process; it holds no lock of Python's streams then.
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    @property
    def has_room(self) -> bool:
        """Whether one more line can wait."""
        return not self._lines.full()

    def emit(self, record: logging.LogRecord) -> None:
        """Have `record` written, or count it."""
        try:
            self._lines.put_nowait(f"{self.format(record)}\n".encode("utf-8", "backslashreplace"))
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Write the rest, if it is taken."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=LAST_SECONDS)
            self._thread.join(LAST_SECONDS)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            # Of what cannot be written, there is nobody to tell.
            with contextlib.suppress(OSError):
                while line:
                    line = line[os.write(self._descriptor, line) :]
