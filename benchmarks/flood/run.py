"""Ten million requests for ten million made-up hosts: memory, and whether known domains are exact. See README.md."""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from urllib.error import HTTPError

from benchmarks.harness import Server, read, row, serve

REQUESTS = int(os.environ.get("FLOOD", "10_000_000"))
PUSH = 20_000
"""Requests per push."""
REAL = [f"www{number}.example" for number in range(100)]
"""Domains known before the flood, with one request in every push of it."""
PLACE = "######"
"""Where a made-up host has the number of its push."""
QUIET_SECONDS = 6
"""Before the flood, in which the domains become known: the first five may not be enough."""
CEILING = 1 << 30
"""Bytes of memory."""


def line(domain: str) -> str:
    """Return a record of one request."""
    return f'{{"domain":"{domain}","status":200,"cache":"MISS","resp_header_bytes":300,"resp_body_bytes":1234}}\n'


def flood() -> Iterator[bytes]:
    """Yield pushes with one request per known domain; all other hosts are new."""
    # The same hosts but for the number of the push: to make up each anew would take longer than to push it.
    scattered = (f"{number * 2_654_435_761 % 4_294_967_296:08x}" for number in range(PUSH))
    made_up = "".join(line(f"{each}-{PLACE}.example") for each in scattered).encode()
    real = "".join(line(domain) for domain in REAL).encode()
    for number in range(REQUESTS // PUSH):
        yield made_up.replace(PLACE.encode(), b"%06d" % number) + real


def push(server: Server, body: bytes) -> int:
    """Push until it is accepted; return how often it was refused before."""
    for attempt in range(1000):
        try:
            read(f"{server.url}/ingest/shop", body)
        except HTTPError as error:
            if error.code != HTTPStatus.TOO_MANY_REQUESTS:
                raise
            time.sleep(0.1)
        else:
            return attempt
    raise AssertionError("the push is never accepted")


class Chain:
    """Reads every entry, one after another, as a client does."""

    def __init__(self, server: Server) -> None:
        self.url = f"{server.url}/v1/domains/shop/ts"
        self.cursor = server.now() - 2
        self.found: Counter[str] = Counter()
        self.rows = 0
        """Of the largest entry."""
        self.done = False

    def run(self) -> None:
        """Read until there are no more entries after `done`."""
        while True:
            answer = json.loads(read(f"{self.url}/{self.cursor}/limit/1"))
            for entry in answer["Data"]:
                rows = {name: values["requests"] for name, values in entry["aggregated"].items()}
                self.rows = max(self.rows, len(rows))
                kept = {*REAL, "_other"} & rows.keys()
                self.found.update({name: rows[name] for name in kept})
                self.found["made up"] += sum(rows.values()) - sum(rows[name] for name in kept)
            self.cursor = answer["Timestamp"]
            if self.done and not answer["Data"]:
                return


def main() -> None:
    """Flood a server, and compare its memory and its entries with the targets."""
    with serve("--poll-timeout", "3") as server:
        chain = Chain(server)
        reader = threading.Thread(target=chain.run)
        reader.start()
        for _ in range(QUIET_SECONDS):
            push(server, "".join(line(domain) for domain in REAL).encode())
            time.sleep(1)
        quiet, refused = server.memory(), 0
        most = quiet
        began = time.monotonic()
        for body in flood():
            refused += push(server, body)
            most = max(most, server.memory())
        seconds = time.monotonic() - began
        # Until the last second of the flood is sealed, and has been read.
        ended = int(time.time())
        while chain.cursor <= ended:
            assert reader.is_alive()
            most = max(most, server.memory())
            time.sleep(0.1)
        chain.done = True
        reader.join()

    pushes = REQUESTS // PUSH
    exact = [chain.found[domain] == QUIET_SECONDS + pushes for domain in REAL]
    total = sum(chain.found.values())
    print(
        f"{REQUESTS:,} requests for as many hosts in {seconds:.0f} s, and {pushes} for each of {len(REAL)} domains "
        f"that are known; {refused} pushes were refused at first\n"
        f"memory: {quiet / 1e6:.0f} MB before, {most / 1e6:.0f} MB at most\n"
        f"known domains: {sum(exact)} of {len(REAL)} exact\n"
        f"made-up hosts: {chain.found['made up']:,} requests in rows of their own, {chain.found['_other']:,} others\n"
        f"rows: at most {chain.rows:,} rows in a second\n"
        f"in all: {total:,} requests shown"
    )
    assert total == REQUESTS + (pushes + QUIET_SECONDS) * len(REAL), "requests were lost or counted twice"
    row(
        f"memory under {REQUESTS:,} made-up hosts",
        f"at most {CEILING / 1e6:.0f} MB, known domains exact",
        f"{most / 1e6:.0f} MB, {sum(exact)} of {len(REAL)} exact",
        f"{quiet / 1e6:.0f} MB before",
        met=most <= CEILING and all(exact),
    )


if __name__ == "__main__":
    main()
