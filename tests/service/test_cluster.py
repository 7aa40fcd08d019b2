"""A cluster: nodes of every role with one real broker, and what a client sees of them."""

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from edgetally.cli.main import main
from edgetally.config.validation import check
from edgetally.errors import ConfigError
from edgetally.service.service import Service
from tests.support.cluster import create
from tests.support.cluster_services import PARTITIONS, Node, node, record, until
from tests.support.kafka import DEADLINE, DETECTION, Brokers, brokers, free_ports, needs_kafka
from tests.support.nodes import becomes
from tests.support.process import COMMAND, serving
from tests.support.served import ndjson

if TYPE_CHECKING:
    from edgetally.journal.kafka.journal import KafkaJournal

pytestmark = needs_kafka()

SERVICES = [f"shop{number}" for number in range(5)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    with brokers(tmp_path_factory.mktemp("broker") / "nodes") as running:
        yield running


@pytest.fixture
def url(broker: Brokers) -> str:
    return create(broker.url(), partitions=PARTITIONS)


async def requests(reader: Node, service_id: str) -> int:
    """Return the requests of all entries of a service."""
    answer = await reader.get(f"/v1/channel/{service_id}/ts/h/limit/120")
    return sum(entry["aggregated"].get("requests", 0) for entry in answer["Data"])


async def test_any_node_takes_a_push_and_all_readers_show_the_same_bytes(url: str) -> None:
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(node(url, "ingest")) for _ in range(2)]
        readers = [await stack.enter_async_context(node(url, "read")) for _ in range(2)]
        for reader in readers:
            await until(reader.is_ready)
        pushed = {one: [record(one), record(one, domain="b.example")] for one in SERVICES}
        for number, (service_id, records) in enumerate(pushed.items()):
            # As if no answer came: the sender asks the other node.
            for one in (first, second)[:: (-1) ** number]:
                answer = await one.push(*records, key=service_id)
                assert answer.json() == {"accepted": 2, "rejected": 0, "errors": []}

        async def are_shown() -> bool:
            shown = [await requests(reader, one) for one in SERVICES for reader in readers]
            assert max(shown) <= 2
            return shown == [2] * 2 * len(SERVICES)

        await until(are_shown)
        for service_id in SERVICES:
            for path in (
                f"/v1/channel/{service_id}/ts/h/limit/120",
                f"/v1/domains/{service_id}/ts/h/limit/120",
                f"/v1/origins/{service_id}/ts/h/limit/120",
                f"/v1/channel/{service_id}/ts/h/limit/120?kind=origin_insights",
            ):
                bodies = [json.loads((await reader.client.get(path)).content)["Data"] for reader in readers]
                assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("role", "missing", "problem"),
    [
        (
            "ingest",
            ("/v1/domains/svc/ts/h", "/top/svc", "/fastly/metrics", "/page/page.js", "/service", "/stats"),
            "this node shows no entries: ask one with the role read or all",
        ),
        ("read", ("/ingest", "/rejected"), "this node takes no records: send them to one with the role ingest or all"),
    ],
)
async def test_what_a_role_does_not_have_is_explained(role: str, missing: tuple[str, ...], problem: str) -> None:
    async with node(nowhere(), role) as one:
        for path in missing:
            answer = await one.client.get(path)
            assert (answer.status_code, answer.json()["msg"]) == (404, problem)
        for there in ("/", "/openapi.json", "/healthz", "/metrics"):
            assert (await one.client.get(there)).status_code == 200
        assert (await one.client.get("/", headers={"Accept": "text/html"})).status_code == 200


def nowhere() -> str:
    """Return the address of a topic where no broker is."""
    ((port, _),) = free_ports(1)
    return f"kafka://127.0.0.1:{port}/none"


async def test_nodes_wait_for_brokers_and_say_so() -> None:
    """Without any broker they start, refuse what they cannot do, and stop."""
    async with node(nowhere()) as one:
        assert (await one.client.get("/healthz")).status_code == 200

        async def is_noticed() -> bool:
            return bool(one.service.journal.failing)

        await until(is_noticed)
        ready = await one.client.get("/readyz")
        assert ready.status_code == 503
        assert {"journal", "window", "files", "clock", "server"} <= ready.json()["checks"].keys()
        pushed = await one.push(record("svc"))
        assert pushed.status_code == 503
        assert pushed.json()["msg"].endswith("nothing of this push was counted: send it again")
        assert "outcome" not in pushed.json()
        read = await one.client.get("/v1/channel/svc/ts/h")
        assert (read.status_code, read.headers["retry-after"]) == (503, "2")
        assert read.json()["msg"].startswith("not ready: ")
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 15


async def test_a_node_that_only_takes_pushes_recovers_without_a_restart(tmp_path: Path) -> None:
    """Nothing is appended while it refuses, so nothing but its start makes it look for brokers."""
    with brokers(tmp_path / "nodes", extra=DETECTION) as cluster:
        url = create(cluster.url(), partitions=PARTITIONS)
        (broker,) = cluster.each
        broker.kill()
        async with node(url, "ingest") as one:
            assert (await one.push(record("svc"))).status_code == 503
            broker.start()
            await until(one.is_ready)
            assert (await one.push(record("svc"))).status_code == 200


