"""The real Caddy, in two versions, started in a directory of its own, with the snippet for users."""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from edgetally.snippets import snippet
from tests.support.edges.lab import Lab
from tests.support.edges.observed import Observations
from tests.support.edges.origin import listening
from tests.support.edges.servers import dead_port, free_port, make_certificate, started
from tests.support.edges.traefik import go_origins

PROGRAMS = {"2.6": "/usr/bin/caddy", "2.11": f"{Path(sys.executable).parent}/caddy"}
"""Debian's, and that of a Python package. Only the newer one can log fields that it does not also send."""

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
        if not self.is_old:
            assert text.count("#mode 0640") == 1
            text = text.replace("#mode 0640", "mode 0640")
        else:
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
async def caddy_lab(version: str, directory: Path, udp: int, tcp: int) -> AsyncIterator[tuple[Lab, Caddy]]:
    """Start origins and Caddy, which also logs to these ports."""
    observed = Observations()
    with dead_port() as dead, free_port() as port, free_port() as tls_port:
        async with listening(observed.fetches, *go_origins()) as by_name:
            backends = {name: [origin.address] for name, origin in by_name.items()} | {"dead": [dead]}
            backends["pool"].insert(0, dead)
            caddy = Caddy(version, directory, (port, tls_port))
            configuration = caddy.write(backends, udp, tcp)
            async with caddy.running(configuration), Lab(caddy, observed, by_name) as lab:
                yield lab, caddy
