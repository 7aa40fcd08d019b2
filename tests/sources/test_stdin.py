"""Standard input as a source."""

import asyncio
import gc
import logging
import os
import select
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from typing import cast

import pytest

from edgetally.errors import ConfigError
from edgetally.journal.memory import MemoryJournal
from edgetally.model import Defaults
from edgetally.sources.base import READ_BYTES, Block
from edgetally.sources.stdin import READ_AHEAD, Stdin
from tests.support.clock import ManualClock, until
from tests.support.ingest import Ingest

RECORD = b'{"status":200}\n'


class Pipe:
    """Both ends of a pipe."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._is_open = True

    def write(self, data: bytes) -> None:
        assert os.write(self.writing, data) == len(data)

    def end(self) -> None:
        """Close the writing end."""
        self._is_open = False
        os.close(self.writing)

    def close(self) -> None:
        """Close both ends. Wait for readers first: the next pipe gets the same numbers, and they would read from it."""
        if self._is_open:
            self.end()
        for thread in threading.enumerate():
            if thread.name == "stdin":
                thread.join()
        os.close(self.reading)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def piped(pipe: Pipe) -> "aclosing[AsyncGenerator[Block, None]]":
    blocks = Stdin(Defaults("svc", "lab"), pipe.reading).blocks()
    return aclosing(cast("AsyncGenerator[Block, None]", blocks))


async def test_a_pipe_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.reading, False)
    async with piped(pipe) as blocks:
        first = asyncio.ensure_future(anext(blocks))
        await until(lambda: any(thread.name == "stdin" for thread in threading.enumerate()))
        pipe.write(b"one\n")
        assert (await first).data == b"one\n"
        pipe.end()
        assert await anext(blocks) == Block(b"", end=True)


async def test_an_error_ends_it_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    memory = os.open("/proc/self/mem", os.O_RDONLY)  # of which the first page cannot be read
    try:
        blocks = [block async for block in Stdin(Defaults("svc", "lab"), memory).blocks()]
    finally:
        os.close(memory)

    assert blocks == [Block(b"", end=True)]
    assert [record.getMessage() for record in caplog.records] == ["stdin: cannot be read: Input/output error"]


@pytest.mark.parametrize("kind", ["closed", "open for writing"])
def test_one_that_cannot_be_read_is_an_error(kind: str) -> None:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    if kind == "closed":
        os.close(descriptor)
    with pytest.raises(ConfigError, match=r"^sources.stdin: standard input is closed$"):
        Stdin(Defaults("svc", "lab"), descriptor)
    if kind != "closed":
        os.close(descriptor)


async def test_data_is_yielded_as_soon_as_it_is_written(pipe: Pipe) -> None:
    async with piped(pipe) as blocks:
        for data in (b"one\n", b"two\nth", b"ree\n"):
            pipe.write(data)
            block = await anext(blocks)
            assert (block.data, block.end) == (data, False)
        pipe.end()
        assert await anext(blocks) == Block(b"", end=True)


async def test_the_source_ends_when_the_writer_closes_the_pipe(pipe: Pipe) -> None:
    async with piped(pipe) as blocks:
        pipe.write(b"one\ntw")
        pipe.end()
        found = [block async for block in blocks]

    assert b"".join(block.data for block in found) == b"one\ntw"
    assert [block.end for block in found] == [False, True]


async def test_an_empty_pipe(pipe: Pipe) -> None:
    async with piped(pipe) as blocks:
        pipe.end()
        assert [block async for block in blocks] == [Block(b"", end=True)]


async def test_its_start_and_its_end_are_logged(pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with piped(pipe) as blocks:
        pipe.end()
        await anext(blocks)

    assert caplog.messages == ["stdin: reading", "stdin: ended"]


async def test_a_long_file_is_read_in_blocks(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("stdin") / "long.log"
    data = b"".join(b"%099d\n" % number for number in range(8 * READ_BYTES // 100))
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    source = Stdin(Defaults("svc", "lab"), descriptor)

    found = [block async for block in source.blocks()]
    os.close(descriptor)

    assert b"".join(block.data for block in found) == data
    assert max(len(block.data) for block in found) == READ_BYTES


async def test_there_is_no_checkpoint(pipe: Pipe) -> None:
    async with piped(pipe) as blocks:
        pipe.write(b"one\n")
        assert (await anext(blocks)).checkpoints is None
        pipe.end()
        assert [block.end async for block in blocks] == [True]


async def test_what_was_read_by_the_stop_counts(pipe: Pipe) -> None:
    clock = ManualClock()
    ingest = Ingest(MemoryJournal(), clock)
    follow = asyncio.create_task(ingest.worker.follow(Stdin(Defaults("svc", "lab"), pipe.reading)))
    pipe.write(RECORD * 2 + RECORD.rstrip())
    await until(lambda: ingest.totals.accepted == 2)
    follow.cancel()
    await asyncio.wait([follow])
    ingest.close()

    assert ingest.totals.accepted == 3


async def test_blocks_that_wait_at_the_stop_are_yielded(pipe: Pipe) -> None:
    async with piped(pipe) as blocks:
        pipe.write(b"0")
        assert (await anext(blocks)).data == b"0"
        for number in range(READ_AHEAD):
            pipe.write(b"%d" % number)
            while select.select([pipe.reading], [], [], 0)[0]:
                pass  # the loop does not run meanwhile: the blocks are on their way into the queue
        found = [await blocks.athrow(asyncio.CancelledError())]
        with suppress(asyncio.CancelledError):
            while True:
                found.append(await anext(blocks))
    # The last one may still be in the hands of the reader.
    assert b"".join(one.data for one in found)[: READ_AHEAD - 1] == b"012"


def reader() -> threading.Thread:
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "stdin"]
    return thread


def test_the_process_stops_while_the_writer_waits(pipe: Pipe) -> None:
    async def start() -> threading.Thread:
        async with piped(pipe) as blocks:
            pipe.write(b"one\n")
            await anext(blocks)
            # Each is read as a block of its own, but for the last one, for which there is no room.
            for _ in range(READ_AHEAD):
                pipe.write(b"one\n")
                await until(lambda: not select.select([pipe.reading], [], [], 0)[0])
            pipe.write(b"one\n")
        return reader()

    asyncio.run(start()).join()


def test_the_process_stops_while_nothing_is_written(pipe: Pipe) -> None:
    async def start() -> threading.Thread:
        async with piped(pipe) as blocks:
            pipe.write(b"one\n")
            await anext(blocks)
        return reader()

    thread = asyncio.run(start())
    pipe.write(b"two\n")
    thread.join()
    gc.collect()
