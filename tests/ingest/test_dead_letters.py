"""Dead letters: rejected lines are kept for inspection, within bounds, and delay no other lines."""

import asyncio
import errno
import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edgetally.ingest.dead_letters import MAX_PENDING, MAX_RECENT, DeadLetters, append
from edgetally.model import Rejection
from tests.support.clock import START, ManualClock, until
from tests.support.served import Served, served


def rejection(line: int = 1, sample: bytes = b"no") -> Rejection:
    return Rejection(line=line, reason="not_json", at=0, sample=sample)


class Kept:
    """Dead letters and their file."""

    def __init__(self, path: Path, file_bytes: int) -> None:
        self.clock = ManualClock()
        self.letters = DeadLetters(clock=self.clock, path=path, file_bytes=file_bytes)
        self.path = path
        self.before = path.with_name("rejected.jsonl.1")

    @property
    def files(self) -> dict[str, int]:
        """The sizes of the files by name."""
        return {file.name: file.stat().st_size for file in self.path.parent.iterdir()}

    @property
    def lines(self) -> list[Any]:
        """The lines in the files, the oldest first."""
        files = [file for file in (self.before, self.path) if file.exists()]
        return [json.loads(line) for file in files for line in file.read_text("ascii").splitlines()]

    async def written(self) -> None:
        """Advance the clock by a second, and wait for the file."""
        await self.clock.advance(1)
        await until(lambda: not self.letters.is_writing)


@asynccontextmanager
async def keeping(directory: Path, *, file_bytes: int = 1 << 20) -> AsyncIterator[Kept]:
    kept = Kept(directory / "rejected.jsonl", file_bytes)
    writing = asyncio.create_task(kept.letters.write())
    try:
        yield kept
    finally:
        writing.cancel()
        await asyncio.wait([writing])
        kept.letters.close()


async def test_the_last_rejected_lines_are_shown_newest_first(service: Served) -> None:
    body = b'{"status":9999,"x":"\x1b[2J\xff"}\n{"status":200}\nno\n'
    await service.client.post("/ingest", content=body)

    shown = (await service.client.get("/rejected")).json()

    assert [(one["source"], one["line"], one["reason"]) for one in shown] == [
        ("push", 3, "not_json"),
        ("push", 1, "bad_status"),
    ]
    assert shown[1] == {
        "time": "2026-11-22T02:20:00.000+00:00",
        "source": "push",
        "line": 1,
        "reason": "bad_status",
        "problem": "status must be an integer up to 999",
        "at": shown[1]["at"],
        "sample": '{"status":9999,"x":"\\x1b[2J\\xff"}',
    }


async def test_a_limited_number_is_shown(service: Served) -> None:
    for number in range(MAX_RECENT):
        await service.client.post("/ingest", content=b"no %d\nno\n" % number)

    shown = (await service.client.get("/rejected")).json()

    assert len(shown) == MAX_RECENT
    assert shown[1]["sample"] == f"no {MAX_RECENT - 1}"


async def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    async with keeping(tmp_path) as kept:
        kept.letters.keep("file:x", [rejection(1), rejection(2, b"\x00\n\xf0\x9f\x98\x80")])
        await kept.written()

        assert [(line["source"], line["line"], line["sample"]) for line in kept.lines] == [
            ("file:x", 1, "no"),
            ("file:x", 2, "\\x00\\n😀"),
        ]
        assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600


async def test_the_file_survives_a_restart(tmp_path: Path) -> None:
    for line in (1, 2):
        async with keeping(tmp_path) as kept:
            kept.letters.keep("file:x", [rejection(line)])

    assert [one["line"] for one in kept.lines] == [1, 2]


async def test_the_file_is_bounded_and_has_the_newest_lines(tmp_path: Path) -> None:
    most = 10_000
    async with keeping(tmp_path, file_bytes=most) as kept:
        for number in range(20):
            kept.letters.keep("file:x", [rejection(50 * number + one) for one in range(50)])
            await kept.written()
            assert sum(kept.files.values()) <= most

    lines = [line["line"] for line in kept.lines]
    assert lines == list(range(lines[0], 1000))
    assert len(lines) * len(kept.path.read_bytes().splitlines()[0]) > most / 3
    assert sorted(kept.files) == ["rejected.jsonl", "rejected.jsonl.1"]


async def test_a_flood_is_dropped_and_dropped_lines_are_counted(tmp_path: Path) -> None:
    async with keeping(tmp_path) as kept:
        kept.letters.keep("file:x", [rejection(number) for number in range(MAX_PENDING + 5)])
        await kept.written()
        kept.letters.keep("file:x", [rejection(7)])

    assert kept.letters.dropped == 5
    assert [line["line"] for line in kept.lines] == [*range(MAX_PENDING), 7]


async def test_a_file_that_cannot_be_written_is_logged_once_and_recovers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "edgetally")
    (tmp_path / "rejected.jsonl").mkdir()
    async with keeping(tmp_path) as kept:
        for number in range(3):
            kept.letters.keep("file:x", [rejection(number)])
            await kept.written()
        kept.path.rmdir()
        kept.letters.keep("file:x", [rejection(9)])
        await kept.written()

    assert [line["line"] for line in kept.lines] == [9]
    assert kept.letters.dropped == 3
    assert [type(record.msg).__name__ for record in caplog.records] == ["DeadLettersFailing", "DeadLettersRecovered"]
    assert caplog.messages[0] == f"cannot write rejected lines to {kept.path}: Is a directory"


async def test_a_symbolic_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / "rejected.jsonl").symlink_to(tmp_path / "victim")
    async with keeping(tmp_path) as kept:
        kept.letters.keep("file:x", [rejection()])

    assert (tmp_path / "victim").read_bytes() == b""
    assert kept.letters.dropped == 1


@pytest.mark.parametrize("kind", ["sqlite", "memory"])
async def test_a_service_keeps_the_file_in_its_data_directory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "state" / "rejected.jsonl"
    async with served({"journal": {"kind": kind, "data_dir": str(path.parent)}}) as service:
        await service.client.post("/ingest", content=b"no")
        await service.to(2)
        await until(path.exists)
        await service.client.post("/ingest", content=b"again")

    assert [json.loads(line)["sample"] for line in path.read_text("ascii").splitlines()] == ["no", "again"]


async def test_a_service_without_a_data_directory_has_no_file(service: Served) -> None:
    await service.client.post("/ingest", content=b"no")
    await service.to(2)

    assert service.service.dead_letters.dropped == 0
    assert not service.service.config.journal.directory.exists()


async def test_the_file_can_be_switched_off(tmp_path: Path) -> None:
    async with keeping(tmp_path, file_bytes=0) as kept:
        kept.letters.keep("file:x", [rejection()])
        await kept.written()

    assert kept.files == {}
    assert kept.letters.dropped == 0
    assert json.loads(kept.letters.to_json())[0]["time"].startswith("2026-11-22T02:20:00"), START


def test_a_file_that_cannot_be_started_anew_is_closed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rejected.jsonl"
    append(path, ["x" * 100], 50)
    opened, theirs = os.open, tmp_path / "theirs"
    descriptors: list[int] = []

    def fail(name: Path, flags: int, mode: int = 0o777) -> int:
        if descriptors:
            # Another thread gets the number of the file that was closed.
            descriptors.append(opened(theirs, os.O_WRONLY | os.O_CREAT))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        descriptors.append(opened(name, flags, mode))
        return descriptors[-1]

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OSError, match="No space left"):
        append(path, ["y" * 100], 50)
    assert descriptors[0] == descriptors[1]
    assert os.write(descriptors[1], b"still open") == 10
    os.close(descriptors[1])
