"""Sums of counters: of what the API shows, and of what was observed."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.support.oracle_fields import RATIOS

Key = tuple[str, tuple[str, ...]]
"""A dataset, and a key in it."""
Sums = dict[Key, Counter[str]]


def add(sums: Sums, key: Key, amounts: Mapping[str, int]) -> None:
    sums.setdefault(key, Counter()).update(amounts)


def counts(measurements: Mapping[str, float]) -> Counter[str]:
    """Keep what can be added up."""
    return Counter({name: int(amount) for name, amount in measurements.items() if name not in RATIOS})


def of_entries(entries: dict[str, list[Any]]) -> Sums:
    """Add up the entries of each dataset."""
    sums: Sums = {}
    for dataset, found in entries.items():
        for entry in found:
            for key, measurements in leaves(entry["aggregated"]):
                add(sums, (dataset, key), counts(measurements))
    return sums


def leaves(tree: dict[str, Any], *above: str) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Find the measurements, and the keys that lead to them."""
    if all(isinstance(value, dict) for value in tree.values()):
        return [leaf for key, below in tree.items() for leaf in leaves(below, *above, key)]
    return [(above, tree)]


def totals(sums: Sums, *, without: tuple[str, ...] = ()) -> Counter[str]:
    """Count the requests and the fetches of all domains."""
    total: Counter[str] = Counter()
    for (dataset, (name, *_)), counters in sums.items():
        if dataset == "domains" and name not in without:
            total.update({field: counters[field] for field in ("requests", "origin_fetches")})
    return total


def without_latency(sums: Sums, dataset: str, *, without: tuple[str, ...] = ()) -> dict[str, Counter[str]]:
    """Keep of a dataset what an origin observes, too: everything but latencies."""
    return {
        " ".join(key): Counter({name: amount for name, amount in counters.items() if "latency" not in name})
        for (where, key), counters in sums.items()
        if where == dataset and key[0] not in without
    }


def untimed(sums: Sums) -> list[str]:
    """Name the origins that have a response outside of all latency buckets."""
    return [
        key[0]
        for (dataset, key), counters in sums.items()
        if dataset == "origins"
        and sum(amount for name, amount in counters.items() if name.startswith("latency_")) != counters["responses"]
    ]


def equal(found: Counter[str], expected: Counter[str], *, without: tuple[str, ...]) -> bool:
    """Compare counters, without those whose name contains one of these words."""
    names = {name for name in found | expected if not any(word in name for word in without)}
    return {name: found[name] for name in names} == {name: expected[name] for name in names}
