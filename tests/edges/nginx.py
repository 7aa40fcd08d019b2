"""The real nginx, started in a directory of its own, with the snippet that users are given."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from edgetally.snippets import snippet

DEFAULT_SERVER = "edge.example"

MAIN = """\
{user}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ worker_connections 256; }}
http {{
{snippet}
    access_log {log} edgetally;
{syslog}

    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    proxy_cache_path {directory}/cache keys_zone=cache:1m;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
{http}
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl http2;
        server_name {default_server};
{server}
    }}
}}
"""


class Nginx:
    """One nginx. `http` and `server` go into the blocks of these names; it also logs to each server of `syslog`."""

    def __init__(self, directory: Path, *, http: str, server: str, syslog: tuple[str, ...]) -> None:
        self.log = directory / "access.log"
        self.errors = directory / "error.log"
        self._directory = directory
        self._http = http
        self._server = server
        self._syslog = syslog
        # nginx takes these over, so no port is lost between choosing and using it, and nobody has to wait for nginx:
        # whoever connects too early is in the queue.
        self._sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.port, self.tls_port = (one.getsockname()[1] for one in self._sockets)
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for one in self._sockets:
                stack.enter_context(one)
            files = [one.fileno() for one in self._sockets]
            configuration = self._directory / "nginx.conf"
            configuration.write_text(
                MAIN.format(
                    user="user root;" if os.geteuid() == 0 else "",
                    directory=self._directory,
                    snippet=snippet("nginx").text,
                    log=self.log,
                    syslog="\n".join(f"    access_log syslog:server={server} edgetally;" for server in self._syslog),
                    certificate=make_certificate(self._directory),
                    http=self._http,
                    server=self._server,
                    port=self.port,
                    tls_port=self.tls_port,
                    default_server=DEFAULT_SERVER,
                )
            )
            self._process = await asyncio.create_subprocess_exec(
                *("nginx", "-p", self._directory, "-e", self.errors, "-c", configuration),
                pass_fds=files,
                env={**os.environ, "NGINX": "".join(f"{file};" for file in files)},
                stderr=subprocess.PIPE,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop when all requests are answered, and with that logged."""
        assert self._process
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGQUIT)
        _, said = await self._process.communicate()
        assert self._process.returncode == 0, said.decode()

    def reopen_logs(self) -> None:
        """Go on in a new log, after the old one was renamed."""
        assert self._process
        self._process.send_signal(signal.SIGUSR1)


def make_certificate(directory: Path) -> Path:
    """Make a certificate that signs itself, with its key, in one file."""
    both, half = directory / "certificate.pem", directory / "half.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={DEFAULT_SERVER}", "-days", "1", "-keyout", both, "-out", half),
        ],
        check=True,
        capture_output=True,
    )
    both.write_bytes(both.read_bytes() + half.read_bytes())
    return both


@contextlib.contextmanager
def dead_port() -> Iterator[str]:
    """Hold an address on which nobody listens, so that connections are refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"
