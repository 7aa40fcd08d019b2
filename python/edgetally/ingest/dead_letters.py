"""
Dead letters: rejected lines, kept for inspection. The last ones are in memory, more of them in a file.

Both are bounded. The file is written once a second, in a thread, so that neither a flood of rejected lines nor a slow
disk delays other lines. Lines that do not get into the file are dropped, and counted.
"""

import asyncio
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from edgetally.clock import Clock, sleep_until
from edgetally.errors import reason
from edgetally.escaping import escape
from edgetally.model import Rejection
from edgetally.telemetry import metrics
from edgetally.telemetry.events import DeadLettersFailing, DeadLettersRecovered, say
from edgetally.telemetry.prometheus import Family

MAX_RECENT = 100
"""Lines that are kept in memory."""

MAX_PENDING = 1000
"""Lines that may wait to be written to the file. More are dropped."""


class DeadLetter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rejected line, as `/rejected` and the file show it."""

    time: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    source: str
    line: Annotated[int, Meta(ge=1, description="Its number in its input.")]
    reason: str
    problem: str
    at: Annotated[int, Meta(ge=0, description="The byte at which reading stopped.")]
    sample: Annotated[str, Meta(description="Its first bytes, escaped where they are not printable.")]


class DeadLetters:
    """Keeps rejected lines in memory, and in the file at `path` if `file_bytes` are not 0."""

    def __init__(self, *, clock: Clock, path: Path | None = None, file_bytes: int = 0) -> None:
        self.dropped = 0
        """Lines that did not get into the file."""
        self.is_writing = False
        """Whether the file is being written."""
        self._clock = clock
        self._path = path if file_bytes else None
        self._max_bytes = file_bytes // 2
        self._recent: deque[str] = deque(maxlen=MAX_RECENT)
        self._pending: list[str] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dead-letters")
        self._is_failing = False

    def keep(self, source: str, rejections: Iterable[Rejection]) -> None:
        """Keep rejected lines of `source`."""
        for line in rejections:
            letter = DeadLetter(
                time=datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds"),
                source=str(escape(source)),
                line=line.line,
                reason=line.reason,
                problem=line.sentence,
                at=line.at,
                sample=str(escape(line.sample)),
            )
            text = json.dumps(msgspec.structs.asdict(letter))
            self._recent.append(text)
            if self._path and len(self._pending) < MAX_PENDING:
                self._pending.append(text)
            elif self._path:
                self.dropped += 1

    def to_json(self) -> bytes:
        """Return those in memory as a JSON array, the newest first."""
        return b"[" + ",\n".join(reversed(self._recent)).encode("ascii") + b"]\n"

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.REJECTED_DROPPED.sample(self.dropped)

    async def write(self) -> None:
        """Append pending lines to the file, once a second and without end."""
        while True:
            await sleep_until(self._clock, self._clock.now() + 1)
            if self._path and self._pending:
                lines, self._pending = self._pending, []
                self.is_writing = True
                done = asyncio.get_running_loop().run_in_executor(
                    self._thread, append, self._path, lines, self._max_bytes
                )
                await asyncio.wait([done])
                self._written(len(lines), done.exception())
                self.is_writing = False

    def close(self) -> None:
        """Append the last lines to the file."""
        self._thread.shutdown()
        if self._path and self._pending:
            try:
                append(self._path, self._pending, self._max_bytes)
            except OSError as error:
                self._written(len(self._pending), error)
            self._pending = []

    def _written(self, lines: int, error: BaseException | None) -> None:
        if error:
            self.dropped += lines
            if not self._is_failing:
                problem = reason(error) if isinstance(error, OSError) else str(error)
                say(DeadLettersFailing(path=str(self._path), problem=problem))
        elif self._is_failing:
            say(DeadLettersRecovered(path=str(self._path)))
        self._is_failing = error is not None


def append(path: Path, lines: Iterable[str], max_bytes: int) -> None:
    """Append lines to a file of at most `max_bytes`. A full file replaces the one before, and a new one is started."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = path.with_name(f"{path.name}.1")
    file = _open(path)
    try:
        size = os.fstat(file.fileno()).st_size
        for line in lines:
            data = f"{line}\n".encode("ascii")
            if size and size + len(data) > max_bytes:
                path.replace(before)
                file.close()
                file = _open(path)
                size = 0
            file.write(data)
            size += len(data)
    finally:
        file.close()


def _open(path: Path) -> FileIO:
    # For this user only: the lines have data of clients.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return FileIO(os.open(path, flags, 0o600), "wb")
