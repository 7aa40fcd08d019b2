"""A model of a large cluster: what each part has to do in a second, beside what one of it does as measured."""

from typing import NamedTuple

SERVICES = 10_000
READERS = 50
LINES = 100_000
"""Of an edge in a second."""
EDGES, POPS = 1_000, 100
PARTITIONS = 12
KEPT_SECONDS, REMEMBERED_SECONDS = 120, 615
COMPRESSED = 0.4
"""Of partials by zstd: 0.31 to 0.45, measured with real partials when the cluster was designed."""

BROKER_BYTES = 155e6
"""Appended in a second by three brokers on two cores, which they shared with clients: measured then."""

LINK_BYTES = 1.25e9
"""10 Gbit/s, of each broker."""

MEMORY_BYTES = 32e9
"""Of a reader."""


class Rates(NamedTuple):
    """What was measured, in one run on one machine; per second of one core."""

    folded_lines: float
    appended_rows: float
    """Split and put into envelopes."""
    read_rows: float
    """Recognised and merged."""
    sealed_rows: float
    row_bytes: float
    """Of a partial."""
    sealed_row_bytes: float
    id_bytes: float


class Part(NamedTuple):
    """One part of a cluster, and how much of it is needed."""

    name: str
    needed: float
    unit: str
    available: float
    """What a cluster has to begin with."""
    remedy: str

    @property
    def load(self) -> float:
        """How often what is available would be needed."""
        return self.needed / self.available


def parts(rates: Rates, nodes: int) -> list[Part]:
    """Return the parts of the cluster if its edges are folded by so many nodes, each of one POP, the fullest first."""
    lines = EDGES * LINES / nodes
    # Every node sees every service in every second, and drains once a second: a row of its domain, and one of itself.
    rows = nodes * 2 * SERVICES
    sealed = POPS * 2 * SERVICES
    stored = rows * rates.row_bytes * COMPRESSED
    found = [
        Part("fold, cores of a node", lines / rates.folded_lines, "cores", 1, "a node on each edge"),
        Part("split, cores of a node", 2 * SERVICES / rates.appended_rows, "cores", 1, "a longer drain interval"),
        Part(
            "append, three brokers", stored / BROKER_BYTES, "sets of 3", 1, "brokers; fewer nodes, each of more edges"
        ),
        Part("fetch, links of three brokers", READERS * stored / LINK_BYTES, "links", 3, "brokers; fewer readers"),
        Part("merge, cores of a reader", rows / rates.read_rows, "cores", PARTITIONS, "partitions; fewer nodes"),
        Part("seal, cores of a reader", sealed / rates.sealed_rows, "cores", PARTITIONS, "partitions"),
        Part(
            "shelf, memory of a reader",
            KEPT_SECONDS * sealed * rates.sealed_row_bytes / 1e9,
            "GB",
            MEMORY_BYTES / 1e9,
            "memory; a smaller shelf.keep",
        ),
        Part(
            "ids, memory of a reader",
            REMEMBERED_SECONDS * nodes * PARTITIONS * rates.id_bytes / 1e9,
            "GB",
            MEMORY_BYTES / 1e9,
            "a longer drain interval",
        ),
    ]
    return sorted(found, key=lambda part: -part.load)


def report(rates: Rates) -> str:
    """Return what a cluster of that size needs, with a node at every edge and with one for each POP."""
    text = [f"{EDGES:,} edges x {LINES:,} lines/s, {SERVICES:,} services, {POPS} POPs, {READERS} readers"]
    for nodes in (EDGES, POPS):
        text.append(f"  {nodes:,} nodes, the fullest part first:")
        for part in parts(rates, nodes):
            needed = f"{part.needed:8.2f} of {part.available:.0f} {part.unit}"
            text.append(f"    {part.load:6.1%}  {part.name:28}{needed:26} add: {part.remedy}")
    return "\n".join(text)
