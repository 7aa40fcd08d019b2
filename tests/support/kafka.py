"""
Real brokers: Apache Kafka, one process each, on free ports of the loopback interface.

`make kafka` installs them. It runs this module once, which saves an archive of loaded classes and a formatted
directory, so that a broker answers within a second.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

HOME = Path(sys.prefix) / "kafka"
"""Where `make kafka` installs them."""
LIBRARIES = HOME / "libs"
ARCHIVE = HOME / "kafka.jsa"
FORMATTED = HOME / "formatted"

FLAGS = [
    *("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:disable", "-Xlog:all=error:stderr"),
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]
CLUSTER_ID = "A" * 22

DEADLINE = 60.0
"""Seconds in which whatever a test waits for must happen, on a busy machine too."""

DETECTION = {
    "broker.session.timeout.ms": 2000,
    "broker.heartbeat.interval.ms": 500,
    "controller.quorum.fetch.timeout.ms": 1000,
    "controller.quorum.election.timeout.ms": 500,
}
"""Brokers that notice within 4 seconds that another was killed; by default it takes them 8 to 12."""


def needs_kafka() -> list[pytest.MarkDecorator]:
    """Return marks that skip without brokers, or raise if EDGETALLY_REQUIRE_SERVERS is set."""
    if shutil.which("java") and FORMATTED.exists():
        return []
    reason = "no Kafka brokers here: install Java 17 and Maven, then run `make kafka`"
    if "EDGETALLY_REQUIRE_SERVERS" in os.environ:
        raise RuntimeError(f"{reason}, but EDGETALLY_REQUIRE_SERVERS is set")
    return [pytest.mark.skip(reason=reason)]


class Broker:
    """One node of a cluster, broker and controller at once."""

    def __init__(
        self, node: int, ports: Sequence[tuple[int, int]], directory: Path, extra: Mapping[str, object]
    ) -> None:
        self.node = node
        """Its number in the cluster, from 1."""
        self.address = f"127.0.0.1:{ports[node - 1][0]}"
        """Where its clients connect."""
        self.data = directory / "data"
        """Its `log.dirs`."""
        self.log = directory / "broker.log"
        self._properties = directory / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True)
        settings = {**_settings(node, ports, self.data), **extra}
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def format(self) -> None:
        """Lay a formatted directory, as if StorageTool had run."""
        shutil.copytree(FORMATTED, self.data)
        known = self.data / "meta.properties"
        # Without a directory.id, which would be the same for all, it makes up its own.
        kept = [line for line in known.read_text().splitlines() if not line.startswith(("directory.id=", "node.id="))]
        known.write_text("\n".join([*kept, f"node.id={self.node}"]))

    def start(self, *flags: str) -> None:
        """Start it. It answers about a second later."""
        archive = [f"-XX:SharedArchiveFile={ARCHIVE}"] if ARCHIVE.exists() else []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["java", *FLAGS, *archive, *flags, "-cp", f"{LIBRARIES}/*", "kafka.Kafka", self._properties],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process."""
        assert self._process
        self._process.send_signal(number)

    def stop(self) -> None:
        """Let it hand over what it leads, and end."""
        self.signal(signal.SIGTERM)
        self.wait()

    def kill(self) -> None:
        """Kill it, also while it is stopped by SIGSTOP."""
        if self.is_running:
            self.signal(signal.SIGKILL)
            self.wait()

    def wait(self) -> None:
        """Wait until its process has ended."""
        assert self._process
        self._process.wait(DEADLINE)


