"""How long a ranking takes, and what pushes notice of rankings. See README.md."""

import contextlib
import functools
import http.client
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.harness import Server, percentile, row, serve
from benchmarks.history.traffic import varint
from edgetally import _core

POPS, SECONDS, ROUNDS = 10, 300, 9
LAST = 1_795_322_466
TARGETS = {1_000: 15, 10_000: 50}
"""Milliseconds by the number of domains."""

DOMAINS, READERS = 1_000, 16
PUSHES, PHASES, PHASE_SECONDS = 20, 4, 8
"""Pushes a second; phases with and without readers in turns."""
WARM_SECONDS = 2
"""Pushes before the first phase, which are not measured."""
SHARE = 1.25
"""The p99 of pushes beside rankings may be so much of that without."""


PATTERNS = 10
"""Failures repeat after so many seconds: making the lines would take a minute otherwise."""


def lines_of(domains: int, pattern: int) -> bytes:
    """Return lines of the second `LAST` in which every domain has one request in every POP, one in 50 a failure."""
    choice = random.Random(pattern)
    shared = (
        f'"ts":{LAST},"cache":"MISS","proto":"HTTP/2.0","tls":"TLSv1.3","resp_bytes":2300,"resp_body_bytes":2000,'
        '"origin":"app","origin_addr":"10.0.0.1:80","bereq_bytes":300,"beresp_bytes":2300,"beresp_body_bytes":2000'
    )
    lines = []
    for domain in range(domains):
        for pop in range(POPS):
            status = 503 if choice.random() < 0.02 else 200
            named = f'"status":{status},"origin_status":"{status}","domain":"www{domain}.example.com","pop":"P{pop:02}"'
            lines.append(f"{{{shared},{named}}}\n")
    return "".join(lines).encode()


@functools.lru_cache(PATTERNS)
def folded(domains: int, pattern: int) -> bytes:
    """Return the partial of them."""
    fold = _core.Fold(service_id="shop")
    fold.feed(lines_of(domains, pattern), LAST)
    fold.finish(LAST)
    return fold.drain()


def partial(domains: int, second: int) -> bytes:
    """Return one of these partials in another second: to fold the lines of all of them would take most of the time."""
    return folded(domains, second % PATTERNS).replace(varint(LAST), varint(second))


