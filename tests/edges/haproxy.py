"""The real HAProxy, started in a directory of its own, with the snippet that users are given."""

import asyncio
import contextlib
import re
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from edgetally.snippets import snippet
from tests.edges.book import Book
from tests.edges.lab import BUSY, Lab
from tests.edges.nginx import dead_port, make_certificate
from tests.edges.origin import Origin, listening

SITE = """\
global
    tune.bufsize 65536
    maxconn 200
    stats socket {directory}/admin.sock mode 600

cache pages
    total-max-size 4
    max-object-size 200000
    max-age 600

defaults site
    mode http
    timeout connect 1s
    timeout client 20s
    timeout server 20s
    retries 0

frontend edge from edgetally
    bind fd@{port}
    bind fd@{tls_port} ssl crt {certificate} alpn h2,http/1.1
    http-request return status 200 content-type text/plain string "made by HAProxy" if {{ path /text }}
    http-request redirect location /text code 301 if {{ path /moved }}
    http-request deny deny_status 403 if {{ path /denied }}
    http-request cache-use pages if {{ path_beg /cached/ }}
    http-request set-var(txn.caching) str(yes) if {{ path_beg /cached/ }}
    http-response cache-store pages if {{ var(txn.caching) -m str yes }}
    http-after-response set-header X-Cache %[var(txn.edgetally_cache)]
    use_backend %[path,field(2,/)]
    default_backend plain

backend plain from site
    server a {origin_a}
backend cached from site
    server a {origin_a}
backend at_b from site
    server b {origin_b}
backend impatient from site
    timeout server 60ms
    server b {origin_b}
backend far from site
    server far {origin_far}
backend busy from site
    server busy {origin_busy}
backend dead from site
    server dead {dead}
backend down from site
    server down {origin_b} disabled
backend pool from site
    retries 3
    option redispatch 1
    balance first
    server dead {dead}
    server spare {origin_spare}
backend pool_of_answers from site
    retries 1
    retry-on 503
    option redispatch 1
    balance first
    server busy {origin_busy}
    server spare {origin_spare}
"""

CACHED = "http-request set-var(txn.edgetally_cache) str(MISS) if { method GET HEAD } { path_beg /cached/ }"


class HAProxy:
    """One HAProxy that logs by every road at once."""

    def __init__(self, directory: Path, addresses: dict[str, str]) -> None:
        self._directory = directory
        self._addresses = addresses
        # HAProxy takes these over, so whoever connects too early is in the queue.
        self._sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.port, self.tls_port = (one.getsockname()[1] for one in self._sockets)
        self._process: asyncio.subprocess.Process | None = None

    def write(self, udp: int, tcp: int) -> list[str]:
        """Write the configuration, and return how to load it."""
        filled = uncommented(snippet("haproxy").text)
        for placeholder, value in (
            ("log 127.0.0.1:5514", f"log 127.0.0.1:{udp}"),
            ("server edgetally 127.0.0.1:5514", f"server edgetally 127.0.0.1:{tcp}"),
            ("http-request set-var(txn.edgetally_cache) str(MISS) if { method GET HEAD }", CACHED),
            ("log /run/edgetally.sock", f"log {self._directory}/log.sock"),
        ):
            assert filled.count(f"    {placeholder}") == 1
            filled = filled.replace(f"    {placeholder}", f"    {value}")
        given, site = self._directory / "edgetally.cfg", self._directory / "haproxy.cfg"
        given.write_text(filled)
        port, tls_port = (one.fileno() for one in self._sockets)
        certificate = make_certificate(self._directory)
        site.write_text(
            SITE.format(
                port=port, tls_port=tls_port, certificate=certificate, directory=self._directory, **self._addresses
            )
        )
        return ["-f", str(given), "-f", str(site)]

    async def start(self, udp: int, tcp: int) -> Self:
        files = self.write(udp, tcp)
        with contextlib.ExitStack() as stack:
            for one in self._sockets:
                stack.enter_context(one)
            with (self._directory / "haproxy.log").open("wb") as log, (self._directory / "errors").open("wb") as errors:
                self._process = await asyncio.create_subprocess_exec(
                    *("haproxy", "-db", *files),
                    pass_fds=[one.fileno() for one in self._sockets],
                    stdout=log,
                    stderr=errors,
                )
        return self

    async def dropped(self) -> int:
        """Ask how many lines it could not send, because nobody took them in time."""
        reader, writer = await asyncio.open_unix_connection(self._directory / "admin.sock")
        writer.write(b"show info\n")
        said = (await reader.read()).decode()
        writer.close()
        (line,) = (line for line in said.splitlines() if line.startswith("DroppedLogs:"))
        return int(line.partition(":")[2])

    async def stop(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()


def uncommented(text: str) -> str:
    """Choose every alternative: they are commented without a blank."""
    return re.sub(r"^( *)#(?=[a-z-])", r"\1", text, flags=re.MULTILINE)


@contextlib.asynccontextmanager
async def laboratory(directory: Path, udp: int, tcp: int) -> AsyncIterator[tuple[Lab, HAProxy]]:
    """Start origins and HAProxy, which logs to these ports."""
    book = Book()
    async with contextlib.AsyncExitStack() as stack:
        origins = await stack.enter_async_context(
            listening(
                Origin("origin_a", book.seen, ip="127.0.0.2"),
                Origin("origin_b", book.seen, ip="127.0.0.3"),
                Origin("origin_spare", book.seen, ip="127.0.0.3"),
                Origin("origin_busy", book.seen, ip="127.0.0.4", always=BUSY),
                Origin("origin_far", book.seen, ip="127.0.0.6"),
            )
        )
        addresses = {name: origin.address for name, origin in origins.items()}
        haproxy = HAProxy(directory, addresses | {"dead": stack.enter_context(dead_port())})
        stack.push_async_callback(haproxy.stop)
        await haproxy.start(udp, tcp)
        lab = Lab(haproxy, book, origins)
        try:
            yield lab, haproxy
        finally:
            await lab.hang_up()
