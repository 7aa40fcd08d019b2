"""
Minutes that a server may still add to the history: what it has counted is in its journal, and not committed here yet.

An import leaves them to the server, as both would count the same records.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from edgetally import _core
from edgetally.config.sections import Config
from edgetally.errors import ConfigError, Unavailable
from edgetally.history.store import HistoryFile
from edgetally.history.tiers import MINUTES
from edgetally.journal.sqlite_file import FILE, open_file

LATEST = (1 << 62) - 1
"""A second behind all others."""

RECENT = 120
"""Seconds since the last commit in which a server whose journal is in memory counts as running. It commits minutes."""

FACTS = "SELECT second, partial FROM facts WHERE position > (SELECT position FROM gone) ORDER BY position"

IsUnrecorded = Callable[[str, int], bool]
"""Whether a minute of a service may be added by a server."""


def unrecorded(config: Config, file: HistoryFile, now: int) -> IsUnrecorded:
    """
    Return which minutes the server with these settings may still add, whether it runs or not.

    Raises:
        ConfigError: Its journal cannot be used.
        Unavailable: The server has only just started, so that it cannot be told.
    """
    path = config.journal.directory / FILE
    if config.journal.kind == "sqlite":
        if not path.exists():
            return lambda _service_id, _minute: False
        try:
            found = _in_journal(path, file, config.window.limits._asdict())
        except ConfigError as error:
            if getattr(error.__cause__, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                raise
        else:
            return lambda service_id, minute: (service_id, minute) in found
        if not file.newest_mark:
            raise Unavailable(
                f"{path} is in use by a server that has written no minute to the history yet: try again in a minute"
            )
    # The server runs, or others have its journal.
    since = MINUTES.window_of(file.newest_mark)
    is_over = config.journal.kind == "memory" and now - since > RECENT
    return lambda _service_id, minute: 0 < since <= minute and not is_over


def _in_journal(path: Path, file: HistoryFile, limits: dict[str, Any]) -> set[tuple[str, int]]:
    """Return services and minutes to which a journal adds that no server has open."""
    window = _core.Window(**limits)
    found: set[tuple[str, int]] = set()
    with closing(open_file(path)) as database:
        ((journal,),) = database.execute("SELECT id FROM identity")
        first = file.mark(journal)

        def seal(second: int) -> None:
            sealed = window.seal(second)
            found.update((one.service_id, MINUTES.window_of(one.second)) for one in sealed if one.second >= first)

        try:
            for second, partial in database.execute(FACTS):
                if second is None:
                    window.merge(partial)
                else:
                    seal(second)
        except (ValueError, sqlite3.DatabaseError) as error:
            problem = f"cannot read {path}: {error}; to start over, move it away"
            raise ConfigError("journal.data_dir", problem) from error
    seal(LATEST)
    return found
