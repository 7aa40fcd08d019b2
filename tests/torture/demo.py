"""
A cluster on this machine, with made-up traffic: kill any part of it, and watch the page.

    python -m tests.torture.demo

What ends is started again after five seconds.
"""

import http.client
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

from edgetally.demo.traffic import SITES, records
from tests.support.kafka import Broker, wait_for
from tests.torture.cluster import ClusterNode, LocalCluster, cluster
from tests.torture.kill import ask, is_ready

BATCH_SECONDS = 0.25
"""How often traffic is sent."""

RESTART_SECONDS = 5.0
"""After which what was killed is started again."""


def show(text: str) -> None:
    """Print lines at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def send(running: LocalCluster, chance: random.Random, stop: threading.Event) -> None:
    """Push the traffic of two services to any node, until one takes it; write that of the others to followed files."""
    start = time.time()
    while not stop.wait(max(0.0, start + BATCH_SECONDS - time.time())):
        for number, site in enumerate(SITES):
            body = b"".join(line + b"\n" for line in records(site, start, BATCH_SECONDS, chance))
            if number % 2:
                with chance.choice(running.files).open("ab") as file:
                    file.write(body)
            else:
                threading.Thread(target=push, args=(running, body, stop), daemon=True).start()
        start += BATCH_SECONDS


def push(running: LocalCluster, body: bytes, stop: threading.Event) -> None:
    """Push records, and repeat that with the same key until a node says that they count."""
    key = uuid.uuid4().hex
    while not stop.is_set():
        with suppress(OSError, http.client.HTTPException):
            node = random.choice(running.folds)  # noqa: S311 - any will do
            status, _ = ask(node, "POST", "/ingest", body, **{"Idempotency-Key": key})
            if status == 200:
                return
        stop.wait(0.5)


def table(running: LocalCluster) -> str:
    """Say what runs, where, and how to kill it."""
    brokers = [(f"broker{one.node}", one.address, one.pid) for one in running.brokers.each]
    nodes = [(node.name, node.url, node.pid) for node in running.nodes]
    return "\n".join(f"  {name:<8} {where:<24} kill -9 {pid}" for name, where, pid in (*brokers, *nodes))


def supervise(running: LocalCluster) -> None:
    """Start again what was killed, and say so."""
    gone: dict[str, float] = {}
    while True:
        time.sleep(0.2)
        now = time.monotonic()
        parts: dict[str, Broker | ClusterNode] = {f"broker{one.node}": one for one in running.brokers.each}
        for name, part in (parts | {node.name: node for node in running.nodes}).items():
            if part.is_running:
                continue
            if name not in gone:
                gone[name] = now
                show(f"{time.strftime('%H:%M:%S')} {name} is gone, and starts again in {RESTART_SECONDS:.0f} seconds")
            elif now - gone[name] >= RESTART_SECONDS:
                del gone[name]
                part.start()
                show(f"{time.strftime('%H:%M:%S')} {name} is back: kill -9 {part.pid}")


def main() -> None:
    """Run it until Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="edgetally-cluster-") as directory:
        show("starting three brokers and five nodes ...")
        stop = threading.Event()
        with suppress(KeyboardInterrupt, subprocess.TimeoutExpired), cluster(Path(directory), "demo") as running:
            try:
                for node in running.nodes:
                    node.start()
                wait_for(lambda: all(is_ready(node) for node in running.nodes), lambda: "see the logs in " + directory)
                example = SITES[0].service_id
                chance = random.Random(1)  # noqa: S311 - traffic, not secrets
                threading.Thread(target=send, args=(running, chance, stop), daemon=True).start()
                pages = "\n".join(f"  {node.url}/#service={example}" for node in running.readers)
                show(
                    f"""
The same page at two nodes:

{pages}

Kill any of these in another terminal: nothing is lost, and nothing counts twice.

{table(running)}

The logs are in {directory}. Stop with Ctrl-C.
"""
                )
                supervise(running)
            finally:
                stop.set()


if __name__ == "__main__":
    main()
