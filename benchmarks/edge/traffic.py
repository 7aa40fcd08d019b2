"""
The traffic of a whole edge: 1,000 domains by Zipf's law, 10 POPs and 20 origins.

Half of the POPs run nginx, half Varnish, and each line is made from the format in the snippet that we tell users to
paste there. The lines of a POP are in the order of time, in blocks whose timestamps can be set to any second.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

from benchmarks.fold.traffic import FETCHES, PROTOCOLS, STATUSES, TLS
from edgetally.snippets import snippet

DOMAINS, POPS, ORIGINS, CUSTOMERS = 1_000, 10, 20, 350
HOUSE = "house"
"""The service with three domains of ten. Every customer has two of the others."""

REQUESTS = 20_000
"""Per POP; its traffic begins anew behind them."""

FIRST = 1_795_314_035
"""The second of all lines, as they are made."""

DIGITS = 10
HIT_SHARE = 0.85
STAMP = re.compile(rb'"ts":"?')
NGINX_VARIABLE = re.compile(r"\$\w+")
VARNISH_VARIABLE = re.compile(r"%(?:\{[^}]*\}[a-z]|[a-zA-Z])")

Key = tuple[str, str]
"""A POP and a domain."""


def service_of(domain: int) -> str:
    """Return the service of a domain, which is given by its rank."""
    tens, digit = divmod(domain, 10)
    return HOUSE if digit < 3 else f"customer{(tens * 7 + digit - 3) // 2}"


def name_of(domain: int) -> str:
    """Return the name of a domain."""
    return f"www{domain}.example"


SERVICES = sorted({service_of(domain) for domain in range(DOMAINS)})


class Block:
    """Consecutive lines of one POP, whose timestamps can be set."""

    def __init__(self, lines: Sequence[bytes], counts: Counter[Key], sizes: Counter[Key]) -> None:
        self.bytes = bytearray(b"".join(lines))
        self.lines = len(lines)
        self.counts, self.sizes = counts, sizes
        """Requests, and bytes of their bodies."""
        self.starts: list[int] = []
        """Where each line begins."""
        self.is_busy = False
        """Whether a part of it is sent: its timestamps must not change."""
        self._stamps: list[int] = []
        at = 0
        for line in lines:
            self.starts.append(at)
            stamp = STAMP.search(line)
            assert stamp, line
            self._stamps.append(at + stamp.end())
            at += len(line)
        self.second = FIRST
        """Of all lines."""

    def set_second(self, second: int) -> None:
        """Give every line this second. Only digits that change are written: that is what it costs."""
        if second == self.second:
            return
        old, new = b"%d" % self.second, b"%d" % second
        self.second = second
        same = next(at for at in range(DIGITS) if old[at] != new[at])
        text, digits = self.bytes, new[same:]
        if same == DIGITS - 1:
            last = new[-1]
            for stamp in self._stamps:
                text[stamp + DIGITS - 1] = last
        else:
            for stamp in self._stamps:
                text[stamp + same : stamp + DIGITS] = digits


def blocks(size: int, *, before: bytes = b"") -> list[list[Block]]:
    """Return the traffic of each POP, in blocks of about `size` bytes; each line begins with `before`."""
    return [list(_blocks(pop, size, before)) for pop in range(POPS)]


def _blocks(pop: int, size: int, before: bytes) -> Iterator[Block]:
    lines: list[bytes] = []
    counts: Counter[Key] = Counter()
    sizes: Counter[Key] = Counter()
    filled = 0
    for domain, body, made in requests(pop):
        key = f"P{pop:02}", name_of(domain)
        counts[key] += 1
        sizes[key] += body
        for line in made:
            lines.append(before + line)
            filled += len(before) + len(line)
        if filled >= size:
            yield Block(lines, counts, sizes)
            lines, counts, sizes, filled = [], Counter(), Counter(), 0
    if lines:
        yield Block(lines, counts, sizes)


@cache
def requests(pop: int) -> list[tuple[int, int, list[bytes]]]:
    """Make up the requests of a POP: the domain of each, the bytes of its body, and its lines."""
    random = Random(pop)

    def picked(weights: Mapping[Any, float]) -> list[Any]:
        return random.choices(list(weights), list(weights.values()), k=REQUESTS)

    domains = picked({domain: 1 / (domain + 1) for domain in range(DOMAINS)})
    columns = zip(domains, picked(STATUSES), picked(PROTOCOLS), picked(TLS), picked(FETCHES), strict=True)
    made = []
    for number, (domain, status, protocol, tls, fetch) in enumerate(columns):
        chance = random.random()
        body = int(chance * 60_000)
        values: dict[str, Any] = {
            "at": f"{FIRST}.{1000 * number // REQUESTS:03}",
            "service": service_of(domain),
            "pop": f"P{pop:02}",
            "domain": name_of(domain),
            "status": status,
            "hit": random.random() < HIT_SHARE,
            "protocol": protocol,
            "tls": tls,
            "client": f"203.0.113.{number % 256}",
            "took": f"{chance / 10:.3f}",
            "sent": 100 + number % 800,
            "header": 200 + number % 300,
            "body": body,
            "origin": f"origin_{domain % ORIGINS}",
            "addr": f"10.0.{domain % ORIGINS}.{number % 4 + 1}",
            "asked": 100 + number % 300,
            "ttfb": f"{random.expovariate(20):.3f}",
        }
        made.append((domain, body, _varnish(values) if pop % 2 else [_nginx(values, fetch)]))
    return made


def _nginx(one: dict[str, Any], fetch: str) -> bytes:
    """Return the line that nginx writes for a request."""
    fetched = {
        "$upstream_addr": f"{one['addr']}:8080",
        "$edgetally_origin_status": one["status"],
        "$upstream_bytes_sent": one["asked"],
        "$upstream_bytes_received": one["header"] + one["body"],
        "$upstream_response_length": one["body"],
        "$upstream_header_time": one["ttfb"],
    }
    values = {
        "$msec": one["at"],
        "$edgetally_service_id": one["service"],
        "$edgetally_pop": one["pop"],
        "$edgetally_domain": one["domain"],
        "$status": one["status"],
        "$upstream_cache_status": "HIT" if one["hit"] else fetch,
        "$server_protocol": one["protocol"],
        "$ssl_protocol": one["tls"],
        "$remote_addr": one["client"],
        "$request_time": one["took"],
        "$request_length": one["sent"],
        "$content_length": "",
        "$bytes_sent": one["header"] + one["body"],
        "$body_bytes_sent": one["body"],
        "$proxy_host": one["origin"],
        **(dict.fromkeys(fetched, "") if one["hit"] else fetched),
    }
    template, names = nginx_format()
    return (template % tuple(values[name] for name in names)).encode()


def _varnish(one: dict[str, Any]) -> list[bytes]:
    """Return the lines that varnishncsa writes for a request: one for the client, and one for a fetch."""
    values = {
        "%{Host}i": one["domain"],
        "%s": one["status"],
        "%{Varnish:handling}x": "hit" if one["hit"] else "miss",
        "%H": one["protocol"],
        "%{VCL_Log:edgetally_tls}x": one["tls"],
        "%h": one["client"],
        "%{Varnish:time_firstbyte}x": one["took"],
        "%{VSL:Timestamp:Resp[1]}x": one["at"] + "123",
        "%{VSL:ReqAcct[1]}x": one["sent"],
        "%{VSL:ReqAcct[2]}x": 0,
        "%{VSL:ReqAcct[4]}x": one["header"],
        "%{VSL:ReqAcct[5]}x": one["body"],
        "%{VSL:Timestamp:BerespBody[1]}x": one["at"] + "100",
        "%{VSL:BereqHeader:Host}x": one["domain"],
        "%{VSL:BackendOpen[2]}x": one["origin"],
        "%{VSL:BackendOpen[3]}x": one["addr"],
        "%{VCL_Log:edgetally_backend}x": "" if one["hit"] else one["origin"],
        "%{VCL_Log:edgetally_status}x": one["status"],
        "%{VSL:BereqAcct[1]}x": one["asked"],
        "%{VSL:BereqAcct[2]}x": 0,
        "%{VSL:BereqAcct[4]}x": one["header"],
        "%{VSL:BereqAcct[5]}x": one["body"],
        "%{VSL:Timestamp:Beresp[3]}x": one["ttfb"],
        **dict.fromkeys((f"%{{VSL:PipeAcct[{number}]}}x" for number in (2, 3, 4)), "-"),
        **dict.fromkeys((f"%{{VCL_Log:edgetally_{name}}}x" for name in ("piped", "restarts")), ""),
    }
    where = f'{{"service_id":"{one["service"]}","pop":"{one["pop"]}",'
    client, fetch = varnish_formats()
    return [
        (where + template % tuple(values[name] for name in names)).encode()
        for template, names in ((client,) if one["hit"] else (fetch, client))
    ]


@cache
def nginx_format() -> tuple[str, list[str]]:
    """Return the line of the snippet with `%s` for each variable, and the variables."""
    found = re.search(r"log_format edgetally escape=json(.*?);\n", snippet("nginx").text, re.DOTALL)
    assert found
    line = "".join(re.findall(r"^\s+'(.*)'", found[1], re.MULTILINE))
    return NGINX_VARIABLE.sub("%s", line) + "\n", NGINX_VARIABLE.findall(line)


@cache
def varnish_formats() -> list[tuple[str, list[str]]]:
    """Return the same for both lines of Varnish, without their first brace: a service and a POP come first."""
    found = re.findall(r"-F '\{(.*)' ", snippet("varnish").text)
    assert len(found) == 2
    return [(VARNISH_VARIABLE.sub("%s", line) + "\n", VARNISH_VARIABLE.findall(line)) for line in found]
