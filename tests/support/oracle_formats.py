"""Other formats, slow and obvious: a line becomes the members of a canonical record."""

import re
from collections.abc import Iterator

from tests.support import oracle_values as values
from tests.support.oracle_json import FIELDS, Members, Nested, Rejected, Scanner, Text, Value, strictly_or_leniently

Path = tuple[str, ...]

FIRST = "the first of a list"
END = b"the end"
START = b"the start"
"""The time that counts if there is no `ts`."""

CADDY: dict[Path, str] = {
    ("request", "host"): "domain",
    ("request", "proto"): "proto",
    ("request", "tls", "version"): "tls",
    ("origins",): "origins",
    ("bytes_read",): "req_body_bytes",
    ("size",): "resp_body_bytes",
    ("resp_headers", "X-Edgetally-Origin", FIRST): "origin",
    ("resp_headers", "X-Edgetally-Origin-Addr", FIRST): "origin_addr",
    ("resp_headers", "X-Edgetally-Origin-Status", FIRST): "origin_status",
    ("resp_headers", "X-Edgetally-Origin-Ttfb-Ms", FIRST): "origin_ttfb_ms",
    ("logger",): "logger",
    ("msg",): "msg",
    ("level",): "level",
    ("request", "method"): "method",
    ("duration",): "edge_time_s",
    ("request", "remote_ip"): "ipv6",
}
TRAEFIK: dict[Path, str] = {
    ("StartUTC",): "ts",
    ("StartLocal",): "ts",
    ("time",): "the end",
    ("RouterName",): "router",
    ("Duration",): "nanoseconds",
    ("RequestHost",): "domain",
    ("RequestProtocol",): "proto",
    ("TLSVersion",): "tls",
    ("ClientHost",): "ipv6",
    ("DownstreamStatus",): "status",
    ("RequestContentSize",): "req_body_bytes",
    ("DownstreamContentSize",): "resp_body_bytes",
    ("ServiceName",): "origin",
    ("ServiceAddr",): "origin_addr",
    ("OriginStatus",): "origin_status",
    ("OriginContentSize",): "beresp_body_bytes",
}
CLOUDFLARE: dict[Path, str] = {
    ("EdgeEndTimestamp",): "ts",
    ("EdgeStartTimestamp",): START.decode(),
    ("EdgeColoCode",): "pop",
    ("ClientRequestHost",): "domain",
    ("ClientRequestSource",): "source",
    ("ClientRequestBytes",): "req_bytes",
    ("ClientRequestProtocol",): "proto",
    ("ClientSSLProtocol",): "tls",
    ("CacheCacheStatus",): "cache",
    ("EdgeResponseStatus",): "status",
    ("EdgeResponseBytes",): "resp_bytes",
    ("EdgeResponseBodyBytes",): "resp_body_bytes",
    ("EdgeTimeToFirstByteMs",): "edge_time_ms",
    ("ClientIP",): "ipv6",
    ("EdgeRequestHost",): "origin",
    ("OriginIP",): "origin_ip",
    ("OriginResponseStatus",): "origin_status",
    ("OriginResponseHeaderReceiveDurationMs",): "origin_ttfb_ms",
}
CLOUDFRONT = {
    "timestamp": "ts",
    "sc-status": "status",
    "sc-bytes": "resp_bytes",
    "cs-method": "method",
    "cs-host": "domain",
    "cs-bytes": "req_bytes",
    "x-edge-location": "pop",
    "cs-protocol-version": "proto",
    "ssl-protocol": "tls",
    "x-edge-result-type": "cache",
    "sc-content-len": "resp_body_bytes",
}
"""The default columns, in order."""
MORE_OF_CLOUDFRONT = {
    "origin-fbl": "origin_ttfb_s",
    "r-host": "origin_addr",
    "time-to-first-byte": "edge_time_s",
    "c-ip-version": "ipv6",
}


def members(line: bytes, format: str) -> Members:
    """Read a line that is written in `format`. Raises Rejected."""
    if format == "caddy":
        # The line may have every field of a record, too: no other key has the same name.
        named = values_at(line, CADDY)
        logger = values.present(named.pop(b"logger", None)) or b""
        event, level, method = (named.pop(name, None) for name in (b"msg", b"level", b"method"))
        has_request = not_empty(method) or any(
            not_empty(named.get(name)) for name in (b"domain", b"proto", b"tls", b"ipv6")
        )
        is_message_of_requests = values.present(event) in (None, b"handled request")
        is_access = not not_empty(level) or (has_request and is_message_of_requests)
        if logger:
            is_access = logger.startswith(b"http.log.access")
        if not is_access:
            raise Rejected("other_log")
        return named
    if format == "traefik":
        return of_traefik(values_at(line, TRAEFIK, only=True))
    if format == "cloudflare":
        return of_cloudflare(values_at(line, CLOUDFLARE, only=True))
    return of_cloudfront(line, format.partition(":")[2].split(",") if ":" in format else list(CLOUDFRONT))


