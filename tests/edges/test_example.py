"""The example: nginx runs with its configuration, and its log counts."""

import http.client
import json
import re
import signal
import socket
import subprocess
from collections import Counter
from pathlib import Path

from tests.support.process import COMMAND
from tests.support.programs import program, skip_or_fail

EXAMPLE = Path(__file__).parents[2] / "examples" / "nginx"

pytestmark = skip_or_fail("nginx")

PATHS = ("/", "/", "/", "/a", "/b", "/missing", "/api/cart", "/api/cart")
"""Those that its README requests."""


def test_the_example_logs_what_counts_and_every_attempt(tmp_path: Path) -> None:
    configuration, port = elsewhere(tmp_path)
    nginx = program("nginx")
    assert nginx
    with subprocess.Popen([nginx, "-p", tmp_path, "-e", "error.log", "-c", configuration]) as edge:
        try:
            wait_for(tmp_path / "nginx.pid", edge)
            for path in PATHS:
                get(port, path)
        finally:
            edge.send_signal(signal.SIGQUIT)
    folded = subprocess.run([*COMMAND, "fold", tmp_path / "edgetally.log"], check=True, capture_output=True)

    domain, origins = Counter[str](), Counter[str]()
    for entry in map(json.loads, folded.stdout.splitlines()):
        if entry["dataset"] == "domains":
            domain.update(entry["aggregated"]["shop.example"])
        elif entry["dataset"] == "origin_insights":
            assert list(entry["aggregated"]) == ["app"]
            for measurements in entry["aggregated"]["app"].values():
                origins.update(measurements)
    assert domain["requests"] == len(PATHS)
    assert domain["edge_hit_requests"] == 2
    assert domain["edge_miss_requests"] == 4
    assert domain["status_404"] == 1
    # Six were not in the cache. Attempts at the server that is down were repeated at the other.
    assert origins["responses"] == 6
    assert domain["origin_fetches"] > origins["responses"]


def elsewhere(directory: Path) -> tuple[Path, int]:
    """Copy the example, with ports that are free here and nginx in the foreground."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    text = re.sub("848([123])", lambda port: str(ports[int(port[1]) - 1]), (EXAMPLE / "nginx.conf").read_text())
    configuration = directory / "nginx.conf"
    configuration.write_text(text.replace("daemon on;", "daemon off;"))
    (directory / "edgetally.conf").write_text((EXAMPLE / "edgetally.conf").read_text())
    return configuration, ports[0]


def wait_for(path: Path, edge: subprocess.Popen[bytes]) -> None:
    """Wait for `path`: nginx writes its pid when it listens."""
    while not path.exists():
        assert edge.poll() is None, "nginx has ended"


def get(port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Host": "shop.example"})
    connection.getresponse().read()
    connection.close()
