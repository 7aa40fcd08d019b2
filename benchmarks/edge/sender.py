"""
Sends the traffic at a steady rate in a process of its own, and measures what that costs.

Everything is made ahead. While it sends, only the timestamps of a block are set, once in each second in which it is
sent; the rest is one system call per block, or per 64 datagrams.
"""

import ctypes
import os
import re
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple, Protocol

from benchmarks.edge.traffic import POPS, Block
from benchmarks.syslog.sender import Header, Message, Piece

DATAGRAMS = 64
"""How many are sent with one system call."""

KEPT_BYTES = 128 << 20
"""What a followed log keeps on its disk. What is before that is given back, but for its beginning."""

BEGINNING_BYTES = 1 << 16
PUNCH_HOLE, KEEP_SIZE = 2, 1

ANSWER = re.compile(rb'"accepted":(\d+)')

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
LIBC.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)


class Sent(NamedTuple):
    """What was sent, and what that cost."""

    lines: int
    seconds: float
    cpu: float
    """CPU seconds of the sender."""
    behind: float
    """Most seconds that it was behind its rate."""
    times: list[list[int]]
    """How often each block of each POP was sent."""
    began: float


class Progress(Protocol):
    """A number that processes share."""

    value: int


class Road(Protocol):
    """A way to the server."""

    def send(self, second: int) -> int:
        """Send a block, or begin to; return its lines, 0 if nothing can be sent now."""

    def wait(self, seconds: float) -> None:
        """Wait until something can be sent, at most so long."""

    def finish(self) -> None:
        """Return once everything that was begun is sent."""


class Traffic:
    """The blocks of each POP in turn, without end, and how often each was sent."""

    def __init__(self, blocks: Sequence[Sequence[Block]]) -> None:
        self.times = [[0] * len(one) for one in blocks]
        self._turns: list[Iterator[tuple[int, Block]]] = [cycle(enumerate(one)) for one in blocks]
        self._sizes = [len(one) for one in blocks]

    def next(self, pop: int, second: int) -> Block | None:
        """Return the next block of a POP, for this second; None while all of them are being sent."""
        for _ in range(self._sizes[pop]):
            number, block = next(self._turns[pop])
            if not block.is_busy:
                block.set_second(second)
                self.times[pop][number] += 1
                return block
        return None


class Connection:
    """One connection, and what waits to be sent over it."""

    def __init__(self, port: int, pops: Iterator[int]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)  # noqa: FBT003 - the socket's own interface
        self.pops = pops
        self.queue: deque[tuple[Block, list[memoryview]]] = deque()
        self.unanswered = 0
        self.is_blocked = False
        """Whether the kernel takes no more at the moment."""

    def put(self, block: Block, head: bytes = b"") -> None:
        """Send a block behind what waits."""
        block.is_busy = True
        self.queue.append((block, [memoryview(one) for one in (head, block.bytes) if one]))

    def flush(self) -> bool:
        """Send what the kernel takes; return whether that was all."""
        while self.queue:
            block, parts = self.queue[0]
            try:
                size = self.socket.sendmsg(parts)
            except BlockingIOError:
                return False
            while parts and size >= len(parts[0]):
                size -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][size:]
            else:
                block.is_busy = False
                self.queue.popleft()
        return True


class Connections:
    """Pushes, or syslog over TCP. Each connection has the lines of one POP, but for a single one, which has all."""

    def __init__(self, traffic: Traffic, port: int, count: int, *, pushes: int = 0) -> None:
        """`pushes` are sent over a connection before the first is answered; 0: syslog, which has no answers."""
        self.accepted = 0
        self._traffic = traffic
        self._pushes = pushes
        self._poll = select.epoll()
        self._all: dict[int, Connection] = {}
        for number in range(count):
            pops = cycle(range(POPS)) if count == 1 else cycle([number % POPS])
            one = Connection(port, pops)
            self._all[one.socket.fileno()] = one
            self._poll.register(one.socket, select.EPOLLIN)
        self._free = deque(self._all.values())

    def send(self, second: int) -> int:
        """Begin to send over the connection that waits longest."""
        if not self._free:
            return 0
        one = self._free.popleft()
        block = self._traffic.next(next(one.pops), second)
        if block is None:
            self._free.append(one)
            return 0
        head = b""
        if self._pushes:
            one.unanswered += 1
            head = b"POST /ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(block.bytes)
        one.put(block, head)
        self._flush(one)
        return block.lines

    def wait(self, seconds: float) -> None:
        """Take answers, and send what did not fit before."""
        for number, event in self._poll.poll(max(seconds, 0)):
            one = self._all[number]
            if event & select.EPOLLIN:
                text = one.socket.recv(1 << 16)
                assert text, "the server closed a connection"
                assert text.count(b"HTTP/1.1 ") == text.count(b"HTTP/1.1 200 "), text
                for found in ANSWER.findall(text):
                    self.accepted += int(found)
                    was_full = one.unanswered == self._pushes
                    one.unanswered -= 1
                    if was_full and not one.queue:
                        self._free.append(one)
            if event & select.EPOLLOUT:
                self._flush(one)

    def finish(self) -> None:
        """Wait for the rest, and close."""
        while any(one.queue or one.unanswered for one in self._all.values()):
            self.wait(0.1)
        for one in self._all.values():
            one.socket.close()

    def _flush(self, one: Connection) -> None:
        was_blocked, one.is_blocked = one.is_blocked, not one.flush()
        if one.is_blocked != was_blocked:
            self._poll.modify(one.socket, select.EPOLLIN | (select.EPOLLOUT if one.is_blocked else 0))
        if one.is_blocked:
            return
        if not self._pushes or one.unanswered < self._pushes:
            self._free.append(one)


