"""An nginx between a client and origins, and the book of what these see."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tests.edges.book import Book, Told, as_it_was
from tests.edges.client import Answer, Connection, connected
from tests.edges.nginx import Nginx, dead_port
from tests.edges.origin import ORDERS, REQUEST_ID, Orders, Origin, listening

HTTP = """
    upstream origin_a {{ server {origin_a}; keepalive 4; }}
    upstream origin_b {{ server {origin_b}; }}
    upstream origin_unix {{ server {origin_unix}; }}
    upstream origin_far {{ server {origin_far}; }}
    upstream origin_busy {{ server {origin_busy}; }}
    upstream origin_dead {{ server {dead}; }}
    upstream pool {{ server {busy_in_pool} max_fails=0; server {dead} max_fails=0; server {pool} backup; }}
    upstream pool_of_two {{ server {dead} max_fails=0; server {pool_of_two} backup; }}
    upstream pool_of_halves {{ server {half_in_pool} max_fails=0; server {pool_of_halves} backup; }}
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
        location /plain/ {{ proxy_pass http://origin_a; }}
        location /old/ {{ proxy_pass http://origin_b; proxy_http_version 1.0; proxy_set_header Connection close; }}
        location /unix/ {{ proxy_pass http://origin_unix; }}
        location /unnamed/ {{ proxy_pass http://{origin_unnamed}; }}
        location /impatient/ {{ proxy_pass http://origin_b; proxy_read_timeout 60ms; }}
        location /small/ {{
            proxy_pass http://origin_b;
            proxy_buffer_size 1k;
            proxy_buffers 4 1k;
            proxy_busy_buffers_size 2k;
        }}
        location /far/ {{ proxy_pass http://origin_far; }}
        location /busy/ {{ proxy_pass http://origin_busy; }}
        location /dead/ {{ proxy_pass http://origin_dead; }}
        location /pool/ {{ proxy_pass http://pool; }}
        location /pool_of_two/ {{ proxy_pass http://pool_of_two; }}
        location /pool_of_halves/ {{ proxy_pass http://pool_of_halves; }}
        location /pool_down/ {{ proxy_pass http://pool_down; }}
        location /cached/ {{ proxy_pass http://origin_a; proxy_cache cache; }}
        location /background/ {{ proxy_pass http://origin_a; proxy_cache cache; proxy_cache_background_update on; }}
        location /unbuffered/ {{ proxy_pass http://origin_a; proxy_request_buffering off; }}
        location /streamed/ {{ proxy_pass http://origin_a; proxy_buffering off; }}
        location /gzipped/ {{ proxy_pass http://origin_a; gzip on; gzip_types *; gzip_min_length 1; }}
        location /upgraded/ {{
            proxy_pass http://origin_b;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }}
        location /accelerated/ {{ proxy_pass http://origin_a; }}
        location /inside/ {{ internal; proxy_pass http://origin_b; }}
        location /rescued/ {{ proxy_pass http://origin_busy; proxy_intercept_errors on; error_page 503 = @rescue; }}
        location @rescue {{ proxy_pass http://origin_b; }}
        location = /text {{ return 200 "made by nginx\\n"; }}
        location = /moved {{ return 301 /text; }}
        location = /dropped {{ return 444; }}
        location / {{ return 404; }}
"""

BUSY = Orders(status=503, body=20)


class Edge(Protocol):
    """A server that requests are made to."""

    port: int
    tls_port: int


class Lab:
    """A client of an edge that keeps the book. Its requests are for the domain of the fact that is being shown."""

    def __init__(self, edge: Edge, book: Book, origins: dict[str, Origin]) -> None:
        self.edge = edge
        self.book = book
        self.origins = origins
        self.domain = ""
        self.latest = ""
        """The id of the request that was written last."""
        self._ids = count(1)
        self._connection: Connection | None = None
        self._stack = contextlib.AsyncExitStack()

    async def ask(self, path: str, **request: Any) -> Answer:  # noqa: ANN401 - see `request`
        """Make a request over the connection that is open, and book the answer."""
        answer = await self.send(self.request(path, **request))
        self.book.answered(request.get("domain") or self.domain, answer)
        return answer

    def request(  # noqa: PLR0913 - a request has as many parts
        self,
        path: str,
        *,
        method: str = "GET",
        version: str = "1.1",
        host: str | bytes | None = None,
        domain: str = "",
        headers: dict[str, str] | None = None,
        upload: int = 0,
        chunked: bool = False,
        told: Told = as_it_was,
        **orders: Any,  # noqa: ANN401 - they are checked as Orders
    ) -> bytes:
        """Write a request, and note that it will be made; `domain` if that does not follow from the host."""
        fields = {**self.identify(told, domain=domain, **orders), **(headers or {})}
        body = b"u" * upload
        if chunked:
            fields["Transfer-Encoding"] = "chunked"
            parts = [part for part in (body[:7], body[7:]) if part]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        elif upload:
            fields["Content-Length"] = str(upload)
        host = self.domain if host is None else host
        lines = [
            f"{method} {path} HTTP/{version}".encode("latin-1"),
            b"Host: " + (host if isinstance(host, bytes) else host.encode()),
            *(f"{name}: {value}".encode() for name, value in fields.items()),
        ]
        return b"\r\n".join([*lines, b"", b""]) + body

    def identify(self, told: Told = as_it_was, *, domain: str = "", **orders: object) -> dict[str, str]:
        """Make the header fields that tell origins what a request is, and what to do with it."""
        self.latest = request_id = f"{next(self._ids)}"
        self.book.asked(request_id, domain or self.domain, told)
        fields = {REQUEST_ID: request_id}
        if orders:
            fields[ORDERS] = msgspec.json.encode(msgspec.convert(orders, Orders)).decode()
        return fields

    async def send(self, request: bytes) -> Answer:
        """Send a request over the connection that is open, or a new one, and return the answer."""
        if self._connection is None:
            self._connection = await self._stack.enter_async_context(self.connect())
        answer = await self._connection.ask(request)
        if answer.headers.get("connection") != "keep-alive" or not answer.is_whole:
            await self.hang_up()
        return answer

    async def hang_up(self) -> None:
        """Close the connection that is open."""
        await self._stack.aclose()
        self._connection = None

    def connect(self, tls: ssl.SSLContext | None = None) -> contextlib.AbstractAsyncContextManager[Connection]:
        """Open one more connection."""
        return connected(self.edge.tls_port if tls else self.edge.port, tls)


@contextlib.asynccontextmanager
async def laboratory(directory: Path, *syslog: str) -> AsyncIterator[tuple[Lab, Nginx]]:
    """Start origins and nginx, which also logs to these syslog servers."""
    book = Book()
    async with contextlib.AsyncExitStack() as stack:
        dead = stack.enter_context(dead_port())
        origins = await stack.enter_async_context(
            listening(
                Origin("origin_a", book.seen, ip="127.0.0.2"),
                Origin("origin_b", book.seen, ip="127.0.0.3"),
                Origin("origin_unix", book.seen, path=f"{directory}/origin.sock"),
                Origin("origin_unnamed", book.seen),
                Origin("origin_busy", book.seen, ip="127.0.0.4", always=BUSY),
                Origin("busy_in_pool", book.seen, ip="127.0.0.4", always=BUSY),
                Origin("half_in_pool", book.seen, ip="127.0.0.4", always=Orders(fault="half a header")),
                Origin("origin_far", book.seen, ip="127.0.0.6"),
                Origin("pool", book.seen, ip="127.0.0.5"),
                Origin("pool_of_two", book.seen, ip="127.0.0.5"),
                Origin("pool_of_halves", book.seen, ip="127.0.0.5"),
            )
        )
        # In nginx's configuration these go by other names.
        origins["busy_in_pool"].name = "pool"
        origins["half_in_pool"].name = "pool_of_halves"
        origins["origin_unnamed"].name = origins["origin_unnamed"].address
        addresses = {name: origin.address for name, origin in origins.items()} | {"dead": dead}
        nginx = Nginx(directory, http=HTTP.format(**addresses), server=SERVER.format(**addresses), syslog=syslog)
        async with nginx:
            here = Lab(nginx, book, origins)
            try:
                yield here, nginx
            finally:
                await here.hang_up()
