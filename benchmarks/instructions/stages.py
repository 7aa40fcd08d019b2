"""What is counted, under valgrind: every stage of a log, from its lines to its entries and a ranking."""

import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

BLOCK = 1 << 18


def main(core: str, log: str, first: int) -> None:
    """Run every stage once; only what the core itself does is counted."""
    spec = spec_from_loader("_core", ExtensionFileLoader("_core", core))
    assert spec
    _core = module_from_spec(spec)
    assert spec.loader
    spec.loader.exec_module(_core)

    lines = Path(log).read_bytes()
    fold = _core.Fold()
    # Twice: rows are made, and rows are found.
    for _ in range(2):
        for at in range(0, len(lines), BLOCK):
            fold.feed(lines[at : at + BLOCK], first)
        fold.finish(first)
    partial = fold.drain()
    window = _core.Window()
    # Twice: rows are made, and rows are found.
    for _ in range(2):
        window.merge(partial)
    sealed = window.seal((1 << 63) - 1)
    for one in sealed:
        for dataset in ("channel", "domains", "origins", "origin_insights"):
            one.entry(dataset)
    of_one = [one for one in sealed if one.service_id == sealed[0].service_id]
    since, second = of_one[0].second, of_one[-1].second
    asked = {"service_id": sealed[0].service_id, "since": since, "second": second, "aggregate_delay": 2}
    for dataset in ("domains", "origins"):
        _core.ranking(of_one, of=dataset, by="trouble", rows=40, pop=None, matching="", focus=None, **asked)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