async def test_what_an_outbox_has_is_sent_though_no_line_follows(tmp_path: Path) -> None:
    with brokers(tmp_path / "nodes", extra=DETECTION) as cluster:
        url = create(cluster.url(), partitions=PARTITIONS)
        (broker,) = cluster.each
        log = tmp_path / "access.log"
        log.touch()
        settings: dict[str, dict[str, object]] = {
            "journal": {"data_dir": str(tmp_path / "data")},
            "sources": {"follow": [{"path": str(log)}]},
        }

        async with node(url, "ingest", **settings) as one:
            outbox = cast("KafkaJournal", one.service.journal).outbox
            assert outbox
            broker.signal(signal.SIGSTOP)
            log.write_bytes(ndjson([record("svc")]))
            await becomes(lambda: outbox.waiting)
        broker.signal(signal.SIGCONT)
        async with node(url, "read") as reader, node(url, "ingest", **settings):

            async def is_shown() -> bool:
                answer = await reader.client.get("/v1/channel/svc/ts/h/limit/120")
                return answer.status_code == 200 and await requests(reader, "svc") == 1

            await until(is_shown)


async def test_a_start_that_fails_does_not_wait_for_brokers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with brokers(tmp_path / "nodes", extra=DETECTION) as cluster:
        url = create(cluster.url(), partitions=PARTITIONS)
        (broker,) = cluster.each
        log = tmp_path / "access.log"
        log.touch()

        async def fail(service: Service, *_: object) -> None:
            """As an address that is in use, after a line of the file was read."""
            outbox = cast("KafkaJournal", service.journal).outbox
            assert outbox
            broker.signal(signal.SIGSTOP)
            log.write_bytes(ndjson([record("svc")]))
            await becomes(lambda: outbox.waiting)
            raise ConfigError("sources.syslog[0]", "cannot listen")

        monkeypatch.setattr(Service, "_receive_syslog", fail)
        sources: dict[str, object] = {"follow": [{"path": str(log)}], "syslog": [{"listen": "udp:127.0.0.1:0"}]}
        with pytest.raises(ConfigError, match="cannot listen"):
            async with asyncio.timeout(DEADLINE), node(url, "ingest", sources=sources):
                pass
        broker.signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"node": {"role": "read"}}, "node.role: expected all, got read: roles need --journal kafka://"),
        (
            {"node": {"role": "read"}, "sources": {"stdin": True}, "journal": {"kind": "kafka://127.0.0.1/t"}},
            "sources.stdin: a node with the role read has no sources",
        ),
    ],
)
def test_roles_that_settings_do_not_go_with_are_refused(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        check(settings)


def ended(url: str, *flags: str) -> tuple[int, str]:
    """Run a node until it ends by itself; return its exit status, and what it said last."""
    flags = ("--listen", "127.0.0.1:0", "--journal", url, "--partitions", str(PARTITIONS), *flags)
    command = [*COMMAND, "serve", *flags]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=DEADLINE, check=False)
    return ended.returncode, ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("role", ["ingest", "read", "all"])
async def test_a_node_with_other_settings_says_why_it_ends(url: str, role: str, tmp_path: Path) -> None:
    async with node(url, "read", journal={"data_dir": str(tmp_path / "right")}) as right:
        await until(right.is_ready)
        flags = ("--role", role, "--data-dir", str(tmp_path / "wrong"), "--aggregate-delay", "3")
        status, said = await asyncio.to_thread(ended, url, *flags)
    name = right.service.journal.partitions[0].newest_writer  # type: ignore[attr-defined]
    assert said.startswith(f"edgetally: --journal: expected the settings of node {name}, which seals this journal: ")
    assert status == 2


async def test_a_node_that_takes_records_ends_when_a_seal_has_other_settings(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgetally.service.cluster.LOOK_SECONDS", 0.1)
    async with node(url, "ingest", window={"aggregate_delay": 3}) as wrong, node(url, "ingest") as right:
        for one in (wrong, right):
            assert (await one.push(record("svc"))).status_code == 200
        async with node(url, "read"):
            async with asyncio.timeout(DEADLINE):
                await wrong.service.failed.wait()
            assert "expected the settings of node " in str(wrong.service.failure)
            await until(right.service.journal.agrees)  # type: ignore[attr-defined]
        assert not right.service.failed.is_set()


def test_the_directory_of_a_reader_is_its_own(url: str, tmp_path: Path) -> None:
    flags = ("--role", "read", "--data-dir", str(tmp_path))
    with serving("--journal", url, "--partitions", str(PARTITIONS), *flags) as first:
        status, said = ended(url, *flags)
        problem = f"the history in {tmp_path} is in use by another process: stop it, or choose another directory"
        assert (status, said) == (2, f"edgetally: --data-dir: {problem}")
        # `edgetally history` may use it.
        assert main(["history", "export", "--data-dir", str(tmp_path)]) == 0
        log = tmp_path / "old.log"
        log.write_text(json.dumps(record("svc")) + "\n")
        assert main(["history", "import", "--data-dir", str(tmp_path), str(log)]) == 0
        first.signal(signal.SIGKILL)
        first.ended()
    with serving("--journal", url, "--partitions", str(PARTITIONS), *flags) as second:
        assert second.url
