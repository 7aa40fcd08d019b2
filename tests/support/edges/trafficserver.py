"""The real Traffic Server, started in a directory of its own, with the snippet for users."""

import contextlib
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from edgetally.snippets import snippet
from tests.support.edges.lab import BUSY, Lab
from tests.support.edges.observed import Observations
from tests.support.edges.origin import Origin, listening
from tests.support.edges.servers import announced, dead_port, free_port, make_certificate, uncomment

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
"""A second, the shortest time-out that there is, and no second try."""


class TrafficServer:
    """One Traffic Server that asks the origins in `remap`."""

    def __init__(self, directory: Path, ports: tuple[int, int], *, remap: str) -> None:
        self.log = directory / "edgetally.log"
        self.port, self.tls_port = ports
        self._directory = directory
        self._remap = remap

    def running(self) -> contextlib.AbstractAsyncContextManager[object]:
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
            "logging.yaml": uncomment(snippet("trafficserver").text),
        }.items():
            (self._directory / name).write_text(text)
        command = ("traffic_server", f"--run-root={self._directory}/runroot.yaml")
        return announced(*command, announcement="fully initialized", stdout=subprocess.DEVNULL)


@contextlib.asynccontextmanager
async def trafficserver_lab(directory: Path) -> AsyncIterator[tuple[Lab, TrafficServer]]:
    """Start origins and Traffic Server."""
    observed = Observations()
    # Traffic Server logs them under their addresses.
    paths = {
        "127.0.0.2": "plain",
        "127.0.0.3": "other",
        "127.0.0.7": "impatient",
        "127.0.0.4": "busy",
        "127.0.0.6": "far",
    }
    with dead_port() as dead, free_port() as port, free_port() as tls_port:
        origins = (Origin(ip, ip, always=BUSY if path == "busy" else None) for ip, path in paths.items())
        async with listening(observed.fetches, *origins) as by_address:
            by_path = {paths[name]: origin for name, origin in by_address.items()}
            targets = {path: origin.address for path, origin in by_path.items()} | {"dead": dead}
            remap = "".join(
                f"map /{path}/ http://{target}/{IMPATIENT if path == 'impatient' else ''}\n"
                for path, target in targets.items()
            )
            server = TrafficServer(directory, (port, tls_port), remap=remap)
            async with server.running(), Lab(server, observed, by_path) as lab:
                yield lab, server
