"""Log lines of servers that have a format of their own, and worse."""

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.support.records import Choice, DrawnChoice, Member, SeededChoice, damage, timestamp, value, write_object
from tests.support.records_tables import JUNK, UNKNOWN

FORMATS = ["caddy", "cloudflare", "cloudfront", "traefik", "cloudfront:timestamp,-,r-host,sc-status,cs-host,origin-fbl"]
FORMATS += ["cloudfront:sc-status,x-edge-result-type,time-to-first-byte,c-ip-version,timestamp"]

FILLER: Sequence[Member] = [
    *UNKNOWN,
    (b'"request"', b'{"host":"nested.example"}'),
    (b'"request"', b"[]"),
    (b'"request"', b'"GET / HTTP/1.1"'),
    (b'"request"', b'{ "tls" : {"resumed":false}, "host":{} }'),
    (b'"resp_headers"', b"{}"),
    (b'"resp_headers"', b'[{"X-Edgetally-Origin-Addr":["10.9.9.9"]}]'),
    (b'"OriginDuration"', b"1000"),
    (b'"level"', b'"info"'),
]
"""Members that no format reads, some in the place of members that it does."""

EXTRA = (b"service_id", b"pop", b"domain", b"cache", b"weight", b"origin", b"origin_addr", b"origin_status", b"edge")
"""Fields that `log_append` may add to a line of Caddy."""

TRAEFIK = (
    (b"RequestHost", b"domain"),
    (b"RequestProtocol", b"proto"),
    (b"TLSVersion", b"tls"),
    (b"ClientHost", b"ipv6"),
    (b"DownstreamStatus", b"status"),
    (b"DownstreamContentSize", b"resp_body_bytes"),
    (b"ServiceName", b"origin"),
    (b"ServiceAddr", b"origin_addr"),
    (b"OriginStatus", b"origin_status"),
    (b"OriginContentSize", b"beresp_body_bytes"),
)
CLOUDFLARE = (
    (b"EdgeColoCode", b"pop"),
    (b"ClientRequestHost", b"domain"),
    (b"ClientRequestBytes", b"req_bytes"),
    (b"ClientRequestProtocol", b"proto"),
    (b"ClientSSLProtocol", b"tls"),
    (b"CacheCacheStatus", b"cache"),
    (b"EdgeResponseStatus", b"status"),
    (b"EdgeResponseBytes", b"resp_bytes"),
    (b"EdgeResponseBodyBytes", b"resp_body_bytes"),
    (b"EdgeTimeToFirstByteMs", b"edge_time_ms"),
    (b"ClientIP", b"ipv6"),
    (b"EdgeRequestHost", b"origin"),
    (b"OriginIP", b"origin_ip"),
    (b"OriginResponseStatus", b"origin_status"),
    (b"OriginResponseHeaderReceiveDurationMs", b"origin_ttfb_ms"),
)
CLOUDFRONT = {
    b"timestamp": b"ts",
    b"sc-status": b"status",
    b"sc-bytes": b"resp_bytes",
    b"cs-method": b"",
    b"cs-host": b"domain",
    b"cs-bytes": b"req_bytes",
    b"x-edge-location": b"pop",
    b"cs-protocol-version": b"proto",
    b"ssl-protocol": b"tls",
    b"x-edge-result-type": b"cache",
    b"sc-content-len": b"resp_body_bytes",
    b"origin-fbl": b"origin_ttfb_s",
    b"r-host": b"origin_addr",
    b"time-to-first-byte": b"edge_time_s",
    b"c-ip-version": b"ipv6",
}

LOGGERS = (
    *(b'"http.log.access"', b'"http.log.access.log0"', b'"http.log.error"', b'"admin.api"', b'""', b"null", b"{}"),
    *(b'"-"', b'" http.log.access"', b'"tls"'),
)

ROUTERS = (b'"app@docker"', b'"ping@internal"', b'"-"', b"null", b'"internal"')

OWN = ((b"502", b"11"), (b"504", b"15"), (b"499", b"21"), (b"500", b"21"), (b"502", b"12"), (b'"502"', b'"11"'))
DURATIONS = (
    *(b"2039965", b"1000000000", b'"999999999"', b"0", b"1.5e9", b"148882.5", b"-1", b"null", b'"x"', b"1e999"),
    *(b"9223372036854775808", b"9223372036854775809", b"1e-999", b"2E9"),
)
SOURCES = (
    b'"eyeball"',
    b'"eyeball"',
    b'"edgeWorkerFetch"',
    b'"unknown"',
    b'"orangeToOrange"',
    b'"inBrowserChallenge"',
    b'""',
    b"null",
    b"{}",
    b'"Eyeball"',
)


def key(name: bytes) -> bytes:
    return b'"' + name + b'"'


def pick(choice: Choice, fields: Sequence[tuple[bytes, bytes]]) -> list[Member]:
    """Choose values for most of the fields."""
    return [(key(name), value(choice, field)) for name, field in fields if choice.number(0, 9) < 9]


def shuffle(choice: Choice, found: list[Member]) -> list[Member]:
    """Sometimes change the order."""
    if choice.number(0, 3) == 3:
        return [found.pop(choice.number(0, len(found) - 1)) for _ in range(len(found))]
    return found


