"""The outbox: nothing that was read from a file is lost or counted twice, whatever the cluster answers and when."""

import asyncio
import logging
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgetally.errors import ConfigError, Unavailable
from edgetally.journal.kafka.outbox import Outbox
from edgetally.journal.sqlite import SqliteJournal
from tests.support.clock import START, ManualClock, until

HORIZON = 600
PARTITIONS = 3


class Cluster:
    """A log that readers count as they do, and which can be away. Partials are texts with a letter per partition."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.is_there = asyncio.Event()
        self.is_there.set()
        self.sent: list[tuple[int, bytes]] = []
        """Partition and id of every envelope that arrived."""
        self.counted: defaultdict[int, dict[bytes, bytes]] = defaultdict(dict)
        """What readers count, by partition and id."""
        self.drift = 0.0
        """Seconds by which the broker's clock is behind."""
        self.retention = 3600

    async def ask(self) -> None:
        """Every request comes by here."""

    def envelopes(self, partial: bytes, append_id: bytes, born: int) -> Sequence[tuple[int, bytes]]:
        parts = enumerate(partial.split(b","))
        return [(number, append_id + born.to_bytes(8) + part) for number, part in parts if part]

    async def send(self, partition: int, envelope: bytes) -> int:
        await self.is_there.wait()
        await self.ask()
        append_id, born, part = envelope[:16], int.from_bytes(envelope[16:24]), envelope[24:]
        appended = int((self.clock.now() - self.drift) * 1000)
        self.sent.append((partition, append_id))
        if self.refusal(born, appended) is None:
            self.counted[partition].setdefault(append_id, part)
        return appended

    def refusal(self, born: int, appended: int) -> str | None:
        if appended > (born + HORIZON) * 1000:
            return "expired"
        return "early" if appended < (born - 5) * 1000 else None

    async def find(self, partition: int, append_id: bytes, born: int) -> bool | None:
        await self.ask()
        if self.clock.now() - born > self.retention:
            return None
        return append_id in self.counted[partition]

    def records(self, partial: bytes, partition: int) -> int:
        return len(partial.split(b",")[partition])

    @property
    def total(self) -> dict[int, list[bytes]]:
        return {number: sorted(parts.values()) for number, parts in self.counted.items() if parts}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def cluster(clock: ManualClock) -> Cluster:
    return Cluster(clock)


def killed(directory: Path) -> Path:
    """Return a copy of what a process that is killed now leaves."""
    left = directory.with_name(f"{directory.name}-left")
    shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(directory, left)
    return left


async def test_an_append_returns_when_each_partition_has_it(
    tmp_path: Path, cluster: Cluster, clock: ManualClock
) -> None:
    outbox = Outbox(tmp_path / "data", cluster, clock)
    cluster.is_there.clear()
    appending = asyncio.create_task(outbox.append(b"a,,c", {"file": "1"}))
    await until(lambda: outbox.waiting == 1)
    assert not appending.done()
    assert outbox.checkpoints() == {"file": "1"}

    cluster.is_there.set()
    await appending
    assert cluster.total == {0: [b"a"], 2: [b"c"]}
    await outbox.close()

    after = Outbox(tmp_path / "data", cluster, clock)
    after.resume()
    await outbox_is_idle(after)
    assert len(cluster.sent) == 2
    assert after.checkpoints() == {"file": "1"}
    await after.close()


async def outbox_is_idle(outbox: Outbox) -> None:
    await asyncio.sleep(0)
    await until(lambda: outbox.waiting == 0)


@pytest.mark.parametrize("arrived", [True, False])
async def test_what_a_killed_process_had_not_finished_is_sent_under_the_same_id(
    arrived: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
    cluster: Cluster,
    clock: ManualClock,
) -> None:
    outbox = Outbox(tmp_path / "data", cluster, clock)
    cluster.is_there.clear()
    appending = asyncio.create_task(outbox.append(b"a,b", {"file": "1"}))
    await until(lambda: outbox.waiting == 1)
    left = killed(tmp_path / "data")
    if arrived:
        cluster.is_there.set()
        await appending
    appending.cancel()
    await outbox.close()
    cluster.is_there.set()

    after = Outbox(left, cluster, clock)
    after.resume()
    await outbox_is_idle(after)

    assert cluster.total == {0: [b"a"], 1: [b"b"]}
    assert len(set(cluster.sent)) == 2
    assert len(cluster.sent) == (4 if arrived else 2)
    assert after.checkpoints() == {"file": "1"}
    await after.close()


async def test_a_released_outbox_leaves_the_rest_to_the_next_process(
    tmp_path: Path, cluster: Cluster, clock: ManualClock
) -> None:
    outbox = Outbox(tmp_path / "data", cluster, clock)
    cluster.is_there.clear()
    appending = asyncio.create_task(outbox.append(b"a", {"file": "1"}))
    await until(lambda: outbox.waiting == 1)
    outbox.release()
    await appending
    await outbox.append(b"b", {"file": "2"})
    await outbox.close()
    assert cluster.sent == []

    cluster.is_there.set()
    after = Outbox(tmp_path / "data", cluster, clock)
    after.resume()
    await outbox_is_idle(after)
    assert cluster.total == {0: [b"a", b"b"]}
    assert after.checkpoints() == {"file": "2"}
    await after.close()


