"""A real ClickHouse: Debian's `clickhouse-server`, on a free port of the loopback interface."""

import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

import pytest

from tests.support.kafka import DEADLINE, free_ports

PROGRAM = "clickhouse-server"
DATABASE = "edgetally"

CONFIG = """<yandex>
<logger><level>warning</level><log>{directory}/server.log</log><errorlog>{directory}/errors.log</errorlog></logger>
<listen_host>127.0.0.1</listen_host><http_port>{port}</http_port><tcp_port>{tcp_port}</tcp_port>
<path>{directory}/data/</path><tmp_path>{directory}/tmp/</tmp_path>
<mark_cache_size>67108864</mark_cache_size>
<users_config>{directory}/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
</yandex>"""

USERS = """<yandex>
<profiles><default></default></profiles><quotas><default></default></quotas>
<users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
<quota>default</quota></default>
<edgetally><password>se'cret: ö</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
<quota>default</quota></edgetally></users>
</yandex>"""

PASSWORD = "se'cret: ö"
"""Of the user `edgetally`."""


def needs_clickhouse() -> list[pytest.MarkDecorator]:
    """Return marks that skip without a server, or raise if EDGETALLY_REQUIRE_SERVERS is set."""
    if shutil.which(PROGRAM):
        return []
    if "EDGETALLY_REQUIRE_SERVERS" in os.environ:
        raise RuntimeError("no clickhouse-server here, but EDGETALLY_REQUIRE_SERVERS is set")
    return [pytest.mark.skip(reason="no clickhouse-server here: install Debian's package")]


class ClickHouseServer:
    """One server, with a directory of its own."""

    def __init__(self, directory: Path, ports: tuple[int, int]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.port, tcp_port = ports
        self._config = directory / "config.xml"
        self._config.write_text(CONFIG.format(directory=directory, port=self.port, tcp_port=tcp_port))
        (directory / "users.xml").write_text(USERS)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = DATABASE) -> str:
        """As in `history.clickhouse`."""
        return f"http://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._directory / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, f"--config-file={self._config}"],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = monotonic() + DEADLINE
        while not self._answers():
            if monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"no ClickHouse: {(self._directory / 'output.log').read_text()[-2000:]}")
            sleep(0.02)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait(DEADLINE)

    def pause(self) -> None:
        """Stop it: it takes connections, and answers nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def ask(self, query: str, database: str = DATABASE) -> list[list[str]]:
        """Return the rows of a query as texts."""
        url = f"http://127.0.0.1:{self.port}/?database={quote(database)}"
        with urllib.request.urlopen(url, query.encode(), DEADLINE) as answer:
            return [line.split("\t") for line in answer.read().decode().splitlines()]

    def _answers(self) -> bool:
        try:
            return self.ask("SELECT 1", "default") == [["1"]]
        except (urllib.error.URLError, ConnectionError):
            return False


@contextmanager
def clickhouse(directory: Path) -> Iterator[ClickHouseServer]:
    """Run a server, and kill it at the end."""

    server = ClickHouseServer(directory, free_ports(1)[0])
    try:
        server.start()
        yield server
    finally:
        server.kill()
