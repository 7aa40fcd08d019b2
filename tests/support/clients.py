"""A server in the place of Fastly's hosts, so that Fastly's own clients reach it as they are."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Pair, make
from tests.support.pages import ROOT
from tests.support.process import Process, serving
from tests.support.programs import skip_or_fail
from tests.support.served import Json, ndjson
from tests.support.tokens import bearer, write

NAMES = ("rt.fastly.com", "api.fastly.com", "accounts.fastly.com")
REDIRECTION = f"127.0.0.1 {' '.join(NAMES)}\n"
"""The line of a hosts file."""

NODE = ROOT / "tests" / "clients" / "node"
"""Where `make clients` installs the clients from npm."""
CLI = NODE / "node_modules" / ".bin" / "fastly"

NAMESPACE = ("unshare", *(() if os.geteuid() == 0 else ("--map-root-user",)), "--mount", "--net")
REDIRECT = ("sh", "-c", 'ip link set lo up && mount --bind "$0" /etc/hosts && exec "$@"')
"""Gives the command behind it, and a hosts file, to a namespace that is new: no other process sees either."""

OPERATOR = bearer("read", "*")
SENDER = bearer("ingest", "*")
READER = bearer("read", "shop", name="tools")
"""The token of the clients."""

TRAFFIC: list[Json] = [
    {
        "pop": pop,
        "domain": domain,
        "status": status,
        "cache": word,
        "proto": "h2",
        "tls": "TLSv1.3",
        "resp_header_bytes": 300,
        "resp_body_bytes": 5_000_000_000,  # more than 32 bits
        "origin": "app",
        "origin_ip": "192.0.2.1",
        "origin_status": status,
        "origin_ttfb_ms": 17,
    }
    for pop in ("AMS", "FRA")
    for domain in ("a.example", "b.example")
    for status in (200, 404)
    for word in ("HIT", "MISS")
]
"""A second of the service `shop`."""
CHANNEL = {
    **dict.fromkeys(("requests", "http2", "tls", "tls_v13", "origin_fetches", "object_size_other"), len(TRAFFIC)),
    **dict.fromkeys(("hits", "miss", "status_200", "status_404", "status_2xx", "status_4xx"), len(TRAFFIC) // 2),
    **dict.fromkeys(("resp_header_bytes", "header_size"), len(TRAFFIC) * 300),
    **dict.fromkeys(("resp_body_bytes", "body_size"), len(TRAFFIC) * 5_000_000_000),
    **dict.fromkeys(("pass", "synth", "errors"), 0),
}
"""What it counts in the channel, all POPs together."""

SETTINGS = """
[window]
aggregate_delay = 1

[services.shop]
name = "Web shop"

[pops.AMS]
name = "Amsterdam"
group = "Europe"
region = "EU-West"
latitude = 52.3
longitude = 4.8
"""


@cache
def namespaces_are_allowed() -> bool:
    """Whether this user may give a process a network and a hosts file of its own."""
    if not all(map(shutil.which, ("unshare", "nsenter", "ip", "mount"))):
        return False
    tried = subprocess.run([*NAMESPACE, *REDIRECT, "/etc/hosts", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def needs_clients() -> list[pytest.MarkDecorator]:
    """Return marks that skip without the clients from npm, or raise if EDGETALLY_REQUIRE_SERVERS is set."""
    return skip_or_fail("curl", "openssl", "node", str(CLI))


def needs_hosts() -> list[pytest.MarkDecorator]:
    """Return marks that skip where clients cannot be given a hosts file."""
    return [] if namespaces_are_allowed() else [pytest.mark.skip(reason="namespaces are not allowed here")]


@dataclass(frozen=True)
class Standin:
    """A server in the place of Fastly's, and how programs are pointed at it."""

    server: Process
    url: str
    entering: tuple[str, ...] = ()
    """What to put before a command: into the namespace of the server."""
    environment: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def start(self, *command: str | Path, token: str = READER.token) -> Iterator[subprocess.Popen[str]]:
        """Run a client with this token, until the test is done with it."""
        own = {"PATH": os.environ["PATH"], "HOME": os.environ["XDG_STATE_HOME"], "FASTLY_API_TOKEN": token}
        with subprocess.Popen(
            [*self.entering, *command],
            env={**own, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # so that the processes that it starts are ended with it
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def run(self, *command: str | Path, given: str = "", status: int = 0, token: str = READER.token) -> str:
        """Run a client that ends by itself, with this exit status; return its output."""
        with self.start(*command, token=token) as process:
            output, _ = process.communicate(given)
        assert process.returncode == status, output
        return output

    def ask(self, path: str, *options: str, given: str = "", token: str = OPERATOR.token) -> Any:  # noqa: ANN401 - JSON
        """Return what the server answers to a plain request."""
        command = ("curl", "--silent", "--show-error", "--header", f"Fastly-Key: {token}", *options, self.url + path)
        return json.loads(self.run(*command, given=given))

    def push(self, *records: Json, service_id: str = "shop") -> None:
        """Push records, and return when their second is sealed."""
        cursor = self.ask(f"/v1/domains/{service_id}/ts/h")["Timestamp"]
        given = ndjson(records).decode()
        report = self.ask(f"/ingest/{service_id}", "--data-binary", "@-", given=given, token=SENDER.token)
        assert report == {"accepted": len(records), "rejected": 0, "errors": []}
        assert self.ask(f"/v1/domains/{service_id}/ts/{cursor}")["Data"]

    def waiting(self) -> int:
        """Count the readers that wait for an entry."""
        metrics = self.run("curl", "--silent", "--header", f"Fastly-Key: {OPERATOR.token}", f"{self.url}/metrics")
        return int(re.findall(r"^edgetally_waiting_readers (\d+)", metrics, re.MULTILINE)[0])


def flags(directory: Path) -> list[str]:
    """Write the settings and the tokens of a server, and return the flags that name them."""
    tokens = write(directory / "tokens.jsonl", OPERATOR, SENDER, READER)
    config = directory / "edgetally.toml"
    config.write_text(SETTINGS)
    return ["--config", str(config), "--token-file", str(tokens), "--data-dir", str(directory / "data")]


@contextmanager
def by_name(directory: Path, pair: Pair | None = None, redirection: str = REDIRECTION) -> Iterator[Standin]:
    """Run a server on port 443 of a network in which Fastly's names lead to it."""
    hosts = directory / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{redirection}")
    cert, key = pair or make(directory, hosts=NAMES)
    tls = ("--tls-cert", str(cert), "--tls-key", str(key))
    trust = {"SSL_CERT_FILE": str(cert), "NODE_EXTRA_CA_CERTS": str(cert)}
    with serving(*flags(directory), *tls, prefix=(*NAMESPACE, *REDIRECT, str(hosts)), port=443) as server:
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        entering = ("nsenter", f"--target={server.pid}", *user, "--mount", "--net")
        yield Standin(server, "https://api.fastly.com", entering, trust)


@contextmanager
def by_address(directory: Path) -> Iterator[Standin]:
    """Run a server whose address clients are given, as far as they can be."""
    with serving(*flags(directory)) as server:
        yield Standin(
            server,
            server.url,
            environment={"FASTLY_API_ENDPOINT": server.url, "FASTLY_ACCOUNT_ENDPOINT": server.url},
        )
