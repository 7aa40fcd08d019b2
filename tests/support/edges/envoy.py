"""The real Envoy, started in a directory of its own, with the snippet for users."""

import contextlib
import re
import signal
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from edgetally.snippets import snippet
from tests.support.edges.lab import BUSY, Lab
from tests.support.edges.observed import Observations
from tests.support.edges.origin import Origin, listening
from tests.support.edges.servers import dead_port, free_port, make_certificate, started
from tests.support.programs import program

POOLS = ("half_busy", "half_dead")
"""Each has two servers; the one that never serves is asked first every other time."""

METADATA = {
    "shop": "{filter_metadata: {edgetally: {service_id: shop}}}",
    "inner": "{filter_metadata: {edgetally: {is_shield: true}}}",
}
"""The metadata of clusters."""

LOG = "/var/log/envoy/edgetally.log"

MAIN = """\
static_resources:
  listeners:
{listeners}
  clusters:
{clusters}
"""

LISTENER = """\
- address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
  filter_chains:
  - {transport}
    filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: edge
        http_protocol_options: {{accept_http_10: true}}
        upgrade_configs: [{{upgrade_type: echo}}]
{snippet}
{site}
"""

TLS = """\
transport_socket: {{name: tls, typed_config: {{
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext,
      common_tls_context: {{
        alpn_protocols: [h2, http/1.1],
        tls_params: {{tls_minimum_protocol_version: TLSv1_2, tls_maximum_protocol_version: TLSv1_3}},
        tls_certificates: [{{
          certificate_chain: {{filename: {certificate}}}, private_key: {{filename: {certificate}}}}}]}}}}}}"""

RETRIED = """\
    - match: {{prefix: /{pool}/}}
      route:
        cluster: {pool}
        retry_policy:
          retry_on: 5xx
          num_retries: 2
          retry_back_off: {{base_interval: 0.001s}}
          host_selection_retry_max_attempts: 9
          retry_host_predicate:
          - name: envoy.retry_host_predicates.previous_hosts
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate
"""

SITE = """\
route_config:
  virtual_hosts:
  - name: another service
    domains: [shop.example]
    metadata: {filter_metadata: {edgetally: {service_id: shop}}}
    routes:
    - match: {prefix: /}
      route: {cluster: shop}
  - name: all
    domains: ["*"]
    include_attempt_count_in_response: true
    routes:
    - match: {prefix: /renamed/}
      route: {cluster: plain, host_rewrite_literal: inner.example}
    - match: {prefix: /impatient/}
      route: {cluster: other, timeout: 0.06s}
    - match: {prefix: /again/}
      route: {cluster: other, retry_policy: {retry_on: reset, num_retries: 1}}
    - match: {path: /text}
      direct_response: {status: 200, body: {inline_string: "made by Envoy"}}
    - match: {path: /moved}
      redirect: {path_redirect: /text}
CLUSTERS
"""


class Envoy:
    """One Envoy that logs to a file, and to a pipe."""

    def __init__(self, directory: Path, clusters: dict[str, list[str]], ports: tuple[int, int], *, pipe: int) -> None:
        self.log = directory / "edgetally.log"
        self._directory = directory
        self._clusters = clusters
        self._pipe = pipe
        self.port, self.tls_port = ports
        self._signal: Callable[[int], None] | None = None

    def _configuration(self) -> str:
        certificate = make_certificate(self._directory)
        # Every log twice, so that both transports deliver the same.
        entry = re.compile(r"^( *)- name: envoy\.access_loggers\.file\n(?:\1 .*\n)+", re.MULTILINE)
        text = snippet("envoy").text
        assert text.count(LOG) == 3
        text = entry.sub(lambda found: found[0] + found[0].replace(LOG, "/dev/stdout"), text).replace(
            LOG, f"{self.log}"
        )
        routes = "".join(RETRIED.format(pool=pool) for pool in POOLS)
        routes += "".join(
            f"    - match: {{prefix: /{name}/}}\n      route: {{cluster: {name}}}\n" for name in self._clusters
        )
        site = SITE.replace("CLUSTERS\n", routes)
        listeners = "".join(
            LISTENER.format(
                port=port,
                transport=transport,
                snippet=textwrap.indent(text, " " * 8),
                site=textwrap.indent(site, " " * 8),
            )
            for port, transport in (
                (self.port, "name: plain"),
                (self.tls_port, TLS.format(certificate=certificate)),
            )
        )
        clusters = "".join(cluster(name, addresses) for name, addresses in self._clusters.items())
        return MAIN.format(listeners=textwrap.indent(listeners, "  "), clusters=clusters)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        path = self._directory / "envoy.yaml"
        path.write_text(self._configuration())
        command = (program("envoy") or "envoy", "-c", path, "--concurrency", "1", "--disable-hot-restart")
        flush = ("--file-flush-interval-msec", "100")
        ports, errors = (self.port, self.tls_port), self._directory / "errors"
        async with started(*command, *flush, ports=ports, errors=errors, stdout=self._pipe) as process:
            self._signal = process.send_signal
            yield

    def rotate(self) -> None:
        """Rename the log, and let it open a new one."""
        assert self._signal
        self.log.rename(self.log.with_suffix(".log.1"))
        self._signal(signal.SIGUSR1)


def cluster(name: str, addresses: list[str]) -> str:
    sockets = [address.split(":") for address in addresses]
    endpoints = ", ".join(
        f"{{endpoint: {{address: {{socket_address: {{address: {ip}, port_value: {port}}}}}}}}}" for ip, port in sockets
    )
    return f"""\
  - name: {name}
    connect_timeout: 1s
    metadata: {METADATA.get(name, "{}")}
    load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{endpoints}]}}]}}
"""


@contextlib.asynccontextmanager
async def envoy_lab(directory: Path, *, pipe: int) -> AsyncIterator[tuple[Lab, Envoy]]:
    """Start origins, and Envoy, which also logs to a pipe."""
    observed = Observations()
    origins = (
        Origin("plain", "127.0.0.2"),
        Origin("other", "127.0.0.3"),
        Origin("busy", "127.0.0.4", always=BUSY),
        Origin("far", "127.0.0.6"),
        Origin("spare", "127.0.0.5"),
    )
    with dead_port() as dead, free_port() as port, free_port() as tls_port:
        async with listening(observed.fetches, *origins) as by_name:
            addresses = {name: origin.address for name, origin in by_name.items()}
            clusters = {name: [address] for name, address in addresses.items()} | {"dead": [dead], "down": []}
            clusters |= {"shop": clusters["plain"], "inner": clusters["plain"]}
            clusters |= {"half_busy": [addresses["busy"], addresses["spare"]], "half_dead": [dead, addresses["spare"]]}
            envoy = Envoy(directory, clusters, (port, tls_port), pipe=pipe)
            async with envoy.running(), Lab(envoy, observed, by_name) as lab:
                yield lab, envoy
