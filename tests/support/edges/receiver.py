"""One `edgetally serve` that receives the same log by several transports, each as a service of its own."""

import asyncio
import contextlib
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.edges.observed import POP
from tests.support.edges.servers import TIMEOUT
from tests.support.edges.sums import Sums, of_entries, totals
from tests.support.process import COMMAND


@dataclass(frozen=True)
class Channel:
    """What the channel of a transport shows."""

    counters: Counter[str]
    timed_misses: int
    """Those in the histogram of misses."""
    totals: Counter[str]
    """The requests and the fetches of all domains."""


@dataclass(frozen=True)
class Outcome:
    """What was observed, and what the API shows."""

    seen: Sums
    """What the client and the origins observed."""
    shown: dict[str, Sums]
    """What the API shows, by transport."""
    complaints: list[str]
    """What `edgetally serve` logged about lines."""
    channels: dict[str, Channel] = field(kw_only=True)
    """What the channel shows, by transport."""
    written: list[bytes] = field(kw_only=True)
    """The lines of the followed files."""


class Receiver:
    """The running `edgetally serve`."""

    def __init__(self, api: httpx.AsyncClient, log: list[str], files: list[Path]) -> None:
        self.log = log
        """Its log until it was ready; after it has stopped, all of it."""
        self.channels: dict[str, Channel] = {}
        """Of the transports that were read."""
        self._api = api
        self._files = files

    @property
    def complaints(self) -> list[str]:
        """What it logged about lines, once it has stopped."""
        return [line for line in self.log if "rejected" in line or "dropped" in line]

    @property
    def written(self) -> list[bytes]:
        """The lines of the files that it followed, rotated or not."""
        paths = [path for file in self._files for path in file.parent.glob(f"{file.stem}.log*")]
        return [line for path in paths for line in path.read_bytes().splitlines()]

    def port(self, kind: str) -> int:
        """Return its port for syslog over `udp` or `tcp`."""
        (line,) = (line for line in self.log if f"syslog:{kind}:" in line and line.rstrip().endswith(": listening"))
        return int(line.partition(f"{kind}:127.0.0.1:")[2].partition(":")[0])

    async def wait_for(self, transports: tuple[str, ...], domain: str, ask: Callable[[], Awaitable[object]]) -> None:
        """Ask again and again, until every transport has brought a request and a fetch of this domain."""
        async with asyncio.timeout(TIMEOUT):
            for transport in transports:
                found: Counter[str] = Counter()
                while not (found["requests"] and found["origin_fetches"]):
                    await ask()
                    answer = (await self._api.get(_paths(transport)["domains"] % "h")).json()
                    found = of_entries({"domains": answer["Data"]}).get(("domains", (domain,)), Counter())

    async def read(self, transport: str, seen: Sums, *, without: tuple[str, ...] = (), dropped: int = 0) -> Sums:
        """
        Read the entries of a transport until they have as many requests and fetches as were seen, or no more come.

        Domains and origins in `without` are left out; so many lines were `dropped` before they were sent.
        """
        enough = totals(seen)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT / 3):
                cursor = (await self._api.get(_paths(transport)["domains"] % "h")).json()["Timestamp"] - 120
                found: list[Any] = []
                while any(
                    totals(of_entries({"domains": found}), without=without)[name] < amount - dropped
                    for name, amount in enough.items()
                ):
                    answer = (await self._api.get(_paths(transport)["domains"] % cursor)).json()
                    cursor = answer["Timestamp"]
                    found += answer["Data"]
        sums = of_entries(await self.entries(transport))
        self.channels[transport] = await self._channel(transport, totals(sums))
        return {key: counters for key, counters in sums.items() if key[1][0] not in without}

    async def read_all(
        self, transports: tuple[str, ...], seen: Sums, *, without: tuple[str, ...] = ()
    ) -> dict[str, Sums]:
        """Read several transports at once."""
        sums = await asyncio.gather(*(self.read(transport, seen, without=without) for transport in transports))
        return dict(zip(transports, sums, strict=True))

    async def _channel(self, transport: str, of_domains: Counter[str]) -> Channel:
        """Add up the entries of the channel."""
        counters: Counter[str] = Counter()
        timed = 0
        for entry in (await self._api.get(f"/v1/channel/{transport}/ts/h")).json()["Data"]:
            timed += sum(entry["aggregated"].pop("miss_histogram").values())
            counters.update(entry["aggregated"])
        return Channel(counters, timed, of_domains)

    async def entries(self, service: str) -> dict[str, list[Any]]:
        """Return the entries of a transport or another service, by dataset."""
        return {name: (await self._api.get(path % "h")).json()["Data"] for name, path in _paths(service).items()}


@contextlib.asynccontextmanager
async def receiving(
    directory: Path, files: list[Path], *syslog: str, stdin: int = subprocess.DEVNULL, format: str = "canonical"
) -> AsyncIterator[Receiver]:
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
    log: list[str] = []
    try:
        async with asyncio.timeout(TIMEOUT):
            assert process.stderr
            while not (
                _url(log)
                and sum("waiting for the file" in line for line in log) == len(files)
                and sum(line.rstrip().endswith(": listening") for line in log) == len(syslog)
            ):
                log.append((await process.stderr.readline()).decode())
                assert log[-1], log
        async with httpx.AsyncClient(base_url=_url(log), timeout=2 * TIMEOUT) as api:
            yield Receiver(api, log, files)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        log += (await process.communicate())[1].decode().splitlines()
    assert process.returncode == 0, log


def _paths(service: str) -> dict[str, str]:
    """Make the path of each dataset, with a place for the cursor."""
    return {
        "domains": f"/v1/domains/{service}/ts/%s",
        "origins": f"/v1/origins/{service}/ts/%s",
        "origin_insights": f"/v1/channel/{service}/ts/%s?kind=origin_insights",
    }


def _url(log: list[str]) -> str:
    """Find its address; empty until it is ready."""
    return "".join(line.partition("started: listening on ")[2].strip() for line in log)
