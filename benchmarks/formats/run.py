"""How many lines per second are folded in other formats, against canonical records. See README.md."""

import json
import statistics
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from benchmarks.fold.traffic import FIRST, SECONDS, lines
from benchmarks.harness import row
from edgetally import _core

LINES = 100_000
ROUNDS = 9
TARGETS = {"caddy": 0.9, "traefik": 0.9, "cloudflare": 0.6, "cloudfront": 0.6}
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0"

Record = dict[str, Any]


def caddy(record: Record) -> str:
    """Return the request as Caddy logs it."""
    request = {
        "remote_ip": "192.0.2.7", "remote_port": "58966", "client_ip": "192.0.2.7", "proto": record["proto"],
        "method": "GET", "host": record["domain"], "uri": record["url"],
        "headers": {"User-Agent": [AGENT], "Accept": ["*/*"], "Accept-Encoding": ["gzip, br"]},
        "tls": {"resumed": False, "version": 772, "cipher_suite": 4865, "proto": "h2", "server_name": record["domain"]},
    }  # fmt: skip
    line = {
        "level": "info", "ts": float(record["ts"]), "logger": "http.log.access.log0", "msg": "handled request",
        "request": request, "bytes_read": 0, "user_id": "", "duration": 0.004234589,
        "size": int(record["resp_body_bytes"]), "status": int(record["status"]),
        "resp_headers": {"Server": ["Caddy"], "Content-Type": ["text/css"], "Etag": ['"d6i5kq4"']},
    }  # fmt: skip
    return json.dumps(line, separators=(",", ":"))


def traefik(record: Record) -> str:
    """Return the request as Traefik logs it."""
    began = datetime.fromtimestamp(float(record["ts"]), UTC).isoformat().replace("+00:00", "Z")
    line = {
        "ClientAddr": "192.0.2.7:58966", "ClientHost": "192.0.2.7", "ClientPort": "58966", "ClientUsername": "-",
        "DownstreamContentSize": int(record["resp_body_bytes"]), "DownstreamStatus": int(record["status"]),
        "Duration": 1000, "GzipRatio": 0, "OriginContentSize": int(record["beresp_body_bytes"] or 0),
        "OriginDuration": 900, "OriginStatus": int(record["origin_status"] or 0), "Overhead": 100, "RequestAddr":
        record["domain"], "RequestContentSize": 0, "RequestCount": 7, "RequestHost": record["domain"], "RequestMethod":
        "GET", "RequestPath": record["url"], "RequestPort": "-", "RequestProtocol": record["proto"], "RetryAttempts": 0,
        "RouterName": "site@file", "ServiceAddr": record["origin_addr"], "ServiceName": record["origin"],
        "StartUTC": began, "TLSVersion": "1.3", "level": "info", "msg": "", "time": began,
    }  # fmt: skip
    return json.dumps(line, separators=(",", ":"))


def cloudflare(record: Record) -> str:
    """Return the request as Cloudflare Logpush sends it."""
    line = {
        "CacheCacheStatus": record["cache"].lower(), "ClientIP": "192.0.2.7",
        "ClientRequestBytes": int(record["req_bytes"]), "ClientRequestHost": record["domain"],
        "ClientRequestMethod": "GET", "ClientRequestProtocol": record["proto"], "ClientRequestSource": "eyeball",
        "ClientRequestURI": record["url"], "ClientRequestUserAgent": AGENT, "ClientSSLProtocol": record["tls"],
        "EdgeColoCode": record["pop"], "EdgeEndTimestamp": int(float(record["ts"]) * 1e9),
        "EdgeRequestHost": record["origin"], "EdgeResponseBodyBytes": int(record["resp_body_bytes"]),
        "EdgeResponseBytes": int(record["resp_bytes"]), "EdgeResponseStatus": int(record["status"]),
        "OriginIP": record["origin_addr"].partition(":")[0],
        "OriginResponseHeaderReceiveDurationMs": int(float(record["origin_ttfb_s"] or 0) * 1000),
        "OriginResponseStatus": int(record["origin_status"] or 0), "RayID": "7d1c1e2b3a4f5e6d",
    }  # fmt: skip
    return json.dumps(line, separators=(",", ":"))


def cloudfront(record: Record) -> str:
    """Return the request as in CloudFront's real-time logs, with the default fields."""
    values = [
        str(record["ts"]), record["status"], record["resp_bytes"], "GET", record["domain"], record["req_bytes"],
        record["pop"], record["proto"], record["tls"] or "-", record["cache"].capitalize(), record["resp_body_bytes"],
    ]  # fmt: skip
    return "\t".join(values)


FORMATS: dict[str, Callable[[Record], str]] = {
    "caddy": caddy,
    "traefik": traefik,
    "cloudflare": cloudflare,
    "cloudfront": cloudfront,
}


def fold(format: str, log: bytes) -> tuple[float, _core.Fold]:
    """Fold a log; return the seconds it took, and the fold."""
    folded = _core.Fold(format=format)
    began = time.perf_counter()
    for at in range(0, len(log), 1 << 20):
        folded.feed(log[at : at + (1 << 20)], FIRST)
    folded.finish(FIRST)
    return time.perf_counter() - began, folded


def counted(folded: _core.Fold) -> Counter[tuple[str, str]]:
    """Return what every format can tell, by domain."""
    window = _core.Window()
    window.merge(folded.drain())
    found: Counter[tuple[str, str]] = Counter()
    for sealed in window.seal(FIRST + 2 * SECONDS):
        for domain, shown in json.loads(sealed.entry("domains"))["aggregated"].items():
            for name in ("requests", "resp_body_bytes", "status_200", "status_4xx", "http2"):
                found[domain, name] += shown.get(name, 0)
    return found


def main() -> None:
    """Compare the counts, then measure in turns."""
    made = list(lines(LINES))
    records = [json.loads(line) for line in made]
    logs = {name: ("\n".join(map(write, records)) + "\n").encode() for name, write in FORMATS.items()}
    canonical = b"".join(made)
    want = counted(fold("canonical", canonical)[1])
    for name, log in logs.items():
        found = counted(fold(name, log)[1])
        assert found == want, (name, [(key, want[key], found[key]) for key in want if want[key] != found[key]][:5])
    print(f"formats: {LINES:,} requests; every format counts the same")
    for name, log in logs.items():
        pairs = [(fold("canonical", canonical)[0], fold(name, log)[0]) for _ in range(ROUNDS)]
        # The least of each: anything above it is other load on the machine.
        ours, theirs = (min(times) for times in zip(*pairs, strict=True))
        ratio = ours / theirs
        middle = statistics.median(canonical / other for canonical, other in pairs)
        print(
            f"  {name:<12}{LINES / theirs:>12,.0f} lines/s of {len(log) / LINES:.0f} bytes, median ratio {middle:.0%}"
        )
        target = TARGETS[name]
        row(f"fold: lines/s of {name}", f">= {target:.0%}", f"{ratio:.0%}", "canonical lines", met=ratio >= target)


if __name__ == "__main__":
    main()
