"""
Kill a node every second and a broker every 30, and count everything.

    python -m tests.torture.kill --seconds 600

Files are followed by the nodes that are killed, pushes with keys go to any of them and are repeated until one says 200,
and datagrams go to a node that stays, because nobody sends them again. Two readers and a stream look on. In the end the
sums are those that were sent, both readers have shown the same bytes, and their time never stood still for long.
"""

import argparse
import http.client
import json
import os
import random
import re
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.support.kafka import wait_for
from tests.torture.cluster import ClusterNode, LocalCluster, cluster

SERVICES = [f"shop{number}" for number in range(8)]
SOURCES = ("file", "push", "datagram")
"""Records of each have a domain of this name."""

MAX_STAND = 12.0
"""Seconds. These brokers notice within 4 that one was killed; until then, nothing is acknowledged."""

ENTRY = re.compile(rb'\{"recorded":(\d+),')

Sent = Counter[tuple[str, str]]
"""Records by service and source."""


def ask(node: ClusterNode, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Return status and body of an answer; OSError or HTTPException if there is none."""
    with closing(http.client.HTTPConnection(*node.address, timeout=60)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


class Threads:
    """Calls in threads. The first that fails ends the process: what it would have counted is missing."""

    failed = threading.Event()

    def __init__(self, calls: Sequence[Callable[[], None]]) -> None:
        self._threads = [threading.Thread(target=self._run, args=(call,)) for call in calls]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _run(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - any of them
            if not self.failed.is_set():
                self.failed.set()
                traceback.print_exc()
                os.kill(os.getpid(), signal.SIGINT)


class Load:
    """Everything that is sent, until it is told to stop."""

    def __init__(self, running: LocalCluster, datagrams: tuple[str, int], seed: int) -> None:
        self.sent: Sent = Counter()
        self.repeated = 0
        """Pushes that were sent more than once."""
        self._cluster = running
        self._datagrams = datagrams
        self._chance = random.Random(seed)  # noqa: S311 - traffic, not secrets
        self._stop = threading.Event()
        work: list[Callable[[], None]] = [self._write_files, self._send_datagrams, *[self._push] * 3]
        self._threads = Threads(work)
        self._lock = threading.Lock()

    def start(self) -> None:
        self._threads.start()

    def finish(self) -> None:
        """Stop sending, and return when every push was answered."""
        self._stop.set()
        self._threads.join()

    def _lines(self, source: str, count: int) -> bytes:
        now = time.time()
        found = []
        for _ in range(count):
            service_id = self._chance.choice(SERVICES)
            with self._lock:
                self.sent[service_id, source] += 1
            found.append(
                f'{{"ts":{now:.3f},"service_id":"{service_id}","domain":"{source}","pop":"AMS","status":200}}\n'
            )
        return "".join(found).encode()

    def _write_files(self) -> None:
        while not self._stop.wait(0.05):
            with self._chance.choice(self._cluster.files).open("ab") as file:
                file.write(self._lines("file", 20))

    def _send_datagrams(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not self._stop.wait(0.02):
                for line in self._lines("datagram", 5).splitlines():
                    sender.sendto(b"<190>Oct 11 22:14:15 edge log: " + line, self._datagrams)

    def _push(self) -> None:
        while not self._stop.wait(0.05):
            body, key, tries = self._lines("push", 10), uuid.uuid4().hex, 0
            while True:
                tries += 1
                try:
                    node = self._chance.choice(self._cluster.folds)
                    status, _ = ask(node, "POST", "/ingest", body, **{"Idempotency-Key": key})
                except (OSError, http.client.HTTPException):
                    status = 0
                if status == 200:
                    break
                assert status in (0, 503), status
                time.sleep(0.2)
            self.repeated += tries > 1


class Onlooker:
    """A client of one reader: chains `Timestamp`, keeps every entry, and notes how long its time stood still."""

    def __init__(self, node: ClusterNode) -> None:
        self.entries: dict[tuple[str, int], bytes] = {}
        """By service and second."""
        self.longest_stand = 0.0
        self.newest = 0
        self._node = node
        self._stop = threading.Event()
        self._threads = Threads([*(partial(self._follow, service_id) for service_id in SERVICES), self._watch])

    def start(self) -> None:
        self._threads.start()

    def finish(self) -> None:
        self._stop.set()
        self._threads.join()

    def _follow(self, service_id: str) -> None:
        cursor = 0
        while not self._stop.is_set():
            status, body = ask(self._node, "GET", f"/v1/domains/{service_id}/ts/{cursor}")
            assert status == 200, body
            cursor = json.loads(body)["Timestamp"]
            starts = [*ENTRY.finditer(body)]
            ends = [*(one.start() for one in starts[1:]), body.rindex(b'],"Timestamp"')]
            for one, end in zip(starts, ends, strict=False):
                assert (service_id, int(one[1])) not in self.entries, "an entry came twice"
                self.entries[service_id, int(one[1])] = body[one.start() : end].rstrip(b",")

    def _watch(self) -> None:
        moved = time.monotonic()
        while not self._stop.wait(0.05):
            status, body = ask(self._node, "GET", "/v1/domains/nothing/ts/h")
            assert status == 200, body
            now, newest = time.monotonic(), json.loads(body)["Timestamp"]
            if newest > self.newest:
                self.newest, moved = newest, now
            self.longest_stand = max(self.longest_stand, now - moved)

    def sums(self) -> Sent:
        """Return the requests that were shown, by service and domain."""
        found: Sent = Counter()
        for (service_id, _), entry in self.entries.copy().items():
            for domain, counts in json.loads(entry)["aggregated"].items():
                found[service_id, domain] += counts["requests"]
        return found


def run(seconds: float, every: float, broker_every: float, seed: int, directory: Path) -> None:
    """Run it; raise AssertionError when something does not hold."""
    chance = random.Random(seed)  # noqa: S311 - traffic, not secrets
    with cluster(directory, "torture") as running:
        port = socket_port()
        lasting = running.node("datagrams", "ingest", "--syslog", f"udp:127.0.0.1:{port}")
        running.others.append(lasting)
        for node in running.nodes:
            node.start()
        wait_for(lambda: all(is_ready(node) for node in running.nodes), lambda: [one.log for one in running.nodes])
        onlookers = [Onlooker(node) for node in running.readers]
        load = Load(running, ("127.0.0.1", port), seed)
        for onlooker in onlookers:
            onlooker.start()
        load.start()
        say(f"all are ready; killing a node every {every:.0f} s and a broker every {broker_every:.0f} s")
        end = time.monotonic() + seconds
        kills, next_broker, away = 0, time.monotonic() + broker_every, None
        while time.monotonic() < end:
            time.sleep(every)
            node = chance.choice(running.folds)
            node.kill()
            node.start()
            kills += 1
            if away and time.monotonic() > next_broker - broker_every / 2:
                away.start()
                away = None
            elif time.monotonic() > next_broker:
                away = chance.choice(running.brokers.each)
                away.kill()
                next_broker = time.monotonic() + broker_every
        if away:
            away.start()
        load.finish()
        say(f"killed {kills} nodes; sent {dict(total(load.sent))}, {load.repeated} pushes more than once")
        wait_for(lambda: all(is_ready(node) for node in running.nodes), lambda: [one.log for one in running.nodes])
        for onlooker in onlookers:
            wait_for(partial(shows, onlooker, load.sent), partial(difference, onlooker, load.sent))
        last = max(one.newest for one in onlookers)
        wait_for(lambda: all(one.newest > last + 2 for one in onlookers))
        for one in onlookers:
            one.finish()
        assert all(shows(onlooker, load.sent) for onlooker in onlookers), "more is shown than was sent"
        first, second = onlookers
        shared = first.entries.keys() & second.entries.keys()
        different = [key for key in shared if first.entries[key] != second.entries[key]]
        assert not different, f"readers differ in {different[:5]}"
        stand = max(one.longest_stand for one in onlookers)
        say(f"{len(shared)} entries equal at both readers; time stood still for {stand:.1f} s at most")
        assert stand <= MAX_STAND, f"time stood still for {stand:.1f} s"
        for node in running.nodes:
            assert node.stop(15) == 0, f"{node.name} did not end with status 0"
        say("all ended on SIGTERM with status 0")


def shows(onlooker: Onlooker, sent: Sent) -> bool:
    """Whether it was shown everything."""
    return onlooker.sums() == sent


def difference(onlooker: Onlooker, sent: Sent) -> str:
    """Say what was shown, and what was sent."""
    shown = onlooker.sums()
    wrong = {one: (shown[one], sent[one]) for one in shown | sent if shown[one] != sent[one]}
    return f"shown {total(shown)}, sent {total(sent)}; shown and sent where they differ: {wrong}"


def socket_port() -> int:
    """Return a port on which nothing receives datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def total(sums: Sent) -> dict[str, int]:
    """Return sums by source."""
    return {source: sum(count for (_, one), count in sums.items() if one == source) for source in SOURCES}


def is_ready(node: ClusterNode) -> bool:
    """Whether a node says so."""
    try:
        return ask(node, "GET", "/readyz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Kill nodes and brokers, and count everything.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--every", type=float, default=1, help="seconds between kills of a node")
    parser.add_argument("--broker-every", type=float, default=30, help="seconds between kills of a broker")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, help="where logs stay")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgetally-torture-") as scratch:
        directory = given.directory or Path(scratch)
        run(given.seconds, given.every, given.broker_every, given.seed, directory)


if __name__ == "__main__":
    main()
