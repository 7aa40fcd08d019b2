"""
Exact per-second counters for every domain and every origin of your edge.

The library folds logs without a server:

>>> import edgetally
>>> log = b'{"ts":1763769600,"domain":"shop.example","status":200}'
>>> for entry in edgetally.fold(log):
...     print(entry.second, entry.service_id, entry.domains["shop.example"]["requests"])
1763769600 default 1

* `fold` reads files, globs, bytes and iterables of lines, and returns their entries. `rows` yields the same as flat
  dicts for a data frame.
* `Fold` and `Window` do the same bit by bit, for a log that is still being written.
* `formats` lists how lines may be written.

docs/library.md has more. `edgetally serve` is the server.
"""

from __future__ import annotations

# As `typing` has it, whose import would take as long as all else that `edgetally --help` needs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgetally.offline.entry import Entry
    from edgetally.offline.fold import FoldResult, fold, rows
    from edgetally.offline.line_report import Rejection
    from edgetally.offline.streaming import Fold, Window
    from edgetally.snippets import formats

    __version__: str

__all__ = ["Entry", "Fold", "FoldResult", "Rejection", "Window", "__version__", "fold", "formats", "rows"]

_MODULES = {
    "Entry": "edgetally.offline.entry",
    "Fold": "edgetally.offline.streaming",
    "FoldResult": "edgetally.offline.fold",
    "Rejection": "edgetally.offline.line_report",
    "Window": "edgetally.offline.streaming",
    "__version__": "edgetally._core",
    "fold": "edgetally.offline.fold",
    "formats": "edgetally.snippets",
    "rows": "edgetally.offline.fold",
}
"""Where each name is. They are imported when they are first used, so that the command starts at once."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - of any of these types
    from importlib import import_module  # noqa: PLC0415 - the command needs none of these

    if name not in _MODULES:
        raise AttributeError(f"module 'edgetally' has no attribute {name!r}")
    value: Any = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
