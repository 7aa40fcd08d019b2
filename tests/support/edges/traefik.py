"""The real Traefik, started in a directory of its own, with the snippet for users."""

import contextlib
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

from edgetally.snippets import snippet
from tests.support.edges.client import connected
from tests.support.edges.lab import BUSY, Lab
from tests.support.edges.observed import Observations
from tests.support.edges.origin import Origin, listening
from tests.support.edges.servers import dead_port, free_port, make_certificate, started
from tests.support.programs import program

FIRST = ("first.example", "first@file")
"""The domain and the origin of the requests that are made until Traefik has read its configuration."""
FIRST_REQUEST = b"GET /first/ HTTP/1.1\r\nHost: first.example\r\n\r\n"

LOG = "/var/log/traefik/edgetally.log"

STATIC = """\
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
log: {{level: ERROR, filePath: {directory}/errors.log}}
entryPoints:
  plain: {{address: "127.0.0.1:{port}"}}
  tls: {{address: "127.0.0.1:{tls_port}", http: {{tls: {{}}}}}}
providers: {{file: {{filename: {directory}/dynamic.yaml, watch: false}}}}
"""

DYNAMIC = """\
tls:
  stores: {{default: {{defaultCertificate: {{certFile: {certificate}, keyFile: {certificate}}}}}}}
http:
  serversTransports:
    impatient: {{forwardingTimeouts: {{responseHeaderTimeout: 60ms}}}}
  middlewares:
    gzipped: {{compress: {{minResponseBodyBytes: 1}}}}
    moved: {{redirectRegex: {{regex: ".*", replacement: /text}}}}
    pool: {{retry: {{attempts: 3, initialInterval: 1ms}}}}
  routers:
    gzipped: {{rule: "PathPrefix(`/gzipped/`)", middlewares: [gzipped], service: plain}}
    moved: {{rule: "Path(`/moved`)", middlewares: [moved], service: plain}}
{routers}
  services:
{services}
"""


def write(directory: Path, backends: dict[str, list[str]], ports: tuple[int, int], *, transport: str) -> Path:
    """Write the configuration, which logs by this transport; return its path."""
    text = snippet("traefik").text
    path = f"  filePath: {LOG}\n"
    assert text.count(path) == 1
    text = text.replace(path, "" if transport == "stdin" else f"  filePath: {directory}/edgetally.log\n")
    static = directory / "traefik.yaml"
    port, tls_port = ports
    static.write_text(STATIC.format(directory=directory, port=port, tls_port=tls_port) + text)
    routers = "\n".join(router(name) for name in backends)
    services = "\n".join(service(name, addresses) for name, addresses in backends.items())
    (directory / "dynamic.yaml").write_text(
        DYNAMIC.format(certificate=make_certificate(directory), routers=routers, services=services)
    )
    return static


def router(name: str) -> str:
    middlewares = ", middlewares: [pool]" if name == "pool" else ""
    return f"    {name}: {{rule: 'PathPrefix(`/{name}/`)', service: {name}{middlewares}}}"


def service(name: str, addresses: list[str]) -> str:
    transport = "serversTransport: impatient, " if name == "impatient" else ""
    servers = ", ".join(f"{{url: 'http://{address}'}}" for address in addresses)
    return f"    {name}: {{loadBalancer: {{{transport}servers: [{servers}]}}}}"


async def configured(port: int) -> None:
    """Wait until Traefik, which already listens, has read its configuration."""
    status = None
    while status != 200:
        async with connected(port) as connection:
            status = (await connection.ask(FIRST_REQUEST)).status


class Traefik:
    """One Traefik."""

    def __init__(self, process: Process, ports: tuple[int, int]) -> None:
        self.port, self.tls_port = ports
        self._process = process

    def rotate(self, log: Path) -> None:
        """Rename the log, and let it open a new one."""
        log.rename(log.with_suffix(".log.1"))
        self._process.send_signal(signal.SIGUSR1)


def go_origins() -> tuple[Origin, ...]:
    """Make the origins behind the proxies that are written in Go."""
    return (
        Origin("plain", "127.0.0.2"),
        Origin("other", "127.0.0.3"),
        Origin("impatient", "127.0.0.3"),
        Origin("busy", "127.0.0.4", always=BUSY),
        Origin("pool", "127.0.0.5"),
        Origin("far", "127.0.0.6"),
    )


@contextlib.asynccontextmanager
async def traefik_lab(directory: Path, transport: str, *, pipe: int) -> AsyncIterator[tuple[Lab, Traefik]]:
    """Start origins, and Traefik, which logs to a file or to a pipe."""
    observed = Observations()
    with dead_port() as dead, free_port() as port, free_port() as tls_port:
        async with listening(observed.fetches, *go_origins(), Origin("first", "127.0.0.6")) as by_name:
            backends = {name: [origin.address] for name, origin in by_name.items()} | {"dead": [dead], "down": []}
            backends["pool"].append(dead)
            ports = port, tls_port
            configuration = write(directory, backends, ports, transport=transport)
            command = (program("traefik") or "traefik", f"--configFile={configuration}")
            async with started(*command, ports=ports, errors=directory / "errors", stdout=pipe) as process:
                await configured(port)
                traefik = Traefik(process, ports)
                async with Lab(traefik, observed, by_name) as lab:
                    yield lab, traefik
