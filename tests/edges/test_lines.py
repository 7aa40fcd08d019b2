r"""
Lines that real servers wrote, and what they add up to.

Only their seconds were changed, so that each line has an entry of its own. The expected entries were checked by hand.
Most lines were written with what `edgetally formats` prints. Those in `canonical.log` are from HAProxy 2.6 with `%{+E}`
and `%HU` in its format and with `option logasap`, from HAProxy 3.0 with `%{+json}o` (its `ts_ms` was renamed), and from
HAProxy with another log-format.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.process import COMMAND
from tests.support.records_formats import FORMATS

LINES = Path(__file__).parent / "lines"
LOGS = sorted(LINES.glob("*.log"))

QUIRKS = (
    # Lines
    ("bytes that are not UTF-8", "nginx", rb"\xff\xfe\x80\.example"),
    ("UTF-8 beside ASCII", "nginx", rb"b\xc3\xbccher"),
    (r"\xHH, which JSON does not know", "apache", rb"caf\\xe9"),
    (r"\xHH, of bytes that are not UTF-8 either", "varnish", rb"\\xff\\xfe\\x80"),
    ("an escape that JSON does not know", "canonical", rb"b\\]c"),
    ("a backslash that escapes nothing", "canonical", rb'"/back\\slash\\b"'),
    ("control characters as they are", "canonical", rb"a\tb.*\x01\xff\xfe"),
    ("U+2028, which does not end a line, and U+007F", "canonical", rb"a\xe2\x80\xa8b\x7fc"),
    ("bytes as if they were characters", "haproxy", rb"\\u00ff\\u00fe\\u0080"),
    ("a slash that is escaped", "trafficserver", rb"http\\/1\.1"),
    ("plain text between records", "rejected", rb"SSL handshake failure$"),
    ("a line that was cut off", "rejected", rb'^\{.*"uri":"/x+$'),
    ("fields in alphabetical order", "envoy", rb'^\{"bereq_body_bytes":0,"bereq_bytes"'),
    ("blanks behind colons and commas", "canonical", rb'"status": 200, "cache": "MISS"'),
    ("a field twice", "caddy", rb'"pop":"AMS","pop":"AMS"'),
    ("a key that is absent", "haproxy", rb'"-":"84"'),
    # Numbers, and absent numbers
    ("numbers as text", "nginx", rb'"status":"200"'),
    ("numbers", "envoy", rb'"status":200'),
    ("a number for a word", "caddy", rb'"version":772'),
    ("nothing for a number", "nginx", rb'"bereq_bytes":""'),
    ("a dash for a number", "varnish", rb'"resp_bytes":"-"'),
    ("null for a number", "caddy", rb'"origin_status":null'),
    ("a field that is left out", "envoy", rb'^\{"duration_ms"[^}]*"status":400'),
    ("-1 for a time", "haproxy", rb'"origin_ttfb_ms":"-1"'),
    ("0 for an address", "trafficserver", rb'"origin_ip":"0"'),
    ("a dash before an exponent for a time", "apache", rb'"-e-3"'),
    ("an exponent for a time", "envoy", rb'"e-3"'),
    ("a placeholder that was not replaced", "caddy", rb"\{http\.reverse_proxy\.status_code\}"),
    ("a size that the client announced", "nginx", rb'"req_body_bytes":"abc"'),
    ("a size that never came", "nginx", rb'"req_bytes":"616","req_body_bytes":"100000"'),
    ("a plus before a number of retries", "canonical", rb'"retries":"\+2"'),
    ("a plus before a size that is not the last", "canonical", rb'"resp_bytes":"\+75"'),
    # Statuses
    ("009: not HTTP", "nginx", rb'"status":"009"'),
    ("000: HTTP/2 that was refused", "nginx", rb'"status":"000"'),
    ("000: the client left", "trafficserver", rb'"status":"000","cache":"ERR_CLIENT_ABORT"'),
    ("444: a connection that was dropped", "nginx", rb'"status":"444"'),
    ("499: the client left", "nginx", rb'"status":"499".*"origin_status":"-"'),
    ("499 of another kind", "caddy", rb'"status":499'),
    ("-1: the client left", "canonical", rb'"status":"-1"'),
    ("-1: a pipe", "varnish", rb'"status":"-1","cache":"pipe"'),
    ("0: the client left", "envoy", rb'"status":0'),
    ("0: the client left, an old Caddy", "caddy", rb'"size":0,"status":0'),
    ("0: a handshake that failed", "haproxy", rb'"status":"0".*"TLSv1\.3"'),
    ("000: no origin was asked", "trafficserver", rb'"origin_status":"000"'),
    ("a status of the server instead of the origin's", "nginx", rb'"502, 200".*"22, 55".*"-, 0\.000"'),
    ("502, 11 bytes: not from an origin", "traefik", rb'"OriginContentSize":11,"OriginStatus":502'),
    ("500, 21 bytes: not from an origin either", "traefik", rb'"OriginContentSize":21,"OriginStatus":500'),
    ("499, 21 bytes: the client left", "traefik", rb'"DownstreamContentSize":21,"DownstreamStatus":499'),
    ("0: the origin's response was not logged", "traefik", rb'"OriginStatus":0,.*"ServiceAddr":"127'),
    # Lists
    ("attempts, one of them without a header", "nginx", rb'"503, 502, 200".*"65, 0, 55".*"0\.000, -, 0\.000"'),
    ("attempts, one of them at an address with colons", "nginx", rb'"\[::1\]:\d+, 127\.0\.0\.2:\d+"'),
    ("attempts by another upstream", "nginx", rb'"200 : 200"'),
    ("attempts that were not made", "nginx", rb'"origin_status":"-".*"0, 0".*"-, -"'),
    # Units, and times
    ("seconds with milliseconds", "nginx", rb'^\{"ts":\d{10}\.\d{3},'),
    ("seconds with microseconds, as text", "varnish", rb'^\{"ts":"\d{10}\.\d{6}"'),
    ("seconds with seven decimals", "caddy", rb'"ts":\d{10}\.\d{7},'),
    ("milliseconds", "haproxy", rb'^\{"ts":\d{13},'),
    ("seconds without an end", "varnish", rb'^\{"ts":"\d{10}",'),
    ("the start and the duration", "trafficserver", rb'"duration_ms":"1"'),
    ("a duration in another field", "caddy", rb'"duration":0\.00'),
    ("a time in seconds", "nginx", rb'"origin_ttfb_s":"0\.004"'),
    ("a time in microseconds", "apache", rb'"origin_ttfb_ms":"1230e-3"'),
    ("a time with too many decimals", "caddy", rb"3\.9991790000000003"),
    ("a start as text, with nanoseconds", "traefik", rb'"StartUTC":"[^"]*\.\d{9}Z"'),
    ("a duration in nanoseconds", "traefik", rb'"Duration":\d{6},'),
    # Hosts
    ("no host", "nginx", rb'"domain":""'),
    ("a host that is a dash", "nginx", rb'"domain":"-"'),
    ("a host in upper case, with a dot and a port", "apache", rb"Lines\.EXAMPLE\.:8080"),
    ("a host with a dot and a port", "caddy", rb'"host":"hosts\.example\.:8080"'),
    ("a host that is an address", "envoy", rb'"domain":"\[2001:DB8::1\]"'),
    ("a host that is an address, in another writing", "trafficserver", rb"%5B2001:DB8::1%5D"),
    ("a host of dots", "envoy", rb'"domain":"\.\."'),
    ("a host in quotes", "nginx", rb'\\"quoted\\"'),
    ("a host with a backslash", "varnish", rb"back\\\\slash"),
    ("a host with a tab", "apache", rb'"a\\tb\.example"'),
    ("a host with a path", "haproxy", rb"hosts\.example\\/path"),
    ("a host that is too long", "nginx", rb'"domain":"(x\.){150}'),
    ("the first server_name instead of a refused host", "nginx", rb'"domain":"edge\.example","status":"400"'),
    ("a host without its port, but with its dot", "traefik", rb'"RequestHost":"hosts\.example\."'),
    # One request, several lines
    ("a line of a client, and one of an origin", "varnish", rb'"origin":"origin_a"(?!.*"cache")'),
    ("a line for every try", "envoy", rb'"origin":"half_busy".*"origin_status":503'),
    ("a try that was refused", "envoy", rb'"bereq_bytes":0.*"origin_status":0'),
    ("bytes of all tries with the last", "varnish", rb'"origin_spare".*"bereq_header_bytes":"273"'),
    ("a request without a fetch", "traefik", rb'^(?!.*ServiceAddr).*"DownstreamStatus":404'),
    # Protocols
    ("HTTP/0.9 has none", "nginx", rb'"status":"200","cache":"","proto":""'),
    ("HTTP/1.0", "apache", rb'"proto":"HTTP/1\.0"'),
    ("HTTP/2.0", "nginx", rb'"proto":"HTTP/2\.0"'),
    ("HTTP/2", "envoy", rb'"proto":"HTTP/2"'),
    ("HTTP/2.5, which does not exist", "apache", rb'"proto":"HTTP/2\.5"'),
    ("http/2", "trafficserver", rb'"proto":"http\\/2"'),
    ("2", "haproxy", rb'"proto":"2"'),
    # Caches
    ("hit, and the origin's error", "nginx", rb'"STALE".*"origin_status":"503"'),
    ("hit, and a 304 of the origin", "nginx", rb'"REVALIDATED".*"origin_status":"304"'),
    ("hit, while it is fetched again", "nginx", rb'"UPDATING"'),
    ("miss of what had expired", "nginx", rb'"EXPIRED"'),
    ("neither", "nginx", rb'"BYPASS"'),
    ("a sentence", "apache", rb"conditional cache hit: entity refreshed"),
    ("hit in memory", "trafficserver", rb"TCP_MEM_HIT"),
    ("an error for a word", "trafficserver", rb"ERR_CLIENT_READ_ERROR"),
    # Sizes
    ("a 100 Continue is body", "nginx", rb'"resp_body_bytes":"35"'),
    ("a HEAD with a body", "caddy", rb'"method":"HEAD".*"size":13'),
    ("a response that was compressed here", "traefik", rb'"OriginContentSize":10,.*compresses'),
    ("bytes both ways after 101", "envoy", rb'"beresp_body_bytes":500.*"origin_status":101'),
    ("a header that never came has a size", "trafficserver", rb'"origin_status":"000".*"beresp_header_bytes":"17"'),
    ("a body that does not count", "trafficserver", rb'ERR_READ_ERROR.*"beresp_body_bytes":"0"'),
    ("half a response", "envoy", rb'"beresp_body_bytes":95'),
)
"""A quirk, the log that has it, and its line. Lines of 100 kB are made by the real servers, not kept here."""


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_lines_of_real_servers_are_read_as_expected(log: Path) -> None:
    command = [*COMMAND, "fold", "--service-id", "shop", "--pop", "LAB", "--format", log.stem, str(log)]
    folded = subprocess.run(command, check=True, capture_output=True, text=True)
    expected = [json.loads(line) for line in log.with_suffix(".jsonl").read_text().splitlines()]
    found = [json.loads(line) for line in folded.stdout.splitlines()]
    assert [entry for entry in found if entry["dataset"] != "channel"] == expected
    format = log.stem if log.stem in FORMATS else "canonical"
    counted = oracle.fold(log.read_bytes(), service_id="shop", pop="LAB", now=0, format=format).entries
    channel = [entry for entry in counted if entry["dataset"] == "channel"]
    assert [entry for entry in found if entry["dataset"] == "channel"] == channel
    assert " 0 rejected" in folded.stderr


def test_lines_that_are_not_records_are_rejected_as_what_they_are() -> None:
    command = [*COMMAND, "explain", str(LINES / "rejected.txt")]
    explained = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert re.findall(r"  (?:rejected|a line of another log).*\((\w+)\)", explained) == ["truncated", "other_log"]


@pytest.mark.parametrize(("name", "pattern"), [quirk[1:] for quirk in QUIRKS], ids=[quirk[0] for quirk in QUIRKS])
def test_a_log_has_the_quirk(name: str, pattern: bytes) -> None:
    log = LINES / (f"{name}.txt" if name == "rejected" else f"{name}.log")
    assert any(re.search(pattern, line) for line in log.read_bytes().split(b"\n"))
