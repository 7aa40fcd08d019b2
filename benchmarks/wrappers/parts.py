"""What is counted, under valgrind: logs are folded one after the other, each in two parts."""

import sys
from pathlib import Path

from edgetally import _core


def main(first: int, parts: list[str]) -> None:
    """Fold files in pairs: the first lines of a log, from which the fold learns what they are like, and the rest."""
    fold = _core.Fold()
    for number, part in enumerate(parts):
        if number % 2 == 0:
            fold = _core.Fold()
        fold.feed(Path(part).read_bytes(), first)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
