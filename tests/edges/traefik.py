"""The real Traefik, started in a directory of its own, with the snippet that users are given."""

import contextlib
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

from edgetally.snippets import snippet
from tests.edges.book import Book
from tests.edges.client import connected
from tests.edges.facts import program
from tests.edges.lab import BUSY, Lab
from tests.edges.nginx import dead_port, make_certificate
from tests.edges.origin import Origin, listening
from tests.edges.servers import free_port, started

FIRST = ("first.example", "first@file")
"""The domain and the origin of the requests that are made until Traefik has read what to do with them."""
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


def write(directory: Path, backends: dict[str, list[str]], ports: tuple[int, int], *, road: str) -> Path:
    """Write the configuration, which logs by this road, and return where it is."""
    text = snippet("traefik").text
    path = f"  filePath: {LOG}\n"
    assert text.count(path) == 1
    text = text.replace(path, "" if road == "stdin" else f"  filePath: {directory}/edgetally.log\n")
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
    """Wait until Traefik, which listens, knows where to."""
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
        """Go on in a new log, after the old one was renamed."""
        log.rename(log.with_suffix(".log.1"))
        self._process.send_signal(signal.SIGUSR1)


@contextlib.asynccontextmanager
async def laboratory(directory: Path, road: str, *, pipe: int) -> AsyncIterator[tuple[Lab, Traefik]]:
    """Start origins, and Traefik, which logs to a file, or to a pipe."""
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
                Origin("first", [], ip="127.0.0.6"),
            )
        )
        backends = {name: [origin.address] for name, origin in origins.items()} | {"dead": [dead], "down": []}
        backends["pool"].append(dead)
        ports = stack.enter_context(free_port()), stack.enter_context(free_port())
        configuration = write(directory, backends, ports, road=road)
        command = (program("traefik") or "traefik", f"--configFile={configuration}")
        running = started(*command, ports=ports, errors=directory / "errors", stdout=pipe)
        traefik = Traefik(await stack.enter_async_context(running), ports)
        await configured(ports[0])
        lab = Lab(traefik, book, origins)
        stack.push_async_callback(lab.hang_up)
        yield lab, traefik
