"""Made-up minutes: 1,000 domains in ten POPs, whose popularity follows Zipf's law."""

from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from itertools import cycle
from random import Random
from typing import NamedTuple

from edgetally import _core

NAMES = [f"www{number:04}.example.com" for number in range(1_000)]
POPS = ["AMS", "BOM", "CDG", "FRA", "GRU", "IAD", "LHR", "NRT", "SJC", "SYD"]
PER_MINUTE = 2_000_000
SERVICE = "shop"

# Counters of a domain as partials number them, in ascending order; and their share of the requests.
EDGE, HEADER_BYTES, BODY_BYTES = 0, 1, 2
SHARES = {
    3: 0.88,  # hits
    4: 0.09,  # misses
    5: 0.62,  # HTTP/2
    6: 0.91,  # TLS 1.3
    7: 0.86,  # 200
    8: 0.07,  # 304
    9: 0.02,  # 404
    10: 0.015,  # 301
    11: 0.007,  # 302
    12: 0.012,  # 206
    13: 0.004,  # 204
    16: 0.003,  # 403
    20: 0.001,  # 500
    22: 0.0006,  # 503
    33: 0.27,  # HTTP/3
    36: 0.08,  # TLS 1.2
}
FETCHES, SENT_BYTES, RECEIVED_HEADER_BYTES, RECEIVED_BODY_BYTES = 40, 41, 43, 44
STATUSES = {  # received from origins
    45: 0.08,
    46: 0.008,
    47: 0.002,
}


@lru_cache(1 << 16)
def varint(value: int) -> bytes:
    """Return a number as partials have it: seven bits a byte, the low ones first."""
    if value < 0x80:
        return _SHORT[value]
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


_SHORT = [bytes([value]) for value in range(0x80)]


def _text(text: str) -> bytes:
    return varint(len(text)) + text.encode()


@cache
def _normal() -> list[float]:
    random = Random(20261129)
    return [random.gauss(0, 1) for _ in range(99_991)]


PER_ROW = 26
"""Numbers that `counters` takes of `Noise`."""


class Noise:
    """Numbers that vary as if requests came by chance."""

    def __init__(self, after: int = 0) -> None:
        """Begin behind so many numbers, for minutes that are made apart from those before them."""
        numbers = _normal()
        begin = after % len(numbers)
        self._next = cycle(numbers[begin:] + numbers[:begin]).__next__

    def about(self, mean: float, spread: float = 1.0) -> int:
        """Return a number near `mean`: `spread` times as noisy as a count."""
        return max(0, round(mean + self._next() * spread * mean**0.5))


def counters(noise: Noise, mean: float) -> dict[int, int]:
    """Make the counters of a row that has about `mean` requests."""
    about = noise.about
    requests = about(mean) or 1
    found = {EDGE: requests, HEADER_BYTES: about(300 * requests, 8), BODY_BYTES: about(21_000 * requests, 400)}
    found |= {counter: min(requests, about(requests * share)) for counter, share in SHARES.items()}
    fetches = min(requests, about(requests * 0.09))
    found[FETCHES] = fetches
    found[SENT_BYTES] = about(420 * fetches, 5)
    found[RECEIVED_HEADER_BYTES] = about(350 * fetches, 8)
    found[RECEIVED_BODY_BYTES] = about(30_000 * fetches, 500)
    found |= {counter: min(fetches, about(requests * share)) for counter, share in STATUSES.items()}
    return found


class Minute(NamedTuple):
    """The traffic of a minute, all of it in its first second."""

    second: int
    partial: bytes
    rows: list[tuple[str, str, dict[int, int]]]
    """Name, POP and counters, zeros included."""

    def at(self, second: int) -> bytes:
        """Return the partial of another second."""
        return self.partial.replace(varint(self.second), varint(second))


def minute(noise: Noise, second: int, names: range, requests: float = PER_MINUTE) -> Minute:
    """Make a row per POP of these of the names, as if all of them had so many requests."""
    zipf = sum(1 / (rank + 1) ** 0.9 for rank in range(len(NAMES)))
    pops = [1 / (place + 1) ** 0.5 for place in range(len(POPS))]
    written = [b"\x02", varint(len(POPS))]
    written += [_text(SERVICE) + _text(pop) + varint(1) + varint(second) + varint(1) for pop in POPS]
    when, rows = varint(second), []
    for rank in names:
        name = _text(NAMES[rank])
        mean = requests / zipf / (rank + 1) ** 0.9
        for place, share in enumerate(pops):
            row = counters(noise, mean * share / sum(pops))
            rows.append((NAMES[rank], POPS[place], row))
            used = {counter: value for counter, value in row.items() if value}
            written += [b"\0", varint(place), when, name, varint(len(used))]
            written += [varint(counter) + varint(value) for counter, value in used.items()]
    return Minute(second, b"".join(written), rows)


def seal(partials: Iterable[bytes]) -> Iterator[_core.Sealed]:
    """Seal partials, each of which is a later second."""
    window = _core.Window()
    for one in partials:
        window.merge(one)
        assert window.newest is not None
        yield from window.seal(window.newest)
