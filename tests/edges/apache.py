"""The real Apache httpd, started in a directory of its own, with the snippet that users are given."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Self

from edgetally.snippets import snippet
from tests.edges.book import Book
from tests.edges.lab import BUSY, Lab
from tests.edges.nginx import dead_port, make_certificate
from tests.edges.origin import Origin, listening
from tests.edges.servers import free_port

MODULES = (
    *("mpm_event", "authz_core", "setenvif", "alias", "headers", "deflate", "filter", "ssl", "http2", "slotmem_shm"),
    *("socache_shmcb", "proxy", "proxy_http", "proxy_balancer", "lbmethod_byrequests", "cache", "cache_disk"),
)

MAIN = """\
ServerRoot {directory}
ServerName edge.example
PidFile {directory}/pid
DefaultRuntimeDir {directory}
{user}
{modules}
ErrorLog /dev/stderr
LogLevel notice
StartServers 1
ServerLimit 1
ThreadsPerChild 25
ThreadLimit 25
MaxRequestWorkers 25
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{tls_port}
Protocols h2 http/1.1
DocumentRoot {directory}/site
KeepAliveTimeout 60
<Directory {directory}/site>
    Require all granted
</Directory>
{snippet}
{site}
<VirtualHost 127.0.0.1:{tls_port}>
    SSLEngine on
    SSLCertificateFile {certificate}
    CustomLog {directory}/other.log "%h"
</VirtualHost>
"""

SITE = """
CacheRoot {directory}/cache
CacheEnable disk /cached/
CacheEnable disk /bare_cached/
CacheHeader on
CacheIgnoreHeaders Set-Cookie
CacheStaleOnError on
Proxy100Continue off
<Proxy "balancer://origin_a">
    BalancerMember "http://{origin_a}"
</Proxy>
<Proxy "balancer://origin_b">
    BalancerMember "http://{origin_b}" disablereuse=On
</Proxy>
<Proxy "balancer://origin_far">
    BalancerMember "http://{origin_far}"
</Proxy>
<Proxy "balancer://origin_busy">
    BalancerMember "http://{origin_busy}"
</Proxy>
<Proxy "balancer://origin_dead">
    BalancerMember "http://{dead}" retry=0
</Proxy>
<Proxy "balancer://origin_down">
    BalancerMember "http://{dead}" retry=3600 status=+D
</Proxy>
<Proxy "balancer://pool">
    BalancerMember "http://{dead}" retry=3600
    BalancerMember "http://{pool}" status=+H
</Proxy>
ProxyPass "/plain/" "balancer://origin_a/"
ProxyPass "/other/" "balancer://origin_b/"
ProxyPass "/impatient/" "http://{origin_bare}/" timeout=1
ProxyPass "/cached/" "balancer://origin_a/"
ProxyPass "/bare_cached/" "http://{origin_bare}/"
ProxyPass "/far/" "balancer://origin_far/"
ProxyPass "/busy/" "balancer://origin_busy/"
ProxyPass "/dead/" "balancer://origin_dead/"
ProxyPass "/down/" "balancer://origin_down/"
ProxyPass "/pool/" "balancer://pool/"
ProxyPass "/bare_dead/" "http://{dead}/"
ProxyPass "/bare/" "http://{origin_bare}/"
ProxyPass "/gzipped/" "balancer://origin_a/"
ProxyPass "/upgraded/" "http://{origin_upgraded}/" upgrade=echo
ProxyPass "/rescued/" "balancer://origin_busy/"
ProxyPass "/forbidden/" "balancer://origin_a/"
<Location "/gzipped/">
    SetOutputFilter DEFLATE
</Location>
<Location "/rescued/">
    ProxyErrorOverride On
    ErrorDocument 503 /text
</Location>
<Location "/forbidden/">
    Require all denied