def headers(choice: Choice) -> bytes:
    """Choose headers: lists of values by name, in any order."""
    found = [
        (b'"Server"', b'["Caddy","x"]'),
        (b'"Via"', b'["a","}","X-Edgetally-Origin","\\"X-Edgetally-Origin\\":"]'),
    ][: choice.number(0, 2)]
    for name, field in (
        (b"X-Edgetally-Origin", b"origin"),
        (b"X-Edgetally-Origin-Addr", b"origin_addr"),
        (b"X-Edgetally-Origin-Status", b"origin_status"),
        (b"X-Edgetally-Origin-Ttfb-Ms", b"origin_ttfb_ms"),
    ):
        form = choice.of([b"[%b]", b"[%b]", b"[%b]", b'[ %b ,"more"]', b"%b", b"[]", b"[[%b]]", b'[{"a":1},%b]', b""])
        if form:
            found.append((key(name), form.replace(b"%b", value(choice, field))))
    return write_object(choice, shuffle(choice, found))


def caddy(choice: Choice) -> list[Member]:
    """Choose the members of a line of Caddy."""
    request = pick(choice, [(b"remote_ip", b"ipv6"), (b"proto", b"proto"), (b"host", b"domain")])
    request.append((b'"headers"', b'{"Host":["}"],"A":[]}'))
    if choice.number(0, 1):
        tls = [(b'"resumed"', b"false"), (b'"version"', value(choice, b"tls"))]
        request.append((b'"tls"', write_object(choice, shuffle(choice, tls))))
    found = [
        (b'"ts"', timestamp(choice)),
        (b'"request"', write_object(choice, shuffle(choice, request))),
        *pick(choice, [(b"bytes_read", b"req_body_bytes"), (b"size", b"resp_body_bytes"), (b"status", b"status")]),
    ]
    if choice.number(0, 1):
        found.append((b'"resp_headers"', headers(choice)))
    if choice.number(0, 1):
        found.append((b'"duration"', value(choice, b"edge_time_s")))
    if choice.number(0, 3):
        found.append((b'"logger"', choice.of(LOGGERS)))
    for _ in range(choice.number(0, 2)):
        field = choice.of(EXTRA)
        found.append((key(field), value(choice, field)))
    return found


def traefik(choice: Choice) -> list[Member]:
    """Choose the members of a line of Traefik."""
    found = [(b'"Duration"', choice.of(DURATIONS)), *pick(choice, TRAEFIK)]
    times = choice.of([(b"StartUTC",), (b"StartUTC",), (b"StartLocal",), (b"time",), (b"StartLocal", b"time"), ()])
    found += [(key(name), timestamp(choice)) for name in times]
    if choice.number(0, 3) == 3:
        found.append((b'"RouterName"', choice.of(ROUTERS)))
    if choice.number(0, 4) == 4:
        status, size = choice.of(OWN)
        found += [(b'"OriginStatus"', status), (b'"OriginContentSize"', size)]
    return found


def cloudflare(choice: Choice) -> list[Member]:
    """Choose the members of a line of Cloudflare."""
    found = pick(choice, CLOUDFLARE)
    if choice.number(0, 3) < 3:
        found.append((b'"EdgeEndTimestamp"', timestamp(choice)))
    if choice.number(0, 3) == 3:
        found.append((b'"EdgeStartTimestamp"', timestamp(choice)))
    if choice.number(0, 3) < 3:
        found.append((b'"ClientRequestSource"', choice.of(SOURCES)))
    if choice.number(0, 4) == 4:
        found.append((b'"OriginResponseStatus"', choice.of([b"522", b'"520"', b"527", b"528", b"522.5", b"0"])))
    return found


def cloudfront(choice: Choice, format: str) -> bytes:
    """Choose the columns of a line of CloudFront."""
    fields = format.partition(":")[2].encode().split(b",") if ":" in format else list(CLOUDFRONT)[:-4]
    columns = []
    for field in fields:
        if field == b"timestamp":
            column = timestamp(choice)
        elif field == b"cs-method":
            column = choice.of([b"GET", b"GET", b"HEAD", b"-", b"POST"])
        else:
            column = value(choice, CLOUDFRONT[field]) if field in CLOUDFRONT else b"x"
        columns.append(column.strip(b'"').replace(b"\t", b"%09"))
    if choice.number(0, 49) == 49:
        columns.insert(choice.number(0, len(columns)), b"-")
    if choice.number(0, 49) == 49:
        del columns[choice.number(0, len(columns) - 1)]
    return b"\t".join(columns)


def one_line(choice: Choice, format: str) -> bytes:
    """Choose one line without its newline."""
    kind = choice.number(0, 99)
    if kind == 99:
        return choice.of(JUNK)
    if format.startswith("cloudfront"):
        return cloudfront(choice, format)
    found = {"caddy": caddy, "traefik": traefik, "cloudflare": cloudflare}[format](choice)
    for _ in range(choice.of([0, 0, 0, 1, 2])):
        found.insert(choice.number(0, len(found)), choice.of(FILLER))
    whole = write_object(choice, shuffle(choice, found))
    return damage(choice, whole) if kind > 94 else whole


@st.composite
def log(draw: st.DrawFn, format: str) -> bytes:
    """Draw a few lines of a format."""
    choice = DrawnChoice(draw)
    return b"".join(one_line(choice, format) + b"\n" for _ in range(choice.number(1, 8)))


def sample(format: str, seed: int, lines: int) -> bytes:
    """Write this many lines of a format; the same for the same seed."""
    choice = SeededChoice(seed)
    return b"".join(one_line(choice, format) + b"\n" for _ in range(lines))
