"""The real HAProxy, started in a directory of its own, with the snippet for users."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from edgetally.snippets import snippet
from tests.support.edges.lab import BUSY, Lab
from tests.support.edges.observed import Observations
from tests.support.edges.origin import Origin, listening
from tests.support.edges.servers import dead_port, make_certificate, uncomment

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
    server a {plain}
backend cached from site
    server a {plain}
backend other from site
    server b {other}
backend impatient from site
    timeout server 60ms
    server b {other}
backend far from site
    server far {far}
backend busy from site
    server busy {busy}
backend dead from site
    server dead {dead}
backend down from site
    server down {other} disabled
backend pool from site
    retries 3
    option redispatch 1
    balance first
    server dead {dead}
    server spare {spare}
backend pool_of_answers from site
    retries 1
    retry-on 503
    option redispatch 1
    balance first
    server busy {busy}
    server spare {spare}
"""

CACHED = "http-request set-var(txn.edgetally_cache) str(MISS) if { method GET HEAD } { path_beg /cached/ }"


class HAProxy:
    """One HAProxy that logs by every transport at once."""

    def __init__(self, directory: Path, addresses: dict[str, str]) -> None:
        self._directory = directory
        self._addresses = addresses
        # HAProxy inherits these: no other process can take the ports, and early connections wait in the queue.
        self._sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.port, self.tls_port = (one.getsockname()[1] for one in self._sockets)

    @contextlib.asynccontextmanager
    async def running(self, udp: int, tcp: int) -> AsyncIterator[None]:
        """Run it; it logs to these ports."""
        files = self._write(udp, tcp)
        with contextlib.ExitStack() as stack:
            for one in self._sockets:
                stack.enter_context(one)
            with (self._directory / "haproxy.log").open("wb") as log, (self._directory / "errors").open("wb") as errors:
                process = await asyncio.create_subprocess_exec(
                    *("haproxy", "-db", *files),
                    pass_fds=[one.fileno() for one in self._sockets],
                    stdout=log,
                    stderr=errors,
                )
        try:
            yield
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await process.wait()

    def _write(self, udp: int, tcp: int) -> list[str]:
        """Write the configuration; return how to load it."""
        filled = uncomment(snippet("haproxy").text)
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

    async def dropped(self) -> int:
        """Return how many lines it dropped because their receiver was not ready."""
        reader, writer = await asyncio.open_unix_connection(self._directory / "admin.sock")
        writer.write(b"show info\n")
        info = (await reader.read()).decode()
        writer.close()
        (line,) = (line for line in info.splitlines() if line.startswith("DroppedLogs:"))
        return int(line.partition(":")[2])


@contextlib.asynccontextmanager
async def haproxy_lab(directory: Path, udp: int, tcp: int) -> AsyncIterator[tuple[Lab, HAProxy]]:
    """Start origins and HAProxy, which logs to these ports."""
    observed = Observations()
    origins = (
        Origin("plain", "127.0.0.2"),
        Origin("other", "127.0.0.3"),
        Origin("spare", "127.0.0.3"),
        Origin("busy", "127.0.0.4", always=BUSY),
        Origin("far", "127.0.0.6"),
    )
    with dead_port() as dead:
        async with listening(observed.fetches, *origins) as by_name:
            addresses = {name: origin.address for name, origin in by_name.items()} | {"dead": dead}
            haproxy = HAProxy(directory, addresses)
            async with haproxy.running(udp, tcp), Lab(haproxy, observed, by_name) as lab:
                yield lab, haproxy
