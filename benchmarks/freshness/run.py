"""How soon after its seal a reader has an entry, at half the push rate. See README.md."""

import http.client
import json
import statistics
import threading
import time
from urllib.parse import urlsplit

from benchmarks.harness import SERVICE_IDS, Server, at, batches, percentile, row, serve, wait_for
from benchmarks.push.run import PER_BATCH, pushed

SECONDS = 15
TARGET_MS = 100


def read_along(server: Server, service_id: str, until: float, delays: list[float]) -> None:
    """Poll along, and record how many ms after its seal each entry arrived."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    cursor = server.now()
    while time.time() < until:
        connection.request("GET", f"/v1/domains/{service_id}/ts/{cursor}")
        body = connection.getresponse().read()
        came = time.time()
        answer = json.loads(body)
        if answer["Data"]:
            assert [entry["recorded"] for entry in answer["Data"]] == [answer["Timestamp"] - 1], (
                "expected one second per answer"
            )
            delays.append(1000 * (came - answer["Timestamp"]))
        cursor = answer["Timestamp"]


def push_along(server: Server, pushes: list[bytes], rate: float, until: float) -> int:
    """Push at `rate` lines per second; return how many were pushed."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    began, count, now = time.perf_counter(), 0, 0
    while time.time() < until:
        if int(time.time()) != now:
            now = int(time.time())
            current = [at(push, now) for push in pushes]
        connection.request("POST", "/ingest", current[count % len(pushes)])
        assert json.loads(connection.getresponse().read())["accepted"] == PER_BATCH
        count += 1
        time.sleep(max(0.0, count * PER_BATCH / rate - (time.perf_counter() - began)))
    return count * PER_BATCH


def main() -> None:
    """Measure the push rate, then read along at half of it."""
    pushes = batches(16)
    with serve("--aggregate-delay", "1") as server:
        warm, rate = pushed(server.url, pushes, 1)
        until = time.time() + SECONDS
        delays: list[float] = []
        readers = [threading.Thread(target=read_along, args=(server, one, until, delays)) for one in SERVICE_IDS]
        for reader in readers:
            reader.start()
        total = push_along(server, pushes, rate / 2, until) + warm
        for reader in readers:
            reader.join()
        wait_for(lambda: server.requests(SERVICE_IDS) == total)
    half, most = percentile(delays, 0.5), percentile(delays, 0.99)
    print(
        f"freshness: {len(delays)} entries while {rate / 2:,.0f} lines/s are pushed; every line was found in an entry"
    )
    print(f"  ms from the seal to the reader: p50 {half:.1f}, p99 {most:.1f}, mean {statistics.fmean(delays):.1f}")
    row(
        "freshness: entry at its reader after the seal, p99",
        f"< {TARGET_MS} ms",
        f"{most:.0f} ms (p50 {half:.0f} ms)",
        "half the push rate, aggregate_delay 1",
        met=most < TARGET_MS,
    )


if __name__ == "__main__":
    main()