class Brokers:
    """A cluster that runs."""

    def __init__(self, directory: Path, count: int, extra: Mapping[str, object], client: Mapping[str, str]) -> None:
        ports = free_ports(count)
        self.each = [Broker(node, ports, directory / str(node), extra) for node in range(1, count + 1)]
        self.addresses = ",".join(one.address for one in self.each)
        """As in `bootstrap.servers`."""
        usual: dict[str, str | int | float] = {"reconnect.backoff.max.ms": 500, "log_level": 0}
        self.admin = AdminClient({**usual, "bootstrap.servers": self.addresses, **client})
        self._topics = 0

    def start(self) -> None:
        """Format and start all of them, and wait until they know each other."""
        for broker in self.each:
            broker.format()
            broker.start()
        self.wait()

    def wait(self) -> None:
        """Wait until all that should run are known to each other."""
        wait_for(self._are_all_known, lambda: "".join(one.log.read_text()[-2000:] for one in self.each))

    def url(self, topic: str = "") -> str:
        """Return the address of a journal that no other test has."""
        self._topics += 1
        return f"kafka://{self.addresses}/{topic or f'test-{os.getpid()}-{self._topics}'}"

    def leader(self, topic: str, partition: int = 0) -> Broker:
        """Return the broker that leads a partition."""
        found = self.admin.list_topics(topic, DEADLINE).topics[topic].partitions[partition].leader
        return self.each[found - 1]

    def _are_all_known(self) -> bool:
        assert all(one.is_running for one in self.each), "a broker has ended"
        try:
            return len(self.admin.list_topics(timeout=1).brokers) == len(self.each)
        except KafkaException:
            return False


@contextmanager
def brokers(
    directory: Path,
    count: int = 1,
    extra: Mapping[str, object] | None = None,
    *,
    client: Mapping[str, str] | None = None,
) -> Iterator[Brokers]:
    """Run a cluster of this many brokers, with `extra` settings, and with what a `client` needs to reach them."""
    found = Brokers(directory, count, extra or {}, client or {})
    try:
        found.start()
        yield found
    finally:
        # Not SIGTERM: the last of three finds no controller to say so.
        for broker in found.each:
            broker.kill()


def wait_for(
    condition: Callable[[], Any], explain: Callable[[], object] = lambda: "", seconds: float = DEADLINE
) -> None:
    """Wait until a condition of other processes holds. They send no event, so it is asked every 20 ms."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} seconds in vain: {explain()}"
        time.sleep(0.02)


def free_ports(count: int) -> list[tuple[int, int]]:
    """Return this many pairs of ports that nothing uses."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count * 2)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return list(zip(ports[::2], ports[1::2], strict=True))


def _settings(node: int, ports: Sequence[tuple[int, int]], data: Path) -> dict[str, object]:
    replicas, fewest = min(len(ports), 3), min(len(ports), 2)
    listeners = f"PLAINTEXT://127.0.0.1:{ports[node - 1][0]}"
    return {
        "process.roles": "broker,controller",
        "node.id": node,
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{ports[node - 1][1]}",
        "advertised.listeners": listeners,
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": ",".join(f"{one}@127.0.0.1:{port}" for one, (_, port) in enumerate(ports, 1)),
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "num.network.threads": 2,
        "num.io.threads": 2,
        "log.cleaner.dedupe.buffer.size": 4194304,
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": fewest,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": fewest,
    }


def prepare() -> None:
    """Save a formatted directory, and an archive of the classes that a broker loads."""
    shutil.rmtree(FORMATTED, ignore_errors=True)
    shutil.rmtree(HOME / "first", ignore_errors=True)
    ARCHIVE.unlink(missing_ok=True)
    broker = Broker(1, free_ports(1), HOME / "first", {})
    subprocess.run(
        [
            *("java", *FLAGS, "-cp", f"{LIBRARIES}/*", "kafka.tools.StorageTool", "format"),
            *("-t", CLUSTER_ID, "-c", str(HOME / "first" / "server.properties")),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    formatted = shutil.copytree(broker.data, HOME / "first" / "formatted")
    broker.start(f"-XX:ArchiveClassesAtExit={ARCHIVE}")
    admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
    wait_for(lambda: admin.list_topics(timeout=DEADLINE).brokers)
    broker.stop()
    formatted.rename(FORMATTED)
    shutil.rmtree(HOME / "first")


if __name__ == "__main__":
    prepare()
