"""How many polls per second one core answers, against nginx serving the same bytes. See README.md."""

import os
import re
import signal
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.harness import Server, read, row, serve, wait_for

ROUNDS = 5
SECONDS = 3
CONNECTIONS = 32
DOMAINS = 36
"""Makes an answer of about 20 KB."""

TARGET = 0.5

NGINX = """
daemon off; worker_processes 1; pid {root}/pid; error_log {root}/error.log; {user}
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; open_file_cache max=10; keepalive_requests 1000000000;
    server {{ listen 127.0.0.1:{port}; root {root}; location / {{ default_type application/json; }} }}
}}
"""


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK") + sum(cpu_seconds(int(child)) for child in children)


class Rate(NamedTuple):
    """Requests per second."""

    per_second: float
    per_cpu_second: float


def ask(server: int, url: str) -> Rate:
    """Measure with wrk, from the second core."""
    before = cpu_seconds(server)
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found, said
    rate = float(found[1])
    return Rate(rate, rate * SECONDS / (cpu_seconds(server) - before))


def fill(server: Server) -> str:
    """Fill an answer of about 20 KB, and return its URL."""
    record = {"service_id": "s", "status": 200, "cache": "HIT", "resp_header_bytes": 300, "resp_body_bytes": 2000}
    lines = [msgspec.json.encode(record | {"domain": f"www{number}.example.com"}) for number in range(DOMAINS)]
    read(f"{server.url}/ingest", b"\n".join(lines))
    answer = f"{server.url}/v1/domains/s/ts/h"
    wait_for(lambda: b"recorded" in read(answer))
    return answer


def nginx(root: Path, body: bytes, port: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start nginx on the first core with `body` as a file; return it and the URL of the file."""
    (root / "answer.json").write_bytes(body)
    user = "user root;" if os.geteuid() == 0 else ""
    (root / "nginx.conf").write_text(NGINX.format(root=root, user=user, port=port))
    server = subprocess.Popen(["taskset", "-c", "0", "nginx", "-c", str(root / "nginx.conf")])
    wait_for((root / "pid").exists)
    return server, f"http://127.0.0.1:{port}/answer.json"


def body_of(answer: bytes) -> bytes:
    """Return the entries of an answer, without its `Timestamp`, which advances."""
    return answer.partition(b'],"Timestamp"')[0]


def main() -> None:
    """Measure both in turns, and print the ratio."""
    with tempfile.TemporaryDirectory() as folder, serve(core=0) as ours:
        our_url = fill(ours)
        body = read(our_url)
        theirs, their_url = nginx(Path(folder), body, 8499)
        try:
            assert body_of(read(our_url)) == body_of(read(their_url)), "edgetally and nginx serve different bytes"
            pairs = [(ask(ours.pid, our_url), ask(theirs.pid, their_url)) for _ in range(ROUNDS)]
        finally:
            theirs.send_signal(signal.SIGQUIT)
            theirs.wait()
    print(f"polls: cached ts/h of {len(body)} bytes, {CONNECTIONS} connections, one core each")
    for unit, measure in (("requests/s", Rate._fields[0]), ("requests per CPU second", Rate._fields[1])):
        values = [(getattr(mine, measure), getattr(other, measure)) for mine, other in pairs]
        ratio = statistics.median(mine / other for mine, other in values)
        print(f"  {unit}")
        print("    edgetally  " + " ".join(f"{mine:8.0f}" for mine, _ in values))
        print("    nginx      " + " ".join(f"{other:8.0f}" for _, other in values))
        print(f"    ratio {ratio:.2f} (median of {ROUNDS} pairs)")
        if unit == "requests/s":
            compared = "nginx serving the same bytes from a file"
            row(
                "polls: cached ts/h of 20 KB, one core", f">= {TARGET}x", f"{ratio:.2f}x", compared, met=ratio >= TARGET
            )


if __name__ == "__main__":
    main()
