"""How long from starting `edgetally serve` to its first answer. See README.md."""

import statistics
import time

from benchmarks.harness import read, row, serve

ROUNDS = 9
TARGET_MS = 300


def main() -> None:
    """Start the server several times, and print the median."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        with serve() as server:
            assert b'"Data":[]' in read(f"{server.url}/v1/domains/idle/ts/h")
            times.append(1000 * (time.perf_counter() - began))
    print("cold start: from the command to the first answer, ms: " + " ".join(f"{each:.0f}" for each in times))
    middle = statistics.median(times)
    row(
        "cold start to first answer",
        f"< {TARGET_MS} ms",
        f"{middle:.0f} ms",
        "an empty journal; files in the page cache",
        met=middle < TARGET_MS,
    )


if __name__ == "__main__":
    main()