async def test_an_append_that_came_too_late_is_sent_under_a_new_id(
    tmp_path: Path, cluster: Cluster, clock: ManualClock
) -> None:
    outbox = Outbox(tmp_path / "data", cluster, clock)
    cluster.is_there.clear()
    appending = asyncio.create_task(outbox.append(b"a,b", {"file": "1"}))
    await until(lambda: outbox.waiting == 1)
    await clock.advance(HORIZON + 1)
    cluster.is_there.set()
    await appending

    assert cluster.total == {0: [b"a"], 1: [b"b"]}
    assert len({append_id for _, append_id in cluster.sent}) == 3
    await outbox.close()


async def test_a_copy_that_came_in_time_is_found_before_a_late_one_is_sent_again(
    tmp_path: Path, cluster: Cluster, clock: ManualClock
) -> None:
    outbox = Outbox(tmp_path / "data", cluster, clock)
    cluster.is_there.clear()
    appending = asyncio.create_task(outbox.append(b"a,b", {"file": "1"}))
    await until(lambda: outbox.waiting == 1)
    left = killed(tmp_path / "data")
    cluster.is_there.set()
    await appending
    await outbox.close()
    # One of the two partitions had lost it.
    cluster.counted[1].clear()

    await clock.advance(HORIZON + 1)
    after = Outbox(left, cluster, clock)
    after.resume()
    await outbox_is_idle(after)

    assert cluster.total == {0: [b"a"], 1: [b"b"]}
    await after.close()


@pytest.mark.parametrize("requests", range(6))
async def test_a_process_that_is_killed_while_it_sends_again_counts_nothing_twice(
    requests: int, tmp_path: Path, cluster: Cluster, clock: ManualClock
) -> None:
    """Each of two partitions is sent to, searched, and sent to again. The process is killed at one of these."""
    outbox = Outbox(tmp_path / "data", cluster, clock)
    cluster.is_there.clear()
    appending = asyncio.create_task(outbox.append(b"a,b", {"file": "1"}))
    await until(lambda: outbox.waiting == 1)
    await clock.advance(HORIZON + 1)
    seen = 0
    killed_now = asyncio.Event()

    async def ask() -> None:
        nonlocal seen
        seen += 1
        if seen == requests + 1:
            killed(tmp_path / "data")
            killed_now.set()
        if killed_now.is_set():
            await asyncio.Event().wait()

    cluster.ask = ask  # type: ignore[method-assign]
    cluster.is_there.set()
    await killed_now.wait()
    outbox.release()
    await appending
    await outbox.close()

    del cluster.ask
    after = Outbox(tmp_path / "data-left", cluster, clock)
    after.resume()
    await outbox_is_idle(after)
    assert cluster.total == {0: [b"a"], 1: [b"b"]}
    await after.close()


async def test_a_node_whose_clock_is_ahead_sends_the_same_id_again(
    tmp_path: Path, cluster: Cluster, clock: ManualClock
) -> None:
    cluster.drift = 3600
    outbox = Outbox(tmp_path / "data", cluster, clock)
    await outbox.append(b"a", {"file": "1"})

    assert cluster.total == {0: [b"a"]}
    assert len(cluster.sent) == 2
    assert len(set(cluster.sent)) == 1
    await outbox.close()


async def test_what_is_older_than_the_log_is_dropped_and_said(
    tmp_path: Path, cluster: Cluster, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(tmp_path / "data", cluster, clock)
    cluster.is_there.clear()
    appending = asyncio.create_task(outbox.append(b"aaa,b", {"file": "1"}))
    await until(lambda: outbox.waiting == 1)
    await clock.advance(4000)
    with caplog.at_level(logging.ERROR):
        cluster.is_there.set()
        await appending

    assert cluster.total == {}
    assert outbox.expired == 4
    assert sorted(str(one.msg) for one in caplog.records) == [
        f"{outbox.path}: dropped 1 records for partition 1, 4000 seconds old",
        f"{outbox.path}: dropped 3 records for partition 0, 4000 seconds old",
    ]
    await outbox.close()


async def test_a_directory_is_used_by_one_process_at_a_time(
    tmp_path: Path, cluster: Cluster, clock: ManualClock
) -> None:
    outbox = Outbox(tmp_path, cluster, clock)
    with pytest.raises(ConfigError, match="is in use by another process"):
        Outbox(tmp_path, cluster, clock)
    await outbox.close()


async def test_files_are_followed_on_when_a_node_joins_a_cluster(
    tmp_path: Path, cluster: Cluster, clock: ManualClock
) -> None:
    embedded = SqliteJournal(tmp_path)
    await embedded.append(b"x", {"file": "7"})
    await embedded.close()

    outbox = Outbox(tmp_path, cluster, clock)
    assert outbox.checkpoints() == {"file": "7"}
    await outbox.close()


async def test_nothing_is_sent_that_could_not_be_stored(tmp_path: Path, cluster: Cluster, clock: ManualClock) -> None:
    outbox = Outbox(tmp_path, cluster, clock)
    outbox._database.execute("PRAGMA query_only = 1")  # noqa: SLF001 - as a disk that fails
    with pytest.raises(Unavailable, match="the outbox cannot be written: attempt to write a readonly database"):
        await outbox.append(b"a", {"file": "1"})
    assert (cluster.sent, dict(outbox.checkpoints()), outbox.failures) == ([], {}, 1)

    outbox._database.execute("PRAGMA query_only = 0")  # noqa: SLF001
    await outbox.append(b"a", {"file": "1"})
    assert (cluster.total, outbox.failing) == ({0: [b"a"]}, None)
    assert clock.now() == START
    await outbox.close()
