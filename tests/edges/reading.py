"""What the API shows of the log of an edge, and what that adds up to."""

from collections import Counter
from typing import Any

from tests.edges.book import Sums, counts

PATIENCE = 30.0
"""Seconds after which what has not come will not come."""


def paths(service: str) -> dict[str, str]:
    """Say where each dataset is, from a cursor on."""
    return {
        "domains": f"/v1/domains/{service}/ts/%s",
        "origins": f"/v1/origins/{service}/ts/%s",
        "origin_insights": f"/v1/channel/{service}/ts/%s?kind=origin_insights",
    }


def answers_on(said: list[str]) -> str:
    return "".join(line.partition("started: listening on ")[2].strip() for line in said)


def add_up(entries: dict[str, list[Any]]) -> Sums:
    """Add up what all entries show, but for what says how often, not how many."""
    sums: Sums = {}
    for dataset, found in entries.items():
        for entry in found:
            for key, measurements in leaves(entry["aggregated"]):
                sums.setdefault((dataset, key), Counter()).update(counts(measurements))
    return sums


def leaves(tree: dict[str, Any], *above: str) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Find the measurements, and the keys that lead to them."""
    if all(isinstance(value, dict) for value in tree.values()):
        return [leaf for key, below in tree.items() for leaf in leaves(below, *above, key)]
    return [(above, tree)]
