"""The same requests, written as records and as each server writes them that has a layout of its own. See README.md."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from benchmarks.fold.traffic import lines
from benchmarks.harness import row
from edgetally._core import Fold, Window

LINES, ROUNDS, BLOCK, TARGET = 50_000, 7, 1 << 20, 0.6
NOW = 1_795_314_050

random = Random(7)

Request = dict[str, Any]


def shuffled(headers: dict[str, str]) -> dict[str, list[str]]:
    """Return headers as Caddy writes them: in any order, a list of values each."""
    names = list(headers)
    random.shuffle(names)
    return {name: [headers[name]] for name in names}


def dumped(line: Request) -> str:
    """Write a line as these servers do, without blanks."""
    return json.dumps(line, separators=(",", ":"))


def caddy(request: Request) -> str:
    """Write a line as Caddy 2.11 does, with the fields of our snippet."""
    asked = {"User-Agent": request.get("ua", "x/1"), "Accept": "*/*", "Accept-Encoding": "gzip, br", "X-Id": "abc123"}
    answered = {"Server": "Caddy", "Via": "1.1 Caddy", "Date": "Sun, 22 Nov 2026 02:20:35 GMT", "Content-Length": "9"}
    tls = {"resumed": False, "version": 772, "cipher_suite": 4865, "proto": "h2", "server_name": request["domain"]}
    return dumped(
        {
            "level": "info",
            "ts": float(request["ts"]),
            "logger": "http.log.access.log0",
            "msg": "handled request",
            "request": {
                "remote_ip": "192.0.2.1",
                "remote_port": "58966",
                "client_ip": "192.0.2.1",
                "proto": request["proto"],
                "method": "GET",
                "host": request["domain"],
                "uri": "/a/long/enough/path",
                "headers": shuffled(asked),
                "tls": tls,
            },
            "bytes_read": 0,
            "user_id": "",
            "duration": 0.004234589,
            "size": int(request["resp_body_bytes"]),
            "status": int(request["status"]),
            "resp_headers": shuffled(answered),
            "origin_ttfb_ms": 3.25 if request["origin_addr"] else None,
            "origin_status": 200 if request["origin_addr"] else None,
            "origin_addr": request["origin_addr"] or None,
        }
    )


def traefik(request: Request) -> str:
    """Write a line as Traefik 3 does when nothing is left out."""
    start = datetime.fromtimestamp(int(float(request["ts"])), UTC).strftime("%Y-%m-%dT%H:%M:%S") + ".76349387Z"
    return dumped(
        {
            "ClientAddr": "192.0.2.1:47196",
            "ClientHost": "192.0.2.1",
            "ClientPort": "47196",
            "ClientUsername": "-",
            "DownstreamContentSize": int(request["resp_body_bytes"]),
            "DownstreamStatus": int(request["status"]),
            "Duration": 2039965,
            "OriginContentSize": int(request["resp_body_bytes"]),
            "OriginDuration": 1898244,
            "OriginStatus": int(request["status"]),
            "Overhead": 141721,
            "RequestAddr": request["domain"],
            "RequestContentSize": 0,
            "RequestCount": 1,
            "RequestHost": request["domain"],
            "RequestMethod": "GET",
            "RequestPath": "/a/long/enough/path",
            "RequestPort": "-",
            "RequestProtocol": request["proto"],
            "RequestScheme": "https",
            "RetryAttempts": 0,
            "RouterName": "all@file",
            "ServiceAddr": request["origin_addr"] or "10.0.0.1:8080",
            "ServiceName": "app@file",
            "ServiceURL": "http://10.0.0.1:8080",
            "StartLocal": start,
            "StartUTC": start,
            "TLSVersion": "1.3",
            "entryPointName": "websecure",
            "level": "info",
            "msg": "",
            "time": "2026-11-22T02:20:35Z",
        }
    )


def cloudflare(request: Request) -> str:
    """Write a line with the fields that our snippet asks Cloudflare for."""
    return dumped(
        {
            "CacheCacheStatus": "miss" if request["origin_addr"] else "hit",
            "ClientRequestBytes": 512,
            "ClientRequestHost": request["domain"],
            "ClientRequestProtocol": request["proto"],
            "ClientRequestSource": "eyeball",
            "ClientSSLProtocol": "TLSv1.3",
            "EdgeColoCode": "AMS",
            "EdgeEndTimestamp": int(float(request["ts"])) * 10**9,
            "EdgeRequestHost": "app.example",
            "EdgeResponseBodyBytes": int(request["resp_body_bytes"]),
            "EdgeResponseBytes": int(request["resp_bytes"]),
            "EdgeResponseStatus": int(request["status"]),
            "OriginIP": "192.0.2.7" if request["origin_addr"] else "",
            "OriginResponseHeaderReceiveDurationMs": 38 if request["origin_addr"] else 0,
            "OriginResponseStatus": 200 if request["origin_addr"] else 0,
        }
    )


def cloudfront(request: Request) -> str:
    """Write a line with the fields that our snippet asks CloudFront for."""
    return "\t".join(
        (
            *(str(request["ts"]), str(request["status"]), str(request["resp_bytes"]), "GET", request["domain"], "512"),
            *("AMS54-C1", request["proto"], "TLSv1.3", "Miss" if request["origin_addr"] else "Hit"),
            str(request["resp_body_bytes"]),
        )
    )


WRITERS: dict[str, Callable[[Request], str]] = {
    "caddy": caddy,
    "traefik": traefik,
    "cloudflare": cloudflare,
    "cloudfront": cloudfront,
}


def fold(layout: str, log: bytes) -> tuple[float, Fold]:
    """Fold a log; return the CPU time that it took this thread, and the fold."""
    folding = Fold(service_id="shop", pop="AMS", layout=layout)
    blocks = [log[at : at + BLOCK] for at in range(0, len(log), BLOCK)]
    began = time.thread_time()
    for block in blocks:
        folding.feed(block, NOW)
    return time.thread_time() - began, folding


def statuses(folding: Fold) -> Counter[str]:
    """Return how many requests a fold counted, in all and by status."""
    found: Counter[str] = Counter()
    window = Window(domains=10_000, origins=100, addresses=100, pops=100, services=100)
    window.merge(folding.drain())
    for sealed in window.seal(2**63):
        for counters in json.loads(sealed.entry("domains"))["aggregated"].values():
            found.update({name: n for name, n in counters.items() if name.startswith(("requests", "status_"))})
    return found


def main() -> None:
    """Fold the same requests in every layout, in turns."""
    # Other layouts name neither, or not for each request, and the keys are to be the same.
    records = [re.sub(rb'"(service_id|pop)":"[^"]*"', rb'"\1":"one"', line) for line in lines(LINES)]
    requests = [json.loads(line) for line in records]
    logs = {"canonical": b"".join(records)}
    for layout, write in WRITERS.items():
        logs[layout] = "".join(write(request) + "\n" for request in requests).encode()
    least: dict[str, float] = {}
    for _ in range(ROUNDS):
        for layout, log in logs.items():
            took, folding = fold(layout, log)
            least[layout] = min(took, least.get(layout, took))
            if layout == "canonical":
                wanted = statuses(folding)
            else:
                assert statuses(folding) == wanted, layout
    for layout, took in least.items():
        share = least["canonical"] / took
        print(
            f"{layout:<10} {len(logs[layout]) / LINES:4.0f} bytes a line, {took / LINES * 1e9:4.0f} ns a line, "
            f"{LINES / took / 1e6:.2f} million lines/s, {share:.0%}"
        )
    slowest = min(WRITERS, key=lambda layout: least["canonical"] / least[layout])
    shares = ", ".join(f"{layout} {least['canonical'] / least[layout]:.0%}" for layout in WRITERS)
    row(
        "layouts: lines of other servers",
        f"each at least {TARGET:.0%} of records",
        shares,
        f"records: {LINES / least['canonical'] / 1e6:.2f} million lines/s",
        met=least["canonical"] / least[slowest] >= TARGET,
    )


if __name__ == "__main__":
    main()
