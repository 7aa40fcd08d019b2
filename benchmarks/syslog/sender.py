"""
Sends records as syslog, at a steady rate, from a process of its own: `sender.py udp|tcp PORT RATE SECONDS`.

sendmmsg passes 64 datagrams per system call, so that Python is not the bottleneck; TCP gets 256 lines at once. Prints
one JSON object: lines sent, and the seconds it took.
"""

import ctypes
import json
import socket
import sys
import time

from benchmarks.fold.traffic import LINE, lines

HEADER = b"<190>Nov 25 12:00:00 edge1 nginx: "
"""As nginx writes it. A datagram has at least LINE bytes without it."""

MESSAGES = 8192
TOGETHER = {"udp": 64, "tcp": 256}
STAMP = b'{"ts":'


class Piece(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Header(ctypes.Structure):
    """`struct msghdr`, as Linux lays it out."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("pieces", ctypes.POINTER(Piece)),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Message(ctypes.Structure):
    """`struct mmsghdr`."""

    _fields_ = (("header", Header), ("sent", ctypes.c_uint32))


class Traffic:
    """Messages in one buffer, whose timestamps can be set."""

    def __init__(self, end: bytes) -> None:
        made = [HEADER + line.rstrip(b"\n") + end for line in lines(MESSAGES)]
        self.size = LINE - 1 + len(HEADER) + len(end)
        assert {len(one) for one in made} == {self.size}
        self.starts = range(0, MESSAGES * self.size, self.size)
        self.bytes = bytearray(b"".join(made))
        self._stamps = [start + len(HEADER) + len(STAMP) for start in self.starts]
        self._now = 0

    def update_time(self) -> None:
        """Set the timestamp of every record to this second."""
        if int(time.time()) != self._now:
            self._now = int(time.time())
            now = b"%d" % self._now
            for stamp in self._stamps:
                self.bytes[stamp : stamp + 10] = now


def main() -> None:
    """Send at the given rate, catching up after every pause."""
    kind, port, rate, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    traffic = Traffic(b"" if kind == "udp" else b"\n")
    together = TOGETHER[kind]
    if kind == "udp":
        connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        connection.connect(("127.0.0.1", port))
        libc = ctypes.CDLL(None, use_errno=True)
        base = ctypes.addressof(ctypes.c_char.from_buffer(traffic.bytes))
        pieces = (Piece * MESSAGES)(*[Piece(base + start, traffic.size) for start in traffic.starts])
        messages = (Message * MESSAGES)()
        for number in range(MESSAGES):
            messages[number].header.pieces = ctypes.pointer(pieces[number])
            messages[number].header.piece_count = 1
        addresses = [ctypes.addressof(messages) + at * ctypes.sizeof(Message) for at in range(MESSAGES)]
        send = libc.sendmmsg
        send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
    else:
        connection = socket.create_connection(("127.0.0.1", port))
        view = memoryview(traffic.bytes)
        size = traffic.size
    sent = next_message = 0
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        if sent > elapsed * rate:
            continue  # busy waiting: sleeping is too coarse
        traffic.update_time()
        if kind == "udp":
            done = send(connection.fileno(), addresses[next_message], together, 0)
            assert done > 0, ctypes.get_errno()
        else:
            done = together
            connection.sendall(view[next_message * size : (next_message + together) * size])
        sent += done
        next_message = (next_message + done) % MESSAGES
        if next_message + together > MESSAGES:
            next_message = 0
    print(json.dumps({"sent": sent, "seconds": time.perf_counter() - began}), flush=True)
    connection.close()


if __name__ == "__main__":
    main()
