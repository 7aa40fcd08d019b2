"""What the API shows of the log of an edge, and what that adds up to."""

import asyncio
import contextlib
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.edges.book import POP, Sums, counts
from tests.process import COMMAND

LAST = "last.example"
"""The domain, and the origin, of the last line of the log."""

PATIENCE = 30.0
"""Seconds after which what has not come will not come."""

LAST_LINE = (
    '{"ts":%f,"domain":"last.example","status":200,'
    '"origin":"last.example","origin_ip":"192.0.2.1","origin_status":200}\n'
)


def paths(service: str) -> dict[str, str]:
    """Say where each dataset is, from a cursor on."""
    return {
        "domains": f"/v1/domains/{service}/ts/%s",
        "origins": f"/v1/origins/{service}/ts/%s",
        "origin_insights": f"/v1/channel/{service}/ts/%s?kind=origin_insights",
    }


def answers_on(said: list[str]) -> str:
    return "".join(line.partition("edgetally answers on ")[2].strip() for line in said)


async def chain(api: httpx.AsyncClient, path: str) -> list[Any]:
    """Read entry after entry, until one shows the last line: it was read when all before it had been."""
    cursor = (await api.get(path % 0)).json()["Timestamp"]
    entries: list[Any] = []
    while not any(LAST in entry["aggregated"] for entry in entries):
        answer = (await api.get(path % cursor)).json()
        cursor = answer["Timestamp"]
        entries += answer["Data"]
    return entries


def add_up(entries: dict[str, list[Any]]) -> Sums:
    """Add up what all entries show, but for what says how often, not how many."""
    sums: Sums = {}
    for dataset, found in entries.items():
        for entry in found:
            for key, measurements in leaves(entry["aggregated"]):
                if LAST not in key:
                    sums.setdefault((dataset, key), Counter()).update(counts(measurements))
    return sums


def leaves(tree: dict[str, Any], *above: str) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Find the measurements, and the keys that lead to them."""
    if all(isinstance(value, dict) for value in tree.values()):
        return [leaf for key, below in tree.items() for leaf in leaves(below, *above, key)]
    return [(above, tree)]


class Roads:
    """An `edgetally serve` that one log comes to by several roads; each of them is a service."""

    def __init__(self, api: httpx.AsyncClient, roads: tuple[str, ...], said: list[str]) -> None:
        self.roads = roads
        self.said = said
        """What it logged until it was ready, and the rest of it after it has stopped."""
        self._api = api

    @property
    def syslog_port(self) -> int:
        """Where it listens for datagrams."""
        (line,) = (line for line in self.said if "is listened on" in line)
        return int(line.partition("udp:127.0.0.1:")[2].split()[0])

    async def entries(self, requests: int) -> dict[str, dict[str, list[Any]]]:
        """Wait until every road shows so many requests; return all entries, by road and dataset."""
        found: dict[str, dict[str, list[Any]]] = {}
        for road in self.roads:
            await self._until(road, requests)
            found[road] = {name: (await self._api.get(path % "h")).json()["Data"] for name, path in paths(road).items()}
        return found

    async def _until(self, road: str, requests: int) -> None:
        path = paths(road)["domains"]
        answer = (await self._api.get(path % "h")).json()
        shown = 0
        async with asyncio.timeout(PATIENCE):
            while True:
                for entry in answer["Data"]:
                    shown += sum(measurements.get("requests", 0) for _, measurements in leaves(entry["aggregated"]))
                if shown >= requests:
                    return
                answer = (await self._api.get(path % answer["Timestamp"])).json()


@contextlib.asynccontextmanager
async def roads(directory: Path, *, follow: Path, syslog: bool = False) -> AsyncIterator[Roads]:
    """Read a log by following its file and, if asked to, as syslog."""
    configuration = f'[[sources.follow]]\npath = "{follow}"\nservice_id = "file"\n'
    services: tuple[str, ...] = ("file",)
    if syslog:
        configuration += '[[sources.syslog]]\nlisten = "udp:127.0.0.1:0"\nservice_id = "syslog"\n'
        services += ("syslog",)
    path = directory / "edgetally.toml"
    path.write_text(configuration)
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "serve", "--config", str(path), "--listen", "127.0.0.1:0", "--pop", POP, "--aggregate-delay", "1"),
        *("--log-format", "text"),
        stderr=subprocess.PIPE,
    )
    said: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE):
            assert process.stderr
            while not (
                answers_on(said)
                and any("waiting for it" in line for line in said)
                and (not syslog or any("is listened on" in line for line in said))
            ):
                said.append((await process.stderr.readline()).decode())
                assert said[-1], said
        async with httpx.AsyncClient(base_url=answers_on(said), timeout=2 * PATIENCE) as api:
            yield Roads(api, services, said)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        said += (await process.communicate())[1].decode().splitlines()
    assert process.returncode == 0, said