def milliseconds(work: Callable[[], object]) -> list[float]:
    """Return how long each of several rounds took."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def measure(domains: int) -> float:
    """Measure one size; return the median in milliseconds."""
    window, sealed = _core.Window(domains=domains), []
    took = []
    for second in range(LAST + 1 - SECONDS, LAST + 1):
        window.merge(partial(domains, second))
        start = time.perf_counter()
        sealed += window.seal(second)
        took.append(1000 * (time.perf_counter() - start))

    def ranking(**given: object) -> bytes:
        asked: dict[str, object] = {
            "of": "domains",
            "by": "trouble",
            "rows": 40,
            "pop": None,
            "matching": "",
            "focus": None,
            "second": LAST,
        }
        asked |= given
        made: bytes = _core.ranking(
            sealed,
            service_id="shop",
            since=LAST + 1 - SECONDS,
            aggregate_delay=2,
            **asked,  # type: ignore[arg-type]
        )
        return made

    answer = json.loads(ranking())
    assert answer["all"]["now"][0] == 10 * domains * POPS
    assert [sum(row["now"][c] for row in answer["rows"]) + answer["rest"]["now"][c] for c in range(14)] == answer[
        "all"
    ]["now"]
    assert answer["all"]["series"]["requests"] == [domains * POPS] * SECONDS
    whole = milliseconds(ranking)
    print(f"ranking: {domains:,} domains in {POPS} POPs, {len(ranking()):,} bytes")
    print("  ms of 40 rows           " + " ".join(f"{each:6.1f}" for each in whole))
    for name, given in (
        ("of 200 rows", {"rows": 200}),
        ("of one POP", {"pop": "P03"}),
        ("with a focus", {"focus": "www7.example.com"}),
        ("of matching names", {"matching": "99"}),
        ("of origins", {"of": "origins"}),
    ):
        taken = milliseconds(lambda given=given: ranking(**given))  # type: ignore[misc]
        print(f"  ms {name:21}" + " ".join(f"{each:6.1f}" for each in taken))
    # The last seconds one after the other, as a page that stays open asks for them.
    kept, seconds = _core.KeptSeries(), iter(range(LAST - ROUNDS, LAST + 1))
    ranking(second=next(seconds), kept=kept)
    taken = milliseconds(lambda: ranking(second=next(seconds), kept=kept))
    assert ranking(kept=kept) == ranking()
    print("  ms of 40 rows, again    " + " ".join(f"{each:6.1f}" for each in taken))
    print(f"  ms to seal a second     {statistics.median(took):6.1f}")
    return statistics.median(whole)


@contextlib.contextmanager
def reading(server: Server) -> Iterator[None]:
    """Let readers take a ranking each, every second."""
    port = str(urlsplit(server.url).port)
    command = [sys.executable, str(Path(__file__).with_name("readers.py")), port, str(READERS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as readers:
        assert readers.stdout
        assert readers.stdout.readline() == "reading\n"
        yield
        assert readers.poll() is None, "a reader failed"
        readers.terminate()


def bodies() -> list[bytes]:
    """Return pushes of one second, without a time: each domain has a request in each POP, one in 50 a failure."""
    choice = random.Random(1)
    lines = []
    for domain in range(DOMAINS):
        for pop in range(POPS):
            failed = choice.random() < 0.02
            record = {"domain": f"www{domain}.example.com", "pop": f"P{pop:02}", "status": 503 if failed else 200}
            lines.append(json.dumps(record | {"cache": "MISS", "resp_body_bytes": 2000}).encode())
    return [b"\n".join(lines[at::PUSHES]) for at in range(PUSHES)]


def push(server: Server, pushes: list[bytes], seconds: int = PHASE_SECONDS) -> list[float]:
    """Push for a while at a steady rate; return the milliseconds that each took."""
    taken = []
    with contextlib.closing(http.client.HTTPConnection(urlsplit(server.url).netloc)) as connection:
        begin = time.monotonic()
        for number in range(PUSHES * seconds):
            time.sleep(max(0.0, begin + number / PUSHES - time.monotonic()))
            start = time.perf_counter()
            connection.request("POST", "/ingest/shop", pushes[number % PUSHES])
            answer = json.loads(connection.getresponse().read())
            taken.append(1000 * (time.perf_counter() - start))
            assert answer["rejected"] == 0
    return taken


def measure_pushes() -> tuple[float, float]:
    """Return the p99 of pushes, in milliseconds, without readers of rankings and beside them."""
    alone: list[float] = []
    beside: list[float] = []
    pushes = bodies()
    with serve() as server:
        push(server, pushes, WARM_SECONDS)
        for phase in range(PHASES):
            if phase % 2:
                with reading(server):
                    beside += push(server, pushes)
            else:
                alone += push(server, pushes)
    print(f"ranking: {PUSHES} pushes a second, {DOMAINS:,} domains in {POPS} POPs, {READERS} readers")
    for name, taken in (("alone", alone), ("beside", beside)):
        shares = (0.5, 0.9, 0.99, 1)
        print(f"  ms of pushes, {name:6}    " + " ".join(f"{percentile(taken, share):6.1f}" for share in shares))
    return percentile(alone, 0.99), percentile(beside, 0.99)


def main() -> None:
    """Measure both sizes, and pushes."""
    for domains, target in TARGETS.items():
        taken = measure(domains)
        size = f"{domains:,} domains in {POPS} POPs"
        row("ranking: 40 rows", f"< {target} ms", f"{taken:.1f} ms", size, met=taken < target)
    alone, beside = measure_pushes()
    compared = f"{alone:.1f} ms without; {READERS} readers, {DOMAINS:,} domains in {POPS} POPs"
    row("ranking: p99 of pushes", f"< {SHARE}x", f"{beside:.1f} ms", compared, met=beside < SHARE * alone)


if __name__ == "__main__":
    main()
