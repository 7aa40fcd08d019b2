"""One `edgetally serve` that the same log comes to by several roads; each road is a service, and shows the same."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.edges.book import POP, Sums
from tests.edges.reading import PATIENCE, add_up, answers_on, paths
from tests.support.process import COMMAND


class Outcome(NamedTuple):
    """What was seen, and what is shown."""

    seen: Sums
    """What the client and the origins saw."""
    shown: dict[str, Sums]
    """By road."""
    complaints: list[str]
    """About lines."""


class Shipping:
    """What reads all roads."""

    def __init__(self, api: httpx.AsyncClient, said: list[str]) -> None:
        self.said = said
        """What it logged until it was ready, and the rest of it after it has stopped."""
        self._api = api

    @property
    def complaints(self) -> list[str]:
        """What it said about lines, after it has stopped."""
        return [line for line in self.said if "rejected" in line or "dropped" in line]

    def port(self, kind: str) -> int:
        """Say where it listens for syslog over `udp` or `tcp`."""
        (line,) = (line for line in self.said if f"syslog:{kind}:" in line and line.rstrip().endswith(": listening"))
        return int(line.partition(f"{kind}:127.0.0.1:")[2].partition(":")[0])

    async def open(self, roads: tuple[str, ...], domain: str, ask: Callable[[], Awaitable[object]]) -> None:
        """Ask again and again, until every road shows a request and a fetch of this domain: it is open from then on."""
        async with asyncio.timeout(PATIENCE):
            for road in roads:
                found: Counter[str] = Counter()
                while not (found["requests"] and found["origin_fetches"]):
                    await ask()
                    answer = (await self._api.get(paths(road)["domains"] % "h")).json()
                    found = add_up({"domains": answer["Data"]}).get(("domains", (domain,)), Counter())

    async def read(self, road: str, seen: Sums, *, but: tuple[str, ...] = (), dropped: int = 0) -> Sums:
        """
        Read a road entry by entry, until it shows as many requests and fetches as were seen, or no more come.

        Domains and origins named in `but` are left out; so many lines were `dropped` before they were sent.
        """
        enough = totals(seen)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE / 3):
                cursor = (await self._api.get(paths(road)["domains"] % "h")).json()["Timestamp"] - 120
                found: list[Any] = []
                while any(
                    totals(add_up({"domains": found}), but=but)[name] < amount - dropped
                    for name, amount in enough.items()
                ):
                    answer = (await self._api.get(paths(road)["domains"] % cursor)).json()
                    cursor = answer["Timestamp"]
                    found += answer["Data"]
        return {key: counters for key, counters in add_up(await self.entries(road)).items() if key[1][0] not in but}

    async def entries(self, road: str) -> dict[str, list[Any]]:
        """Return what a road shows, by dataset."""
        return {name: (await self._api.get(path % "h")).json()["Data"] for name, path in paths(road).items()}


def totals(sums: Sums, *, but: tuple[str, ...] = ()) -> Counter[str]:
    """Count the requests and the fetches of all domains."""
    total: Counter[str] = Counter()
    for (dataset, (name, *_)), counters in sums.items():
        if dataset == "domains" and name not in but:
            total.update({field: counters[field] for field in ("requests", "origin_fetches")})
    return total


@contextlib.asynccontextmanager
async def shipping(
    directory: Path, files: list[Path], *syslog: str, stdin: int = subprocess.DEVNULL, format: str = "canonical"
) -> AsyncIterator[Shipping]:
    """
    Follow files as the service `file`, and listen for each of `udp`, `tcp` and `unix` as a service of this name.

    What comes out of the pipe `stdin` is the service `stdin`. `format` is the format of all of them.
    """
    where = {"unix": f"unix:{directory}/log.sock", "udp": "udp:127.0.0.1:0", "tcp": "tcp:127.0.0.1:0"}
    sources = [f'[[sources.follow]]\npath = "{file}"\nservice_id = "file"\n' for file in files]
    sources += [f'[[sources.syslog]]\nlisten = "{where[kind]}"\nservice_id = "{kind}"\n' for kind in syslog]
    configuration = directory / "edgetally.toml"
    configuration.write_text("\n".join(sources))
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "serve", "--config", str(configuration), "--listen", "127.0.0.1:0", "--pop", POP),
        *("--aggregate-delay", "1", "--log-format", "text", "--journal", "memory", "--format", format),
        *(("--stdin", "--service-id", "stdin") if stdin >= 0 else ()),
        stdin=stdin,
        stderr=subprocess.PIPE,
    )
    said: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE):
            assert process.stderr
            while not (
                answers_on(said)
                and sum("waiting for the file" in line for line in said) == len(files)
                and sum(line.rstrip().endswith(": listening") for line in said) == len(syslog)
            ):
                said.append((await process.stderr.readline()).decode())
                assert said[-1], said
        async with httpx.AsyncClient(base_url=answers_on(said), timeout=2 * PATIENCE) as api:
            yield Shipping(api, said)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        said += (await process.communicate())[1].decode().splitlines()
    assert process.returncode == 0, said


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe: where to read from it, and where to write into it."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def without_latency(sums: Sums, dataset: str, *, but: tuple[str, ...] = ()) -> dict[str, Counter[str]]:
    """Keep what origins can tell, too: everything but when."""
    return {
        " ".join(key): Counter({name: amount for name, amount in counters.items() if "latency" not in name})
        for (where, key), counters in sums.items()
        if where == dataset and key[0] not in but
    }


def untimed(sums: Sums) -> list[str]:
    """Name the origins that have a response outside of all latency buckets."""
    return [
        key[0]
        for (dataset, key), counters in sums.items()
        if dataset == "origins"
        and sum(amount for name, amount in counters.items() if name.startswith("latency_")) != counters["responses"]
    ]
