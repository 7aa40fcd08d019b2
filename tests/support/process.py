"""A real `edgetally serve`, in a process of its own and on the real clock."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

COMMAND = [sys.executable, "-W", "error", "-m", "edgetally"]


class Process:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.lines: list[str] = []
        """What it has logged, as far as a test has read it."""
        self.url = json.loads(self.wait_for("started: listening on "))["url"]
        """Its address."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def address(self) -> tuple[str, int]:
        url = urlsplit(self.url)
        assert url.hostname
        assert url.port
        return url.hostname, url.port

    def wait_for(self, text: str) -> str:
        """Return the next line in its log that contains `text`."""
        assert self._process.stderr
        for line in self._process.stderr:
            self.lines.append(line)
            if text in line:
                return line.rstrip("\n")
        raise AssertionError(f"expected {text!r} in its log, got:\n{''.join(self.lines)}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def reload(self, expected: str) -> None:
        """Send SIGHUP, and return once it has logged this."""
        self.signal(signal.SIGHUP)
        self.wait_for(expected)

    def ended(self) -> int:
        """Wait until it has ended; read the rest of its log into `lines`, and return its exit status."""
        assert self._process.stderr
        self.lines += self._process.stderr.readlines()
        return self._process.wait()


@contextmanager
def serving(*flags: str, prefix: Sequence[str] = (), port: int = 0) -> Iterator[Process]:
    """Run `edgetally serve`, by default on a free port; `prefix` is a command that becomes the one behind it."""
    journal = [] if "--data-dir" in flags else ["--journal", "memory"]
    command = [*prefix, *COMMAND, "serve", "--listen", f"127.0.0.1:{port}", *journal, *flags]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Process(process)
        finally:
            process.kill()