def of_traefik(found: dict[bytes, Value]) -> Members:
    """Compute when the request ended, and find answers of Traefik itself."""
    router = values.present(found.pop(b"router", None)) or b""
    has_status = any(not_empty(found.get(name)) for name in (b"status", b"origin_status"))
    if router.endswith(b"@internal") or (not has_status and not_empty(found.get(END))):
        raise Rejected("other_log")
    took = values.present(found.pop(b"nanoseconds", None))
    if took is not None and values.number(took):
        digits, _, exponent = took.lower().partition(b"e")
        found[b"duration_ms"] = Text(b"%be%d" % (digits, int(exponent or b"0") - 6), quoted=False)
    own = {b"499": "Client Closed Request", b"500": "Internal Server Error", b"502": "Bad Gateway"}
    own[b"504"] = "Gateway Timeout"
    text = own.get(values.present(found.get(b"origin_status")) or b"")
    if text is not None and values.size(found.get(b"beresp_body_bytes")) == len(text):
        # As of Cloudflare: an origin was asked.
        found[b"origin_status"] = Text(b"1", quoted=False)
        del found[b"beresp_body_bytes"]
    if not values.addresses(found.get(b"origin_addr")):
        found.pop(b"origin_status", None)
    return found


def not_empty(value: Value | None) -> bool:
    """Whether there is a value, even a dash."""
    return isinstance(value, Text) and value.raw != b"" and (value.raw != b"null" or value.quoted)


def of_cloudflare(found: dict[bytes, Value]) -> Members:
    """Find who asked, and replace the numbers that mean none."""
    source = values.present(found.pop(b"source", None))
    end_user = source in (None, b"eyeball", b"orangeToOrange", b"inBrowserChallenge")
    found[b"edge"] = Text(b"true" if end_user else b"false", quoted=False)
    if values.quantity(found.get(b"origin_status")) in range(520, 528):
        # The status is not that of an origin, but an origin was asked.
        found[b"origin_status"] = Text(b"1", quoted=False)
    if values.quantity(found.get(b"origin_ttfb_ms")) == 0:
        del found[b"origin_ttfb_ms"]
    return found


def of_cloudfront(line: bytes, fields: list[str]) -> Members:
    """Split a line at its tabs."""
    columns = line.split(b"\t")
    if len(columns) != len(fields):
        raise Rejected("bad_columns")
    named = {**CLOUDFRONT, **MORE_OF_CLOUDFRONT}
    found: dict[bytes, Value] = {
        named[field].encode(): Text(column, quoted=True)
        for field, column in zip(fields, columns, strict=True)
        if field in named
    }
    if values.present(found.pop(b"method", None)) == b"HEAD":
        found[b"resp_body_bytes"] = Text(b"0", quoted=True)
    return found


# --- objects within objects ----------------------------------------------------------------------------------------


def values_at(line: bytes, paths: dict[Path, str], *, only: bool = False) -> dict[bytes, Value]:
    """Read the values at `paths`, and all others of the line unless `only` these count. The last of several counts."""
    found: dict[bytes, Value] = {}
    for path, value in strictly_or_leniently(line, lambda scanner: list(walk(scanner, (), paths, only=only))):
        if path in paths:
            found[paths[path].encode()] = value
        elif len(path) == 1 and not only:
            found[path[0].encode("latin-1")] = value
    return found


def walk(scanner: Scanner, above: Path, paths: dict[Path, str], *, only: bool) -> Iterator[tuple[Path, Value]]:
    """Read an object, and the objects in it that lead to one of `paths`."""
    scanner.expect(b"{")
    scanner.skip_blanks()
    if scanner.peek() == b"}":
        scanner.take()
        return
    while True:
        if scanner.skip_commas(top=True):
            return
        path = (*above, scanner.string().decode("latin-1"))
        scanner.skip_blanks()
        scanner.expect(b":")
        scanner.skip_blanks()
        if scanner.peek() == b"{" and any(other[:-2] == path for other in paths if other[-1] == FIRST):
            yield from headers(scanner, path, paths)
        elif scanner.peek() == b"{" and any(len(other) > len(path) and other[: len(path)] == path for other in paths):
            yield from walk(scanner, path, paths, only=only)
        elif paths.get(path) == "origins" and scanner.peek() == b"[":
            yield path, scanner.objects()
        else:
            yield path, scanner.value_or_rest(is_asked_for=is_asked_for(path, paths, only=only))
        if not scanner.another(b"}"):
            return


def is_asked_for(path: Path, paths: dict[Path, str], *, only: bool) -> bool:
    """Whether a path has a field, or leads to one."""
    if len(path) == 1 and not only and path[0].encode("latin-1") in FIELDS:
        return True
    return any(other[: len(path)] == path for other in paths)


def headers(scanner: Scanner, above: Path, paths: dict[Path, str]) -> Iterator[tuple[Path, Value]]:
    """Skip an object, and find the names of headers anywhere in it: strings before a colon."""
    start = scanner.at
    scanner.value()
    for name in NAME.finditer(scanner.line, start, scanner.at):
        path = (*above, name[1].decode("latin-1"), FIRST)
        if path in paths:
            inside = Scanner(scanner.line)
            inside.at = name.end()
            try:
                yield path, inside.value()
            except Rejected:
                yield path, Nested.SKIPPED


NAME = re.compile(rb'(?<!\\)"([^"\\]*)"[ \t\r]*:[ \t\r]*(?:\[[ \t\r]*)?')
"""The name of a header, and what precedes its first value."""
