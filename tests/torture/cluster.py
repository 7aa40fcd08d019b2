"""A whole cluster on this machine: brokers, nodes that take records, and nodes that show entries."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.cluster import create
from tests.support.kafka import DETECTION, Brokers, brokers, free_ports

PARTITIONS = 12
COMMAND = [sys.executable, "-m", "edgetally", "serve"]


class ClusterNode:
    """One `edgetally serve`, which keeps its address and its directory when it is started again."""

    def __init__(self, name: str, flags: Sequence[str], directory: Path) -> None:
        ((port, _),) = free_ports(1)
        self.name = name
        self.address = ("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}"
        self.log = directory / f"{name}.log"
        self.starts = 0
        data = directory / name
        self._command = [*COMMAND, "--listen", f"127.0.0.1:{port}", "--data-dir", str(data), *flags]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "EDGETALLY_API__ERROR_DELAY": "0.1", "EDGETALLY_API__POLL_TIMEOUT": "10"},
            )
        self.starts += 1

    def kill(self) -> None:
        if self.is_running:
            assert self._process
            self._process.kill()
            self._process.wait()

    def stop(self, seconds: float) -> int:
        """End it with SIGTERM, in time; return its status."""
        assert self._process
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)


class LocalCluster:
    """Three brokers, nodes `fold1` to `fold3` with a followed file each, and the readers `read1` and `read2`."""

    def __init__(self, directory: Path, running: Brokers, topic: str) -> None:
        self.brokers = running
        self.directory = directory
        self.topic = create(f"kafka://{running.addresses}/{topic}", partitions=PARTITIONS, replicas=3)
        self.files = [directory / f"access{number}.log" for number in (1, 2, 3)]
        for file in self.files:
            file.touch()
        self.folds = [
            self.node(f"fold{number}", "ingest", "--follow", str(file)) for number, file in enumerate(self.files, 1)
        ]
        self.readers = [self.node(f"read{number}", "read") for number in (1, 2)]
        self.others: list[ClusterNode] = []
        """Further nodes, which are stopped at the end, too."""

    @property
    def nodes(self) -> list[ClusterNode]:
        return [*self.folds, *self.readers, *self.others]

    def node(self, name: str, role: str, *flags: str) -> ClusterNode:
        """Make a node."""
        flags = ("--journal", self.topic, "--role", role, "--log-format", "text", *flags)
        return ClusterNode(name, flags, self.directory)


@contextmanager
def cluster(directory: Path, topic: str) -> Iterator[LocalCluster]:
    """Run a cluster; its nodes are not started yet."""
    with brokers(directory / "brokers", 3, dict(DETECTION)) as running:
        found = LocalCluster(directory, running, topic)
        try:
            yield found
        finally:
            for node in found.nodes:
                node.kill()
