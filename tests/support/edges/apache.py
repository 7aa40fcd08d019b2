"""The real Apache httpd, started in a directory of its own, with the snippet for users."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from edgetally.snippets import snippet
from tests.support.edges.lab import BUSY, Lab
from tests.support.edges.observed import Observations
from tests.support.edges.origin import Origin, listening
from tests.support.edges.servers import Announced, announced, dead_port, free_port, make_certificate

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
<Proxy "balancer://plain">
    BalancerMember "http://{plain}"
</Proxy>
<Proxy "balancer://other">
    BalancerMember "http://{other}" disablereuse=On
</Proxy>
<Proxy "balancer://far">
    BalancerMember "http://{far}"
</Proxy>
<Proxy "balancer://busy">
    BalancerMember "http://{busy}"
</Proxy>
<Proxy "balancer://dead">
    BalancerMember "http://{dead}" retry=0
</Proxy>
<Proxy "balancer://down">
    BalancerMember "http://{dead}" retry=3600 status=+D
</Proxy>
<Proxy "balancer://pool">
    BalancerMember "http://{dead}" retry=3600
    BalancerMember "http://{pool}" status=+H
</Proxy>
ProxyPass "/plain/" "balancer://plain/"
ProxyPass "/other/" "balancer://other/"
ProxyPass "/impatient/" "http://{bare}/" timeout=1
ProxyPass "/cached/" "balancer://plain/"
ProxyPass "/bare_cached/" "http://{bare}/"
ProxyPass "/far/" "balancer://far/"
ProxyPass "/busy/" "balancer://busy/"
ProxyPass "/dead/" "balancer://dead/"
ProxyPass "/down/" "balancer://down/"
ProxyPass "/pool/" "balancer://pool/"
ProxyPass "/bare_dead/" "http://{dead}/"
ProxyPass "/bare/" "http://{bare}/"
ProxyPass "/gzipped/" "balancer://plain/"
ProxyPass "/upgraded/" "http://{upgraded}/" upgrade=echo
ProxyPass "/rescued/" "balancer://busy/"
ProxyPass "/forbidden/" "balancer://plain/"
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
    """One Apache, with `site` after the snippet."""

    def __init__(self, directory: Path, ports: tuple[int, int], *, syslog_port: int, site: str) -> None:
        self.log = directory / "edgetally.log"
        self.old_log = directory / "edgetally.log.1"
        self.port, self.tls_port = ports
        self._directory = directory
        self._syslog_port = syslog_port
        self._site = site
        self._server: Announced | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        command = ("apache2", "-D", "FOREGROUND", "-f", self._configuration())
        async with announced(*command, announcement="resuming normal operations") as self._server:
            yield
            assert await self._server.stop() == 0, self._server.stderr

    async def rotate(self) -> None:
        """Rename the log, and let it open a new one, as `apachectl graceful` does."""
        assert self._server
        self.log.rename(self.old_log)
        await self._server.signal_and_wait(signal.SIGUSR1)

    def _configuration(self) -> Path:
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
        return configuration

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


@contextlib.contextmanager
def open_directory() -> Iterator[Path]:
    """Make a directory that the user whom a server runs as can enter."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


@contextlib.asynccontextmanager
async def apache_lab(directory: Path, *, syslog_port: int) -> AsyncIterator[tuple[Lab, Apache]]:
    """Start origins and Apache."""
    observed = Observations()
    origins = (
        Origin("plain", "127.0.0.2"),
        Origin("other", "127.0.0.3"),
        Origin("bare"),
        Origin("upgraded"),
        Origin("busy", "127.0.0.4", always=BUSY),
        Origin("far", "127.0.0.6"),
        Origin("pool", "127.0.0.5"),
    )
    with dead_port() as dead, free_port() as port, free_port() as tls_port:
        async with listening(observed.fetches, *origins) as by_name:
            for name in ("bare", "upgraded"):
                by_name[name].name = by_name[name].address
            addresses = {name: origin.address for name, origin in by_name.items()} | {"dead": dead}
            site = SITE.format(directory=directory, **addresses)
            apache = Apache(directory, (port, tls_port), syslog_port=syslog_port, site=site)
            async with apache.running(), Lab(apache, observed, by_name) as lab:
                yield lab, apache
