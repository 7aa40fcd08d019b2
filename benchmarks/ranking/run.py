"""How long a ranking takes. See README.md."""

import json
import random
import statistics
import time
from collections.abc import Callable

from benchmarks.harness import row
from edgetally import _core

POPS, SECONDS, ROUNDS = 10, 300, 9
LAST = 1_795_322_466
TARGETS = {1_000: 15, 10_000: 50}
"""Milliseconds by the number of domains."""


def partial(domains: int, second: int) -> bytes:
    """Return a second in which every domain has one request in every POP, one in 50 of them a failure."""
    choice = random.Random(second)
    fold = _core.Fold(service_id="shop")
    shared = (
        f'"ts":{second},"cache":"MISS","proto":"HTTP/2.0","tls":"TLSv1.3","resp_bytes":2300,"resp_body_bytes":2000,'
        '"origin":"app","origin_addr":"10.0.0.1:80","bereq_bytes":300,"beresp_bytes":2300,"beresp_body_bytes":2000'
    )
    lines = []
    for domain in range(domains):
        for pop in range(POPS):
            status = 503 if choice.random() < 0.02 else 200
            named = f'"status":{status},"origin_status":"{status}","domain":"www{domain}.example.com","pop":"P{pop:02}"'
            lines.append(f"{{{shared},{named}}}\n")
    fold.feed("".join(lines).encode(), second)
    fold.finish(second)
    return fold.drain()


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
    partials = [partial(domains, LAST + second) for second in range(1 - SECONDS, 1)]
    took = []
    for second, one in enumerate(partials, LAST + 1 - SECONDS):
        window.merge(one)
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
        }
        asked |= given
        made: bytes = _core.ranking(
            sealed,
            service_id="shop",
            second=LAST,
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
    print(f"  ms to seal a second     {statistics.median(took):6.1f}")
    return statistics.median(whole)


def main() -> None:
    """Measure both sizes."""
    for domains, target in TARGETS.items():
        taken = measure(domains)
        size = f"{domains:,} domains in {POPS} POPs"
        row("ranking: 40 rows", f"< {target} ms", f"{taken:.1f} ms", size, met=taken < target)


if __name__ == "__main__":
    main()
