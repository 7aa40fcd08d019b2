"""Rows that are inserted together."""

from collections.abc import Iterator

import msgspec

INSERT_BYTES = 16 << 20
"""An insert has about so many bytes at most, unless one service alone has more."""


def row_members(dataset: int, service_id: str, journal: int, partition: int) -> str:
    """Return what rows have in common, as members of a JSON object."""
    service = msgspec.json.encode(service_id).decode()
    return f'"dataset":{dataset},"service":{service},"journal":{journal},"partition":{partition}'


def in_inserts(rows: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield rows, some at a time."""
    some: list[bytes] = []
    size = 0
    for one in rows:
        some.append(one)
        size += len(one)
        if size >= INSERT_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some
