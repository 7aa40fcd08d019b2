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

from importlib.metadata import version

from edgetally.offline.entry import Entry
from edgetally.offline.fold import FoldResult, fold, rows
from edgetally.offline.line_report import Rejection
from edgetally.offline.streaming import Fold, Window
from edgetally.snippets import formats

__all__ = ["Entry", "Fold", "FoldResult", "Rejection", "Window", "__version__", "fold", "formats", "rows"]

__version__ = version("edgetally")
