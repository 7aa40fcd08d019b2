"""The real Traffic Server, started in a directory of its own, with the snippet that users are given."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from edgetally.snippets import snippet
from tests.edges.book import Book
from tests.edges.haproxy import uncommented
from tests.edges.lab import BUSY, Lab
from tests.edges.nginx import dead_port, make_certificate
from tests.edges.origin import Origin
from tests.edges.servers import free_port

ROOT = """\
prefix: {directory}
exec_prefix: {directory}
bindir: /usr/bin
sbindir: /usr/sbin
sysconfdir: {directory}
datadir: {directory}
includedir: /usr/include
libdir: /usr/lib/trafficserver
libexecdir: /usr/lib/trafficserver/modules
localstatedir: {directory}
runtimedir: {directory}
logdir: {directory}
cachedir: {directory}
"""

RECORDS = """\
{user}
CONFIG proxy.config.http.server_ports STRING {port}:ip-in=127.0.0.1 {tls_port}:ssl:ip-in=127.0.0.1
CONFIG proxy.config.ssl.server.cert.path STRING {directory}
CONFIG proxy.config.ssl.server.private_key.path STRING {directory}
CONFIG proxy.config.log.max_secs_per_buffer INT 1
CONFIG proxy.config.log.logging_enabled INT 3
CONFIG proxy.config.diags.output.note STRING E
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 2
CONFIG proxy.config.http.cache.cache_urls_that_look_dynamic INT 1
"""


IMPATIENT = " @plugin=conf_remap.so" + "".join(
    f" @pparam=proxy.config.http.{setting}"
    for setting in ("transaction_no_activity_timeout_out=1", "connect_attempts_max_retries=0")
)
"""A second, which is the shortest that there is, and no second try."""


class TrafficServer:
    """One Traffic Server that asks whom `remap` says."""

    def __init__(self, directory: Path, *, remap: str) -> None:
        self.log = directory / "edgetally.log"
        self.said: list[str] = []
        self._directory = directory
        self._remap = remap
        self._stack = contextlib.ExitStack()
        self.port, self.tls_port = (self._stack.enter_context(free_port()) for _ in range(2))
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        certificate = make_certificate(self._directory)
        for name, text in {
            "runroot.yaml": ROOT.format(directory=self._directory),
            "records.config": RECORDS.format(
                directory=self._directory,
                user="CONFIG proxy.config.admin.user_id STRING #-1" if os.geteuid() == 0 else "",
                port=self.port,
                tls_port=self.tls_port,
            ),
            "remap.config": self._remap,
            "ssl_multicert.config": f"dest_ip=* ssl_cert_name={certificate.name}\n",
            "storage.config": f"{self._directory} 16M\n",
            "plugin.config": "",
            "ip_allow.yaml": "ip_allow:\n  - {apply: in, ip_addrs: 127.0.0.1, action: allow, methods: ALL}\n",
            "logging.yaml": uncommented(snippet("trafficserver").text),
        }.items():
            (self._directory / name).write_text(text)
        self._process = await asyncio.create_subprocess_exec(
            *("traffic_server", f"--run-root={self._directory}/runroot.yaml"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read_messages(ready))
        await ready.wait()
        assert self._process.returncode is None, self.said
        return self

    async def _read_messages(self, ready: asyncio.Event) -> None:
        assert self._process
        assert self._process.stderr
        while line := (await self._process.stderr.readline()).decode():
            self.said.append(line)
            if "fully initialized" in line:
                ready.set()
        ready.set()

    async def __aexit__(self, *_: object) -> None:
        assert self._process
        assert self._reading
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()
        await self._reading
        self._stack.close()


@contextlib.asynccontextmanager
async def laboratory(directory: Path) -> AsyncIterator[tuple[Lab, TrafficServer]]:
    """Start origins and Traffic Server."""
    book = Book()
    async with contextlib.AsyncExitStack() as stack:
        dead = stack.enter_context(dead_port())
        origins = {}
        for path, origin in {
            "plain": Origin("127.0.0.2", book.seen, ip="127.0.0.2"),
            "other": Origin("127.0.0.3", book.seen, ip="127.0.0.3"),
            "impatient": Origin("127.0.0.7", book.seen, ip="127.0.0.7"),
            "busy": Origin("127.0.0.4", book.seen, ip="127.0.0.4", always=BUSY),
            "far": Origin("127.0.0.6", book.seen, ip="127.0.0.6"),
        }.items():
            origins[path] = await stack.enter_async_context(origin)
        targets = {path: origin.address for path, origin in origins.items()} | {"dead": dead}
        remap = "".join(
            f"map /{path}/ http://{target}/{IMPATIENT if path == 'impatient' else ''}\n"
            for path, target in targets.items()
        )
        async with TrafficServer(directory, remap=remap) as server:
            here = Lab(server, book, origins)
            try:
                yield here, server
            finally:
                await here.hang_up()