</Location>
Redirect 301 /moved /text
LimitRequestBody 2000000
"""


class Apache:
    """One Apache, with `site` behind the snippet."""

    def __init__(self, directory: Path, *, syslog_port: int, site: str) -> None:
        self.log = directory / "edgetally.log"
        self.old_log = directory / "edgetally.log.1"
        self.errors: list[str] = []
        self._directory = directory
        self._syslog_port = syslog_port
        self._site = site
        self._stack = contextlib.ExitStack()
        self.port, self.tls_port = (self._stack.enter_context(free_port()) for _ in range(2))
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def __aenter__(self) -> Self:
        is_root = os.geteuid() == 0
        for name in ("site", "cache"):
            (self._directory / name).mkdir()
        (self._directory / "site" / "text").write_text("made by Apache\n")
        if is_root:
            shutil.chown(self._directory / "cache", "www-data")
        configuration = self._directory / "apache.conf"
        configuration.write_text(
            MAIN.format(
                directory=self._directory,
                user="User www-data\nGroup www-data" if is_root else "",
                modules="\n".join(
                    f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES
                ),
                port=self.port,
                tls_port=self.tls_port,
                certificate=make_certificate(self._directory),
                snippet=self._filled_in(),
                site=self._site,
            )
        )
        self._process = await asyncio.create_subprocess_exec(
            *("apache2", "-D", "FOREGROUND", "-f", configuration),
            stderr=subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read_errors())
        await self._ready.wait()
        assert self._process.returncode is None, self.errors
        return self

    def _filled_in(self) -> str:
        text = snippet("apache").text
        for placeholder, value in (
            ("/var/log/apache2/edgetally.log", f"{self.log}"),
            ('#GlobalLog "|', 'GlobalLog "|'),
            (" -P 5514 ", f" -P {self._syslog_port} "),
            ("#SetEnvIfNoCase", "SetEnvIfNoCase"),
            ("192.0.2.0/24", "127.0.0.77"),
            ('#SetEnvIfExpr "-R', 'SetEnvIfExpr "-R'),
        ):
            assert placeholder in text
            text = text.replace(placeholder, value)
        return text

    async def rotate(self) -> None:
        """Go on in a new log, after the old one was renamed, as `apachectl graceful` does."""
        assert self._process
        self.log.rename(self.old_log)
        self._ready.clear()
        self._process.send_signal(signal.SIGUSR1)
        await self._ready.wait()

    async def _read_errors(self) -> None:
        assert self._process
        assert self._process.stderr
        while line := (await self._process.stderr.readline()).decode():
            self.errors.append(line)
            if "resuming normal operations" in line:
                self._ready.set()
        self._ready.set()

    async def __aexit__(self, *_: object) -> None:
        assert self._process
        assert self._reading
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()
        await self._reading
        self._stack.close()
        assert self._process.returncode == 0, self.errors


@contextlib.contextmanager
def open_directory() -> Iterator[Path]:
    """Make a directory that also the user can enter whose rights a server takes on."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


@contextlib.asynccontextmanager
async def laboratory(directory: Path, *, syslog_port: int) -> AsyncIterator[tuple[Lab, Apache]]:
    """Start origins and Apache."""
    book = Book()
    async with contextlib.AsyncExitStack() as stack:
        dead = stack.enter_context(dead_port())
        origins = await stack.enter_async_context(
            listening(
                Origin("origin_a", book.seen, ip="127.0.0.2"),
                Origin("origin_b", book.seen, ip="127.0.0.3"),
                Origin("origin_bare", book.seen),
                Origin("origin_upgraded", book.seen),
                Origin("origin_busy", book.seen, ip="127.0.0.4", always=BUSY),
                Origin("origin_far", book.seen, ip="127.0.0.6"),
                Origin("pool", book.seen, ip="127.0.0.5"),
            )
        )
        for name in ("origin_bare", "origin_upgraded"):
            origins[name].name = origins[name].address
        addresses = {name: origin.address for name, origin in origins.items()} | {"dead": dead}
        apache = Apache(directory, syslog_port=syslog_port, site=SITE.format(directory=directory, **addresses))
        async with apache:
            here = Lab(apache, book, origins)
            try:
                yield here, apache
            finally:
                await here.hang_up()
