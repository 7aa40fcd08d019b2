"""The real Caddy, in two versions, started in a directory of its own, with the snippet that users are given."""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from edgetally.snippets import snippet
from tests.edges.book import Book
from tests.edges.lab import BUSY, Lab
from tests.edges.nginx import dead_port, make_certificate
from tests.edges.origin import Origin, listening
from tests.edges.servers import free_port, started

PROGRAMS = {"2.6": "/usr/bin/caddy", "2.11": f"{Path(sys.executable).parent}/caddy"}
"""Debian's, and the one that comes as a Python package. Only the newer can log what it does not also send."""

OPTIONS = """\
{{
    admin off
    auto_https off
    storage file_system {directory}
    servers {{
        protocols h1 h2
    }}
    log udp {{
        include http.log.access
        output net udp/127.0.0.1:{udp}
        format json
    }}
    log tcp {{
        include http.log.access
        output net tcp/127.0.0.1:{tcp}
        format json
    }}
}}
"""

SITE = """\
(site) {{
    bind 127.0.0.1
    import edgetally_log
    {fields}
    {routes}
    handle /gzipped/* {{
        encode {{
            gzip
            minimum_length 1
            match status 200
        }}
        {gzipped}
    }}
    handle /text {{
        respond "made by Caddy"
    }}
    handle /moved {{
        redir * /text 301
    }}
    handle {{
        respond 404
    }}
}}
http://:{port} {{
    import site
}}
https://:{tls_port} {{
    tls {certificate} {certificate}
    import site
}}
"""

OLD = """\
reverse_proxy {addresses} {{
            import edgetally_headers {name}
            {options}
        }}"""

NEW = """\
log_append origin {name}
        reverse_proxy {addresses} {{
            {options}
        }}"""

POOL = """lb_policy first
            lb_try_duration 2s
            lb_try_interval 1ms
            fail_duration 1m"""

IMPATIENT = """transport http {
                response_header_timeout 60ms
            }"""


class Caddy:
    """One Caddy that logs to a file, and over UDP and TCP."""

    def __init__(self, version: str, directory: Path, ports: tuple[int, int]) -> None:
        self.is_old = version == "2.6"
        self.log = directory / "edgetally.log"
        self._program = PROGRAMS[version]
        self._directory = directory
        self.port, self.tls_port = ports

    def write(self, backends: dict[str, list[str]], udp: int, tcp: int) -> Path:
        """Write the configuration, and return where it is."""
        text = snippet("caddy").text
        path = "/var/log/caddy/edgetally.log"
        assert text.count(f"output file {path}") == 1
        proxies = {
            name: (OLD if self.is_old else NEW).format(
                name=name,
                addresses=" ".join(addresses),
                options=POOL if len(addresses) > 1 else IMPATIENT if name == "impatient" else "",
            )
            for name, addresses in backends.items()
        }
        site = SITE.format(
            fields="" if self.is_old else "import edgetally_fields",
            routes="\n    ".join(f"handle /{name}/* {{\n        {proxy}\n    }}" for name, proxy in proxies.items()),
            gzipped=proxies["plain"],
            port=self.port,
            tls_port=self.tls_port,
            certificate=make_certificate(self._directory),
        )
        if self.is_old:
            # It does not know log_append, and a snippet that is not used is not read.
            assert "import edgetally_fields" not in site
        options = OPTIONS.format(directory=self._directory, udp=udp, tcp=tcp)
        configuration = self._directory / "Caddyfile"
        configuration.write_text(options + text.replace(f"output file {path}", f"output file {self.log}") + site)
        return configuration

    def running(self, configuration: Path) -> contextlib.AbstractAsyncContextManager[object]:
        command = (self._program, "run", "--adapter", "caddyfile", "--config", configuration)
        return started(*command, ports=(self.port, self.tls_port), errors=self._directory / "errors")


@contextlib.asynccontextmanager
async def laboratory(version: str, directory: Path, udp: int, tcp: int) -> AsyncIterator[tuple[Lab, Caddy]]:
    """Start origins and Caddy, which logs to these ports, too."""
    book = Book()
    async with contextlib.AsyncExitStack() as stack:
        dead = stack.enter_context(dead_port())
        origins = await stack.enter_async_context(
            listening(
                Origin("plain", book.seen, ip="127.0.0.2"),
                Origin("other", book.seen, ip="127.0.0.3"),
                Origin("impatient", book.seen, ip="127.0.0.3"),
                Origin("busy", book.seen, ip="127.0.0.4", always=BUSY),
                Origin("pool", book.seen, ip="127.0.0.5"),
                Origin("far", book.seen, ip="127.0.0.6"),
            )
        )
        backends = {name: [origin.address] for name, origin in origins.items()} | {"dead": [dead]}
        backends["pool"].insert(0, dead)
        caddy = Caddy(version, directory, (stack.enter_context(free_port()), stack.enter_context(free_port())))
        await stack.enter_async_context(caddy.running(caddy.write(backends, udp, tcp)))
        lab = Lab(caddy, book, origins)
        stack.push_async_callback(lab.hang_up)
        yield lab, caddy