class Files:
    """Logs that are followed, one per POP."""

    def __init__(self, traffic: Traffic, paths: Sequence[Path]) -> None:
        self._traffic = traffic
        self._files = [os.open(path, os.O_WRONLY | os.O_APPEND) for path in paths]
        self._sizes = [0] * len(paths)
        self._pops = cycle(range(POPS))

    def send(self, second: int) -> int:
        """Append a block."""
        pop = next(self._pops)
        block = self._traffic.next(pop, second)
        assert block
        written = os.write(self._files[pop], block.bytes)
        assert written == len(block.bytes)
        self._sizes[pop] += written
        self._forget(pop)
        return block.lines

    def _forget(self, pop: int) -> None:
        """Give back what the server has read long ago: the disk of a test is no subject of it."""
        over = self._sizes[pop] - KEPT_BYTES
        if over > KEPT_BYTES:
            LIBC.fallocate(self._files[pop], PUNCH_HOLE | KEEP_SIZE, BEGINNING_BYTES, over)

    def wait(self, seconds: float) -> None:
        """Wait."""
        if seconds > 0:
            time.sleep(seconds)

    def finish(self) -> None:
        """Close the files."""
        for one in self._files:
            os.close(one)


class Datagrams:
    """Syslog over UDP, one line each."""

    def __init__(self, traffic: Traffic, blocks: Sequence[Sequence[Block]], port: int) -> None:
        self._traffic = traffic
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._pops = cycle(range(POPS))
        self._kept: list[object] = []
        self._messages = {id(block): self._made(block) for pop in blocks for block in pop}
        self._block: Block | None = None
        self._at = 0

    def _made(self, block: Block) -> int:
        """Return the address of the messages of a block."""
        base = ctypes.addressof(ctypes.c_char.from_buffer(block.bytes))
        ends = [*block.starts[1:], len(block.bytes)]
        pairs = zip(block.starts, ends, strict=True)
        pieces = (Piece * block.lines)(*[Piece(base + start, end - start - 1) for start, end in pairs])
        messages = (Message * block.lines)()
        size = ctypes.sizeof(Piece)
        for number in range(block.lines):
            header: Header = messages[number].header
            header.pieces = ctypes.cast(ctypes.addressof(pieces) + number * size, ctypes.POINTER(Piece))
            header.piece_count = 1
        self._kept += [pieces, messages]
        return ctypes.addressof(messages)

    def send(self, second: int) -> int:
        """Send some lines of a block, or begin the next one."""
        if self._block is None:
            self._block = self._traffic.next(next(self._pops), second)
            self._at = 0
        block = self._block
        assert block
        block.set_second(second)
        address = self._messages[id(block)] + self._at * ctypes.sizeof(Message)
        sent: int = LIBC.sendmmsg(self._socket.fileno(), address, min(DATAGRAMS, block.lines - self._at), 0)
        assert sent > 0, os.strerror(ctypes.get_errno())
        self._at += sent
        if self._at == block.lines:
            self._block = None
        return sent

    def wait(self, seconds: float) -> None:
        """Wait."""
        if seconds > 0:
            time.sleep(seconds)

    def finish(self) -> None:
        """Send the rest of the block that was begun."""
        while self._block:
            self.send(int(time.time()))


def run(road: Road, traffic: Traffic, rate: float, seconds: float, progress: Progress) -> Sent:
    """Send at `rate` lines per second, in small steps, and catch up after every pause; `progress` has the lines."""
    cpu = time.process_time()
    clock = time.perf_counter
    began, started = clock(), time.time()
    sent, behind = 0, 0.0
    while (elapsed := clock() - began) < seconds and progress.value >= 0:
        if sent >= elapsed * rate:
            road.wait(min(sent / rate, seconds) - elapsed)
            continue
        behind = max(behind, elapsed - sent / rate)
        lines = road.send(int(time.time()))
        progress.value = sent = sent + lines
        road.wait(0 if lines else 0.01)
    road.finish()
    return Sent(sent, clock() - began, time.process_time() - cpu, behind, traffic.times, started)
