"""
Crash tests of a cluster: nodes and brokers are killed and stand still; every number must be right in the end.

    python -m tests.crash.cluster --rounds 20 --seed 1            every scenario
    python -m tests.crash.cluster --seconds 600 everything        one of them, for ten minutes

Three brokers, three fold nodes with a followed log each, two readers. Senders push with an `Idempotency-Key` to any
fold node until one has answered. Clients chain `Timestamp` over both readers, as behind a balancer. In the end, sums
are compared with what was acknowledged or logged, and the entries of both readers with each other, byte for byte.
"""

import argparse
import asyncio
import itertools
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec

from tests.crash.load import Account, Entries, Reader, Sender, Writer
from tests.crash.run import Server, compare
from tests.support.cluster import create
from tests.support.kafka import DETECTION, Broker, Brokers, brokers

FOLD_NODES = 3
READERS = 2
SENDERS = 3

PARTITIONS = 3
HORIZON = 60

STOP_SECONDS = 15.0
"""A node that gets SIGTERM has ended after so long, with status 0."""

OUTAGE_SECONDS = 20.0

BROKER_SECONDS = 30.0
"""How often a broker is killed, when everything is."""


class ClusterNode(Server):
    """A node that is killed and restarted."""

    def __init__(self, directory: Path, url: str, role: str, logs: Sequence[Writer] = ()) -> None:
        directory.mkdir()
        self.role = role
        environment = {
            "EDGETALLY_JOURNAL__KIND": url,
            "EDGETALLY_JOURNAL__PARTITIONS": str(PARTITIONS),
            "EDGETALLY_JOURNAL__HORIZON": str(HORIZON),
            "EDGETALLY_NODE__ROLE": role,
            "EDGETALLY_WINDOW__AGGREGATE_DELAY": "2",
        }
        super().__init__(directory, directory / "data", logs, environment)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process."""
        assert self._process
        self._process.send_signal(number)

    async def terminate(self) -> tuple[int, float]:
        """Send SIGTERM; return the exit status, and after how many seconds it ended."""
        assert self._process
        assert self._reading
        start = time.monotonic()
        self._up.clear()
        self.signal(signal.SIGTERM)
        status = await self._process.wait()
        await self._reading
        return status, time.monotonic() - start


class AnyOf:
    """A balancer: each request goes to any of some nodes that are up."""

    def __init__(self, nodes: Sequence[ClusterNode], rng: random.Random) -> None:
        self._nodes = nodes
        self._rng = rng

    async def url(self) -> str:
        """Wait until one is up, and return its URL."""
        asked = {asyncio.ensure_future(node.url()) for node in self._nodes}
        try:
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)
            done = {one for one in asked if one.done()}
            return self._rng.choice(sorted(one.result() for one in done))
        finally:
            for one in asked:
                one.cancel()


class ClusterReader(Reader):
    """A client behind a balancer: a reader that is not ready sends it to another one."""

    async def _ask(self, client: httpx.AsyncClient, path: str) -> Entries:
        while True:
            url = await self._target.url()
            try:
                answer = await client.get(f"{url}/v1/domains/{self.service_id}/ts/{path}")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 503:
                await asyncio.sleep(0.1)
                continue
            assert answer.status_code == 200, answer.text
            return msgspec.json.decode(answer.content, type=Entries)


class ClusterRun(NamedTuple):
    """The parts of one run."""

    brokers: Brokers
    folds: list[ClusterNode]
    readers: list[ClusterNode]
    account: Account
    rng: random.Random

    @property
    def nodes(self) -> list[ClusterNode]:
        """All of them."""
        return [*self.folds, *self.readers]


ClusterScenario = Callable[[ClusterRun], Coroutine[None, None, None]]


async def kill_node(run: ClusterRun) -> None:
    """Kill a node at a random moment, and start it again at once or a little later."""
    node = run.rng.choice(run.nodes)
    await asyncio.sleep(run.rng.random())
    await node.kill()
    run.account.note(f"kills of {node.role} nodes")
    await asyncio.sleep(run.rng.choice([0.0, run.rng.random() * 2]))
    await node.start()
    assert await node.ready(), node.log[-3:]


async def kill_broker(run: ClusterRun) -> None:
    """Kill a broker, or let it hand over what it leads, and start it again."""
    broker = run.rng.choice(run.brokers.each)
    stop = run.rng.choice((Broker.kill, Broker.stop))
    await asyncio.to_thread(stop, broker)
    run.account.note(f"brokers: {stop.__name__}")
    await asyncio.sleep(run.rng.random() * 5)
    broker.start()
    await asyncio.to_thread(run.brokers.wait)
    await run.account.after("acknowledged", 5)


async def stop_brokers(run: ClusterRun) -> None:
    """Let two of three brokers stand still, and kill nodes meanwhile."""
    await outage(run, OUTAGE_SECONDS)


async def stop_brokers_beyond_the_horizon(run: ClusterRun) -> None:
    """The same for longer than copies are recognised: what waited needs a second id."""
    await outage(run, HORIZON + 10.0)


async def outage(run: ClusterRun, seconds: float) -> None:
    stopped = run.rng.sample(run.brokers.each, 2)
    for broker in stopped:
        broker.signal(signal.SIGSTOP)
    run.account.note("outages")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(seconds / 5)
        node = run.rng.choice(run.folds)
        if run.rng.random() < 0.5:
            await node.kill()
            run.account.note("kills in an outage")
        else:
            status, took = await node.terminate()
            assert status == 0, node.log[-5:]
            assert took < STOP_SECONDS, f"it took {took:.1f} seconds to end"
            run.account.note("stops in an outage")
        await node.start()
        assert await node.ready(), node.log[-3:]
    for broker in stopped:
        broker.signal(signal.SIGCONT)
    await run.account.after("acknowledged", 5)


async def stop_node(run: ClusterRun) -> None:
    """Let a node stand still, and wake it."""
    node = run.rng.choice(run.nodes)
    node.signal(signal.SIGSTOP)
    run.account.note(f"naps of {node.role} nodes")
    await asyncio.sleep(run.rng.choice([1.0, 5.0, 12.0]))
    node.signal(signal.SIGCONT)
    await run.account.after("acknowledged", 5)


async def everything(run: ClusterRun) -> None:
    """Kill a node every second, and a broker every half a minute."""
    end = time.monotonic() + BROKER_SECONDS

    async def kill_nodes() -> None:
        while time.monotonic() < end:
            await kill_node(run)

    await asyncio.gather(kill_broker(run), kill_nodes())


SCENARIOS: dict[str, ClusterScenario] = {
    "nodes": kill_node,
    "brokers": kill_broker,
    "outage": stop_brokers,
    "horizon": stop_brokers_beyond_the_horizon,
    "naps": stop_node,
    "everything": everything,
}


class ClusterResult(NamedTuple):
    """The result of one run."""

    scenario: str
    account: Account
    copies: int

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.account.events.items()))
        records = sum(one.requests for one in self.account.acknowledged.values())
        return f"{self.scenario}: {records} records, 0 lost, 0 double, {self.copies} copies dropped; {counts}"


async def torture(
    scenario: str, cluster: Brokers, *, rounds: int, seconds: float, seed: int, directory: Path
) -> ClusterResult:
    """Run one scenario so often, and so long; raise AssertionError when a number is wrong."""
    rngs = (random.Random(seed + number) for number in itertools.count())  # noqa: S311 - repeatable, not secret
    url = create(
        cluster.url(), PARTITIONS, min(3, len(cluster.each)), {"retention.ms": "172800000", "segment.ms": "600000"}
    )
    account = Account()
    logs = [
        Writer(f"file{number}", directory / f"access{number}.log", account, next(rngs)) for number in range(FOLD_NODES)
    ]
    folds = [ClusterNode(directory / f"fold{number}", url, "ingest", [log]) for number, log in enumerate(logs)]
    readers = [ClusterNode(directory / f"reader{number}", url, "read") for number in range(READERS)]
    run = ClusterRun(cluster, folds, readers, account, next(rngs))
    balancer = AnyOf(readers, next(rngs))
    senders = [Sender(f"push{number}", AnyOf(folds, next(rngs)), account, next(rngs)) for number in range(SENDERS)]
    services = [*(one.service_id for one in logs), *(one.service_id for one in senders)]
    clients: list[Reader] = [ClusterReader(service_id, balancer, account) for service_id in services]
    try:
        for node in run.nodes:
            await node.start()
        for node in run.nodes:
            assert await node.ready(), node.log
        async with asyncio.TaskGroup() as group:
            # Once something of a file has been counted, all of it has to be.
            counted = [asyncio.ensure_future(account.after(f"entries of {one.service_id}", 1)) for one in logs]
            for task in (
                *(one.run() for one in logs),
                *(one.run() for one in senders),
                *(one.run() for one in clients),
            ):
                group.create_task(task)
            await asyncio.gather(*counted)
            end = time.monotonic() + seconds
            done = 0
            while done < rounds or time.monotonic() < end:
                await SCENARIOS[scenario](run)
                done += 1
            for log in logs:
                log.stopping = True
            for sender in senders:
                sender.stopping = True
        await compare(clients, account)
        await compare_nodes(readers, services)
        odd = [line for node in run.nodes for line in node.log if "task_failed" in line or "Traceback" in line]
        assert not odd, odd
        return ClusterResult(scenario, account, await copies(readers[0]))
    finally:
        for node in run.nodes:
            await node.kill()


async def compare_nodes(nodes: Sequence[ClusterNode], services: Sequence[str]) -> None:
    """Compare the entries of all readers, byte for byte."""
    async with httpx.AsyncClient(timeout=30) as client:
        for service_id in services:
            answers = []
            for node in nodes:
                found = await client.get(f"{await node.url()}/v1/domains/{service_id}/ts/1")
                assert found.status_code == 200, found.text
                entries = msgspec.json.decode(found.content, type=Entries).data
                answers.append({bytes(one) for one in entries})
            common = set.intersection(*answers)
            # A reader that was started later begins later.
            assert common == min(answers, key=len), service_id


async def copies(node: ClusterNode) -> int:
    """Return how many copies a reader has dropped since its start."""
    async with httpx.AsyncClient(timeout=30) as client:
        metrics = (await client.get(f"{await node.url()}/metrics")).text
    lines = [line for line in metrics.splitlines() if line.startswith("edgetally_cluster_copies")]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=10, metavar="COUNT", help="rounds per scenario (default 10)")
    arguments.add_argument("--seconds", type=float, default=0.0, help="least duration of a scenario")
    arguments.add_argument("--seed", type=int, default=1, help="seed of the random moments (default 1)")
    arguments.add_argument("scenarios", nargs="*", default=list(SCENARIOS), metavar="SCENARIO", help="default all")
    given = arguments.parse_args()
    for scenario in given.scenarios:
        with tempfile.TemporaryDirectory(prefix="edgetally-cluster-") as name:
            directory = Path(name)
            with brokers(directory / "brokers", 3, DETECTION) as cluster:
                rounds = 1 if scenario in ("outage", "horizon") else given.rounds
                result = asyncio.run(
                    torture(
                        scenario,
                        cluster,
                        rounds=rounds,
                        seconds=given.seconds,
                        seed=given.seed,
                        directory=directory,
                    )
                )
        sys.stdout.write(f"{result}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
