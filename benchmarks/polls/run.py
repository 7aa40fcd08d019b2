"""How many polls per second one core answers, against nginx and uvicorn serving the same bytes. See README.md."""

import os
import re
import signal
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.harness import Server, read, row, serve, serve_asgi, wait_for

ROUNDS = 5
SECONDS = 1
CONNECTIONS = 32
DOMAINS = 36
"""Makes an answer of about 20 KB."""

TARGET = 0.5

PINNED = ["taskset", "-c", "0"]

NGINX = """
daemon off; worker_processes 1; pid {root}/pid; error_log {root}/error.log; {user}
worker_rlimit_nofile 32768; events {{ worker_connections 16384; multi_accept on; }}
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
    counted, rate = re.search(r"(\d+) requests in", said), re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert counted, said
    assert rate, said
    return Rate(float(rate[1]), int(counted[1]) / (cpu_seconds(server) - before))


def fill(server: Server) -> str:
    """Fill an answer of about 20 KB, and return its URL."""
    record = {"service_id": "s", "status": 200, "cache": "HIT", "resp_header_bytes": 300, "resp_body_bytes": 2000}
    lines = [msgspec.json.encode(record | {"domain": f"www{number}.example.com"}) for number in range(DOMAINS)]
    read(f"{server.url}/ingest", b"\n".join(lines))
    answer = f"{server.url}/v1/domains/s/ts/h"
    wait_for(lambda: b"recorded" in read(answer))
    return answer


def nginx(root: Path, body: bytes, port: int, *, pinned: bool = True) -> tuple[subprocess.Popen[bytes], str]:
    """Start nginx with `body` as a file, on the first core if pinned; return it and the URL of the file."""
    (root / "answer.json").write_bytes(body)
    user = "user root;" if os.geteuid() == 0 else ""
    (root / "nginx.conf").write_text(NGINX.format(root=root, user=user, port=port))
    server = subprocess.Popen([*PINNED * pinned, "nginx", "-c", str(root / "nginx.conf")])
    wait_for((root / "pid").exists)
    return server, f"http://127.0.0.1:{port}/answer.json"


def body_of(answer: bytes) -> bytes:
    """Return the entries of an answer, without its `Timestamp`, which advances."""
    return answer.partition(b'],"Timestamp"')[0]


def main() -> None:
    """Measure all in turns, and print the ratios."""
    with tempfile.TemporaryDirectory() as folder, serve(core=0) as ours:
        our_url = fill(ours)
        body = read(our_url)
        theirs, their_url = nginx(Path(folder), body, 8499)
        try:
            with serve_asgi(body, core=0) as uvicorn:
                servers = {
                    "edgetally": (ours.pid, our_url),
                    "nginx": (theirs.pid, their_url),
                    "uvicorn": (uvicorn.pid, f"{uvicorn.url}/answer.json"),
                }
                answers = {body_of(read(url)) for _, url in servers.values()}
                assert len(answers) == 1, "the servers serve different bytes"
                rounds = [{name: ask(*server) for name, server in servers.items()} for _ in range(ROUNDS)]
        finally:
            theirs.send_signal(signal.SIGQUIT)
            theirs.wait()
    print(f"polls: cached ts/h of {len(body)} bytes, {CONNECTIONS} connections, one core each")
    ratios = {}
    for unit, measure in (("requests/s", Rate._fields[0]), ("requests per CPU second", Rate._fields[1])):
        print(f"  {unit}")
        for name in servers:
            rates = [getattr(one[name], measure) for one in rounds]
            ratios[unit, name] = statistics.median(
                getattr(one["edgetally"], measure) / rate for one, rate in zip(rounds, rates, strict=True)
            )
            print(f"    {name:<10}" + " ".join(f"{rate:8.0f}" for rate in rates))
        print(f"    {ratios[unit, 'nginx']:.2f}x nginx, {ratios[unit, 'uvicorn']:.2f}x uvicorn (medians of {ROUNDS})")
    ratio, asgi = ratios["requests/s", "nginx"], ratios["requests per CPU second", "uvicorn"]
    row(
        "polls: cached ts/h of 20 KB, one core",
        f">= {TARGET}x",
        f"{ratio:.2f}x",
        f"nginx serving the same bytes from a file; {asgi:.1f}x uvicorn (raw ASGI) per CPU second",
        met=ratio >= TARGET,
    )


if __name__ == "__main__":
    main()
