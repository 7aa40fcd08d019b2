"""What sealing a second of 100,000 keys does to readers and to other requests. See README.md."""

import http.client
import json
import multiprocessing
import select
import socket
import statistics
import time
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from benchmarks.harness import Server, row, serve

SERVICES, DOMAINS, POPS, ROUNDS = 10, 1_000, 10, 7
READABLE_MS, STALL_MS = 250, 20
PING_EVERY = 0.002


def records(second: int, service: int) -> bytes:
    """Return one record per key of a service."""
    shared = (
        f'"ts":{second},"service_id":"s{service}","status":200,"cache":"MISS","proto":"HTTP/2.0","tls":"TLSv1.3",'
        '"resp_bytes":2300,"resp_body_bytes":2000,"origin":"app","origin_addr":"10.0.0.1:80","origin_status":"200",'
        '"bereq_bytes":300,"beresp_bytes":2300,"beresp_body_bytes":2000,"origin_ttfb_s":"0.012"'
    )
    made = [
        f'{{{shared},"domain":"www{domain}.example{service}.com","pop":"P{pop:02}"}}\n'
        for domain in range(DOMAINS)
        for pop in range(POPS)
    ]
    return "".join(made).encode()


def ping(netloc: str, results: Connection) -> None:
    """Send a request every 2 ms until stopped; send back how many ms each took, and when it was sent."""
    connection = http.client.HTTPConnection(netloc)
    waits = []
    while not results.poll():
        sent = time.time()
        connection.request("GET", "/v1/domains/idle/ts/0")
        assert b"Data" in connection.getresponse().read()
        waits.append((1000 * (time.time() - sent), sent))
        time.sleep(PING_EVERY)
    results.send(waits)


def read_all(server: Server, second: int) -> list[float]:
    """Wait for the entries of all services at once; return how many ms after the seal each was complete."""
    sockets = []
    for service in range(SERVICES):
        connection = socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0))
        connection.send(b"GET /v1/domains/s%d/ts/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % (service, second + 1))
        sockets.append(connection)
    waiting = {connection: bytearray() for connection in sockets}
    lengths: dict[socket.socket, int] = {}
    came = []
    while waiting:
        for connection in select.select(list(waiting), [], [])[0]:
            answer = waiting[connection]
            answer += connection.recv(1 << 22)
            if connection not in lengths and b"\r\n\r\n" in answer:
                head = bytes(answer.partition(b"\r\n\r\n")[0])
                lengths[connection] = len(head) + 4 + int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
            if len(answer) == lengths.get(connection):
                came.append((1000 * (time.time() - second - 2), bytes(waiting.pop(connection))))
    for _, whole in came:
        (entry,) = json.loads(whole.partition(b"\r\n\r\n")[2])["Data"]
        assert entry["recorded"] == second
        assert len(entry["aggregated"]) == DOMAINS
        assert sum(map(len, entry["datacenter"].values())) == DOMAINS * POPS
        assert all(shown["requests"] == 1 for pop in entry["datacenter"].values() for shown in pop.values())
    return [when for when, _ in came]


def main() -> None:
    """Fill seconds, and measure their seals."""
    readable, stalls, quiet = [], [], []
    with serve() as server:
        netloc = urlsplit(server.url).netloc
        connection = http.client.HTTPConnection(netloc)
        for _ in range(ROUNDS):
            second = int(time.time()) + 1
            pushes = [records(second, service) for service in range(SERVICES)]
            time.sleep(max(0.0, second - time.time()))
            for push in pushes:
                connection.request("POST", "/ingest", push)
                assert json.loads(connection.getresponse().read())["accepted"] == DOMAINS * POPS
            assert time.time() < second + 1.8, "too slow to fill a second in time"
            ours, theirs = multiprocessing.Pipe()
            pinging = multiprocessing.Process(target=ping, args=(netloc, theirs))
            pinging.start()
            came = read_all(server, second)
            ours.send("stop")
            waits = ours.recv()
            pinging.join()
            readable.append(max(came))
            stalls.append(max(wait for wait, sent in waits if sent > second + 1.9))
            quiet.append(max((wait for wait, sent in waits if sent < second + 1.9), default=0.0))
    last, stall = statistics.median(readable), statistics.median(stalls)
    print(f"seal: {SERVICES * DOMAINS * POPS:,} keys of {SERVICES} services; every one was found in its entry")
    print("  ms from the seal until all was read  " + " ".join(f"{each:6.0f}" for each in readable))
    print("  ms that the event loop was busy, most" + " ".join(f"{each:6.1f}" for each in stalls))
    print("  the same before the seal             " + " ".join(f"{each:6.1f}" for each in quiet))
    keys = f"{SERVICES * DOMAINS * POPS:,} keys in the second"
    row("seal: all entries read after the seal", f"< {READABLE_MS} ms", f"{last:.0f} ms", keys, met=last < READABLE_MS)
    row(
        "seal: longest that the event loop stalls meanwhile",
        f"< {STALL_MS} ms",
        f"{stall:.0f} ms",
        keys,
        met=stall < STALL_MS,
    )


if __name__ == "__main__":
    main()
