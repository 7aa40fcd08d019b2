"""What the API shows of the log of an edge, and what that adds up to."""

from collections import Counter
from typing import Any

import httpx

from tests.edges.book import Sums, counts

LAST = "last.example"
"""The domain, and the origin, of the last line of the log."""

PATIENCE = 30.0
"""Seconds after which what has not come will not come."""

LAST_LINE = (
    '{"ts":%f,"domain":"last.example","status":200,'
    '"origin":"last.example","origin_ip":"192.0.2.1","origin_status":200}\n'
)


def paths(service: str) -> dict[str, str]:
    """Say where each dataset is, from a cursor on."""
    return {
        "domains": f"/v1/domains/{service}/ts/%s",
        "origins": f"/v1/origins/{service}/ts/%s",
        "origin_insights": f"/v1/channel/{service}/ts/%s?kind=origin_insights",
    }


def answers_on(said: list[str]) -> str:
    return "".join(line.partition("edgetally answers on ")[2].strip() for line in said)


async def chain(api: httpx.AsyncClient, path: str) -> list[Any]:
    """Read entry after entry, until one shows the last line: it was read when all before it had been."""
    cursor = (await api.get(path % 0)).json()["Timestamp"]
    entries: list[Any] = []
    while not any(LAST in entry["aggregated"] for entry in entries):
        answer = (await api.get(path % cursor)).json()
        cursor = answer["Timestamp"]
        entries += answer["Data"]
    return entries


def add_up(entries: dict[str, list[Any]]) -> Sums:
    """Add up what all entries show, but for what says how often, not how many."""
    sums: Sums = {}
    for dataset, found in entries.items():
        for entry in found:
            for key, measurements in leaves(entry["aggregated"]):
                if LAST not in key:
                    sums.setdefault((dataset, key), Counter()).update(counts(measurements))
    return sums


def leaves(tree: dict[str, Any], *above: str) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Find the measurements, and the keys that lead to them."""
    if all(isinstance(value, dict) for value in tree.values()):
        return [leaf for key, below in tree.items() for leaf in leaves(below, *above, key)]
    return [(above, tree)]
