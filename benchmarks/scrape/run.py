"""How long a scrape of 1,000 domains in 10 POPs takes, and what it does to other requests. See README.md."""

import gzip
import http.client
import json
import multiprocessing
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from benchmarks.harness import row, serve, wait_for
from benchmarks.seal.run import DOMAINS, POPS, ping, records

ROUNDS, TOGETHER = 7, 4
TARGET_S, STALL_MS, MEMORY_MB = 1.0, 20, 100
PROMETHEUS = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


def scrape(netloc: str, headers: dict[str, str]) -> tuple[float, bytes]:
    """Return how many seconds a scrape took, and its body."""
    connection = http.client.HTTPConnection(netloc)
    began = time.perf_counter()
    connection.request("GET", "/fastly/metrics", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - began
    assert answer.status == 200
    return seconds, body


def fill(netloc: str) -> None:
    """Push a record per key, and wait until the series have them."""
    connection = http.client.HTTPConnection(netloc)
    connection.request("POST", "/ingest", records(int(time.time()), 0))
    assert json.loads(connection.getresponse().read())["accepted"] == DOMAINS * POPS
    wait_for(lambda: scrape(netloc, PLAIN)[1].count(b"\nfastly_domain_requests_total{") == DOMAINS * POPS)


def stall(netloc: str, headers: dict[str, str]) -> tuple[float, float]:
    """Scrape once; return how many seconds it took, and the longest wait of other requests in milliseconds."""
    ours, theirs = multiprocessing.Pipe()
    pinging = multiprocessing.Process(target=ping, args=(netloc, theirs))
    pinging.start()
    time.sleep(0.3)
    began = time.time()
    seconds, _ = scrape(netloc, headers)
    ours.send("stop")
    waits = ours.recv()
    pinging.join()
    return seconds, max(wait for wait, sent in waits if sent > began)


def main() -> None:
    """Fill the series, then scrape."""
    with serve() as server:
        netloc = urlsplit(server.url).netloc
        fill(netloc)
        plain, packed = scrape(netloc, PLAIN)[1], scrape(netloc, PROMETHEUS)[1]
        text = gzip.decompress(packed)
        assert text.endswith(b"# EOF\n")
        assert text.count(b"\n") == plain.count(b"\n") + 1
        lines = plain.count(b"\n")
        print(f"scrape: {lines:,} lines, {len(plain) / 1e6:.0f} MB, {len(packed) / 1e6:.1f} MB with gzip")
        results = {}
        for name, headers in (("gzip", PROMETHEUS), ("plain", PLAIN)):
            measured = [stall(netloc, headers) for _ in range(ROUNDS)]
            results[name] = [statistics.median(column) for column in zip(*measured, strict=True)]
            print(f"  {name:<6} seconds  " + " ".join(f"{seconds:6.2f}" for seconds, _ in measured))
            print(f"  {name:<6} stall ms " + " ".join(f"{longest:6.1f}" for _, longest in measured))
        before = server.memory()
        growth = []
        with ThreadPoolExecutor(TOGETHER) as clients:
            scrapes = [clients.submit(scrape, netloc, PROMETHEUS) for _ in range(TOGETHER)]
            while not all(one.done() for one in scrapes):
                growth.append((server.memory() - before) / 1e6)
                time.sleep(0.01)
        slowest = max(one.result()[0] for one in scrapes)
        print(f"  {TOGETHER} at once: {slowest:.2f} s, {max(growth):.0f} MB more")
    keys = f"{DOMAINS:,} domains x {POPS} POPs, {lines:,} lines"
    seconds, longest = results["gzip"]
    row("scrape: as Prometheus does", f"< {TARGET_S:.0f} s", f"{seconds:.2f} s", keys, met=seconds < TARGET_S)
    row(
        "scrape: longest that the event loop stalls meanwhile",
        f"< {STALL_MS} ms",
        f"{longest:.0f} ms",
        keys,
        met=longest < STALL_MS,
    )
    row(
        f"scrape: memory of {TOGETHER} at once",
        f"< {MEMORY_MB} MB",
        f"{max(growth):.0f} MB",
        keys,
        met=max(growth) < MEMORY_MB,
    )


if __name__ == "__main__":
    main()
