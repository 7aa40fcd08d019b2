"""What ten thousand misbehaving clients cost the others. See README.md."""

import contextlib
import gzip
import os
import re
import resource
import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from benchmarks.harness import Server, percentile, read, row, serve, wait_for

SLOW = int(os.environ.get("CROWD", "10_000"))
"""Connections that send a byte per second: half of them a header, half a push."""
GREEDY = 200
"""Readers that request a large answer and never read it."""
SECONDS = 15
DOMAINS = 5_000
"""Makes an entry of about 2 MB."""
CEILING = 1 << 30

HEADER = b"GET /v1/domains/shop/ts/h HTTP/1.1\r\nHost: x\r\nX-Never-Ends: "
PUSH = b"POST /ingest/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
GREED = b"GET /v1/domains/shop/ts/1 HTTP/1.1\r\nHost: x\r\n\r\n"

LINES = "".join(f'{{"domain":"{number}.example","status":200}}\n' for number in range(DOMAINS)).encode()

MONSTERS = [
    ("a line without end", b"x" * 90_000_000, ""),
    ("a million brackets", b'{"status":200,"x":' + b"[" * 1_000_000 + b"\n", ""),
    ("an array of brackets", b"[" * 50_000_000, ""),
]
"""Name, body and content encoding of each push."""


def bomb() -> bytes:
    """Return gzip members that decompress to 4 GB."""
    return gzip.compress(b"\n" * 64_000_000, 9) * 64


class Polite:
    """Pushes and reads ten times a second, and records how long each took."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.pushes = 0
        self.took: list[float] = []
        self.answered: list[float] = []
        self.lags: list[float] = []
        self.memory = 0
        self.cpu = 0.0
        """CPU seconds that the server used per second."""

    def run(self, seconds: float) -> None:
        """Push and read for `seconds`."""
        self.took, self.answered, self.lags = [], [], []
        until, cpu = time.monotonic() + seconds, self.server.cpu_seconds()
        reading = threading.Thread(target=self._often, args=(self._read, until))
        reading.start()
        self._often(self._push, until)
        reading.join()
        self.cpu = (self.server.cpu_seconds() - cpu) / seconds

    @staticmethod
    def _often(do: Callable[[], None], until: float) -> None:
        while (began := time.monotonic()) < until:
            do()
            time.sleep(max(0.0, began + 0.1 - time.monotonic()))

    def _push(self) -> None:
        began = time.monotonic()
        read(f"{self.server.url}/ingest/shop", LINES)
        self.pushes += 1
        self.took.append(time.monotonic() - began)
        self.memory = max(self.memory, self.server.memory())

    def _read(self) -> None:
        began = time.monotonic()
        self.lags.append(time.time() - self.server.now())
        self.answered.append(time.monotonic() - began)

    def __str__(self) -> str:
        """Summarize the measurements."""
        return (
            f"a push of {DOMAINS:,} records took {1000 * percentile(self.took, 0.5):.0f} ms (median), "
            f"{1000 * percentile(self.took, 0.99):.0f} ms (99th of 100); an answer {1000 * max(self.answered):.0f} ms "
            f"at most, and its clock was {max(self.lags):.1f} s behind at most; {100 * self.cpu:.0f} % of a core"
        )


def connect(server: Server, first: bytes) -> socket.socket:
    """Open a connection and send its first bytes."""
    url = urlsplit(server.url)
    assert url.hostname
    opened = socket.create_connection((url.hostname, url.port or 0))
    opened.sendall(first)
    return opened


def connections(server: Server) -> int:
    """Return how many connections the server has."""
    found = re.search(rb"^edgetally_http_connections (\d+)", read(f"{server.url}/metrics"), re.MULTILINE)
    assert found
    return int(found[1])


def dribble(crowd: list[socket.socket], done: Callable[[], bool]) -> None:
    """Send a byte per second on each connection."""
    while not done():
        began = time.monotonic()
        for one in crowd:
            with contextlib.suppress(OSError):
                one.send(b"x")
        time.sleep(max(0.0, began + 1 - time.monotonic()))


def main() -> None:
    """Measure without the crowd, then with it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with serve() as server:
        polite = Polite(server)
        polite.run(5)
        alone, quiet = str(polite), polite.memory
        alone_took = percentile(polite.took, 0.5)

        crowd = [connect(server, HEADER if number % 2 else PUSH) for number in range(SLOW)]
        greedy = [connect(server, GREED) for _ in range(GREEDY)]
        # Meanwhile new connections queue in the kernel, as behind any burst.
        wait_for(lambda: connections(server) >= SLOW + GREEDY, 60)
        over = threading.Event()
        threading.Thread(target=dribble, args=(crowd, over.is_set)).start()
        answers: list[str] = []
        monsters = [("4 GB of gzip", bomb(), "gzip"), *MONSTERS]

        def send_monsters() -> None:
            for name, body, coding in monsters:
                answers.append(f"{name}: {push_monster(server, body, coding)}")

        sending = threading.Thread(target=send_monsters)
        sending.start()
        polite.run(SECONDS)
        sending.join()
        over.set()
        for one in [*crowd, *greedy]:
            one.close()
        wait_for(lambda: server.now() > time.time() - 1)
        time.sleep(4)
        counted = server.requests(["shop"])

    expected = polite.pushes * DOMAINS
    print(
        f"alone: {alone}; {quiet / 1e6:.0f} MB\n"
        f"with {SLOW:,} connections that send a byte a second, and {GREEDY} that read nothing: {polite}; "
        f"{polite.memory / 1e6:.0f} MB at most\n"
        f"meanwhile: {'; '.join(answers)}\n"
        f"counted: {counted:,} of {expected:,}"
    )
    assert counted == expected, "records were lost"
    row(
        f"{SLOW:,} slow connections, {GREEDY} readers that do not read",
        "seals in time (2 s), under 1074 MB, nothing lost",
        f"push {1000 * percentile(polite.took, 0.5):.0f} ms, clock {max(polite.lags):.1f} s behind at most, "
        f"{polite.memory / 1e6:.0f} MB",
        f"alone: push {1000 * alone_took:.0f} ms, {quiet / 1e6:.0f} MB",
        met=max(polite.lags) < 2 and polite.memory < CEILING,
    )


def push_monster(server: Server, body: bytes, coding: str) -> str:
    """Push `body`; return the status."""
    url = urlsplit(server.url)
    fields = f"Content-Encoding: {coding}\r\n" if coding else ""
    head = f"POST /ingest/monster HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((url.hostname or "", url.port or 0)) as wire:
        with contextlib.suppress(OSError):  # the server may answer before it has read everything
            wire.sendall(head.encode() + body)
        answer = wire.recv(1000)
    return answer.split(b" ", 2)[1].decode() if answer else "closed"


if __name__ == "__main__":
    main()
