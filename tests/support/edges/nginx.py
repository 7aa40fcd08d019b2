"""The real nginx, started in a directory of its own, with the snippet for users."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from edgetally.snippets import snippet
from tests.support.edges.lab import BUSY, Lab
from tests.support.edges.observed import Observations
from tests.support.edges.origin import Orders, Origin, listening
from tests.support.edges.servers import DEFAULT_HOST, dead_port, make_certificate

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
        server_name {default_host};
{server}
    }}
}}
"""

HTTP = """
    upstream plain {{ server {plain}; keepalive 4; }}
    upstream other {{ server {other}; }}
    upstream local {{ server {local}; }}
    upstream far {{ server {far}; }}
    upstream busy {{ server {busy}; }}
    upstream dead {{ server {dead}; }}
    upstream pool {{ server {pool_busy} max_fails=0; server {dead} max_fails=0; server {pool} backup; }}
    upstream pool_of_two {{ server {dead} max_fails=0; server {pool_of_two} backup; }}
    upstream pool_of_halves {{ server {pool_half} max_fails=0; server {pool_of_halves} backup; }}
    upstream pool_down {{ server {dead} fail_timeout=1h; server {dead} fail_timeout=1h; }}

    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_cache_key $host$uri;
    proxy_cache_bypass $http_x_bypass;
    proxy_cache_use_stale error timeout updating http_500 http_503;
    proxy_cache_revalidate on;
    proxy_next_upstream error timeout http_503;
    large_client_header_buffers 4 4k;
    add_header X-Cache $upstream_cache_status always;
"""

SERVER = """
        client_max_body_size 2m;
        location /plain/ {{ proxy_pass http://plain; }}
        location /old/ {{ proxy_pass http://other; proxy_http_version 1.0; proxy_set_header Connection close; }}
        location /local/ {{ proxy_pass http://local; }}
        location /unnamed/ {{ proxy_pass http://{unnamed}; }}
        location /impatient/ {{ proxy_pass http://other; proxy_read_timeout 60ms; }}
        location /small/ {{
            proxy_pass http://other;
            proxy_buffer_size 1k;
            proxy_buffers 4 1k;
            proxy_busy_buffers_size 2k;
        }}
        location /far/ {{ proxy_pass http://far; }}
        location /busy/ {{ proxy_pass http://busy; }}
        location /dead/ {{ proxy_pass http://dead; }}
        location /pool/ {{ proxy_pass http://pool; }}
        location /pool_of_two/ {{ proxy_pass http://pool_of_two; }}
        location /pool_of_halves/ {{ proxy_pass http://pool_of_halves; }}
        location /pool_down/ {{ proxy_pass http://pool_down; }}
        location /cached/ {{ proxy_pass http://plain; proxy_cache cache; }}
        location /background/ {{ proxy_pass http://plain; proxy_cache cache; proxy_cache_background_update on; }}
        location /unbuffered/ {{ proxy_pass http://plain; proxy_request_buffering off; }}
        location /streamed/ {{ proxy_pass http://plain; proxy_buffering off; }}
        location /gzipped/ {{ proxy_pass http://plain; gzip on; gzip_types *; gzip_min_length 1; }}
        location /upgraded/ {{
            proxy_pass http://other;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }}
        location /accelerated/ {{ proxy_pass http://plain; }}
        location /inside/ {{ internal; proxy_pass http://other; }}
        location /rescued/ {{ proxy_pass http://busy; proxy_intercept_errors on; error_page 503 = @rescue; }}
        location @rescue {{ proxy_pass http://other; }}
        location = /text {{ return 200 "made by nginx\\n"; }}
        location = /moved {{ return 301 /text; }}
        location = /dropped {{ return 444; }}
        location / {{ return 404; }}
"""


class Nginx:
    """One nginx. `http` and `server` go into the blocks of these names; it also logs to each server of `syslog`."""

    def __init__(self, directory: Path, *, http: str, server: str, syslog: tuple[str, ...]) -> None:
        self.log = directory / "access.log"
        self._directory = directory
        self._http = http
        self._server = server
        self._syslog = syslog
        # nginx inherits these: no other process can take the ports, and early connections wait in the queue.
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
                    default_host=DEFAULT_HOST,
                )
            )
            self._process = await asyncio.create_subprocess_exec(
                *("nginx", "-p", self._directory, "-e", self._directory / "error.log", "-c", configuration),
                pass_fds=files,
                env={**os.environ, "NGINX": "".join(f"{file};" for file in files)},
                stderr=subprocess.PIPE,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it once all requests are answered and logged."""
        assert self._process
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGQUIT)
        stderr = (await self._process.communicate())[1]
        assert self._process.returncode == 0, stderr.decode()

    def reopen_logs(self) -> None:
        """Let it open a new log, after the old one was renamed."""
        assert self._process
        self._process.send_signal(signal.SIGUSR1)


@contextlib.asynccontextmanager
async def nginx_lab(directory: Path, *syslog: str) -> AsyncIterator[tuple[Lab, Nginx]]:
    """Start origins and nginx, which also logs to these syslog servers."""
    observed = Observations()
    origins = (
        Origin("plain", "127.0.0.2"),
        Origin("other", "127.0.0.3"),
        Origin("local", path=f"{directory}/origin.sock"),
        Origin("unnamed"),
        Origin("busy", "127.0.0.4", always=BUSY),
        Origin("pool_busy", "127.0.0.4", always=BUSY),
        Origin("pool_half", "127.0.0.4", always=Orders(fault="half a header")),
        Origin("far", "127.0.0.6"),
        Origin("pool", "127.0.0.5"),
        Origin("pool_of_two", "127.0.0.5"),
        Origin("pool_of_halves", "127.0.0.5"),
    )
    with dead_port() as dead:
        async with listening(observed.fetches, *origins) as by_name:
            # nginx logs these under other names.
            by_name["pool_busy"].name = "pool"
            by_name["pool_half"].name = "pool_of_halves"
            by_name["unnamed"].name = by_name["unnamed"].address
            addresses = {name: origin.address for name, origin in by_name.items()} | {"dead": dead}
            http, server = HTTP.format(**addresses), SERVER.format(**addresses)
            edge = Nginx(directory, http=http, server=server, syslog=syslog)
            async with edge as nginx, Lab(nginx, observed, by_name) as lab:
                yield lab, nginx
