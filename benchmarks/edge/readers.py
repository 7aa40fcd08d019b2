"""
Those who read meanwhile: long polls, streams, the rankings of open pages, and Prometheus; in a process of its own.

There is as little as possible between the sockets and the clock.
"""

import gzip
import http.client
import random
import re
import resource
import select
import socket
import threading
import time
from multiprocessing.connection import Connection
from typing import NamedTuple

from benchmarks.edge.traffic import HOUSE, SERVICES

SCRAPE_EVERY = 15.0
TIMESTAMP = b'"Timestamp":'
NUMBER = re.compile(rb"\d+")
HEAD = b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
PROMETHEUS = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}


class Counts(NamedTuple):
    """How many readers of each kind."""

    polls: int
    streams: int
    pages: int


class Seen(NamedTuple):
    """What the readers saw."""

    delays: list[float]
    """Seconds from a seal until a reader had its entry."""
    rankings: int
    """Bytes of rankings."""
    scrapes: list[float]
    """Seconds that each scrape took."""
    cpu: float
    """CPU seconds of the readers."""
    missed: int
    """How often a reader of a busy service did not get the second behind the one before."""


class Reader:
    """One connection of a reader of entries."""

    __slots__ = ("is_stream", "newest", "part", "service", "socket")

    def __init__(self, port: int, service: str, cursor: int, *, is_stream: bool) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.service = service.encode()
        self.is_stream = is_stream
        self.newest = 0
        self.part = b""
        self.ask(b"%d" % cursor)

    def ask(self, cursor: bytes) -> None:
        """Ask for what comes after the cursor."""
        target = b"stream?from=" if self.is_stream else b"ts/"
        self.socket.send(HEAD % (b"/v1/domains/%b/%b%b" % (self.service, target, cursor), b""))


class Readers:
    """All of them."""

    def __init__(self, port: int, cursor: int, counts: Counts) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        pick = random.Random(7)
        customers = [one for one in SERVICES if one != HOUSE]
        self._port = port
        self._poll = select.epoll()
        self._readers: dict[int, Reader] = {}
        self._pages: dict[int, socket.socket] = {}
        for number in range(counts.polls + counts.streams):
            one = Reader(port, pick.choice(customers), cursor, is_stream=number >= counts.polls)
            self._readers[one.socket.fileno()] = one
            self._poll.register(one.socket, select.EPOLLIN)
        for number in range(counts.pages):
            page = socket.create_connection(("127.0.0.1", port))
            target = b"/top/%b?rows=%d&focus=www%d.example" % (HOUSE.encode(), 40 + number, 10 * number)
            page.send(HEAD % (target, b"Accept: text/event-stream\r\n"))
            self._pages[page.fileno()] = page
            self._poll.register(page, select.EPOLLIN)
        self._delays: list[float] = []
        self._rankings = self._missed = 0
        self._scrapes: list[float] = []

    def read(self, control: Connection) -> None:
        """Read until told to stop, and send back what was seen; forget everything when told to `begin`."""
        over = threading.Event()
        scraping = threading.Thread(target=self._scrape, args=(over,))
        control.send("reading")
        cpu = time.process_time()
        number_of_control = control.fileno()
        self._poll.register(number_of_control, select.EPOLLIN)
        while True:
            for number, _ in self._poll.poll(maxevents=512):
                if number == number_of_control:
                    if control.recv() == "stop":
                        over.set()
                        if scraping.ident:
                            scraping.join()
                        took = time.process_time() - cpu
                        control.send(Seen(self._delays, self._rankings, self._scrapes, took, self._missed))
                        return
                    self._delays, self._rankings, self._missed, cpu = [], 0, 0, time.process_time()
                    scraping.start()
                elif page := self._pages.get(number):
                    text = page.recv(1 << 16)
                    assert text, "the server ended a ranking"
                    self._rankings += len(text)
                else:
                    self._take(self._readers[number])

    def _take(self, one: Reader) -> None:
        text = one.socket.recv(1 << 16)
        assert text, "the server closed a connection"
        one.part = one.part + text if one.part else text
        if not one.part.endswith(b"}\n\n" if one.is_stream else b"}"):
            return
        came = time.time()
        # From the end, where it is: these few microseconds are paid for thousands of readers, one after the other.
        at = one.part.rfind(TIMESTAMP)
        if at < 0:
            one.part = one.part if not one.is_stream else b""  # the head of an answer, or the start of a stream
            return
        found = NUMBER.match(one.part, at + len(TIMESTAMP))
        assert found
        timestamp = int(found[0])
        has_entry = b'"recorded"' in one.part
        one.part = b""
        if has_entry:
            self._delays.append(came - timestamp)
            self._missed += one.newest > 0 and timestamp != one.newest + 1
            one.newest = timestamp
        if not one.is_stream:
            one.ask(found[0])

    def _scrape(self, over: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        wait = 1.0
        while not over.wait(wait):
            began = time.perf_counter()
            connection.request("GET", "/fastly/metrics", headers=PROMETHEUS)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200
            assert gzip.decompress(text).endswith(b"# EOF\n")
            self._scrapes.append(time.perf_counter() - began)
            wait = SCRAPE_EVERY - self._scrapes[-1]


def main(port: int, cursor: int, counts: Counts, control: Connection) -> None:
    """Read what the server at `port` shows after `cursor`."""
    Readers(port, cursor, counts).read(control)
