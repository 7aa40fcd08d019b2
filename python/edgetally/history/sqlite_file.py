"""
Opens the file of the history, and says what is wrong when it cannot be used.

Other processes may have it open, too: `edgetally history` reads and writes it while the server runs.
"""

import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgetally.errors import ConfigError, EdgetallyError, Unavailable
from edgetally.history.present import TABLE
from edgetally.journal.sqlite_file import check_layout, lay_out
from edgetally.obstacle import WRITABLE, obstacle

FILE = "history.sqlite"

APPLICATION = 0x45_44_54_48
"""SQLite's application_id: the file belongs to edgetally."""

VERSION = 1
"""SQLite's user_version: the version of the tables below."""

TABLES = """
CREATE TABLE services (id INTEGER PRIMARY KEY, service_id TEXT NOT NULL UNIQUE, newest INTEGER NOT NULL) STRICT;
CREATE TABLE minutes (id INTEGER PRIMARY KEY, minute INTEGER NOT NULL, service INTEGER NOT NULL,
    dataset INTEGER NOT NULL, rows BLOB NOT NULL, UNIQUE (minute, service, dataset)) STRICT;
CREATE TABLE chunks (id INTEGER PRIMARY KEY, tier INTEGER NOT NULL, period INTEGER NOT NULL, service INTEGER NOT NULL,
    dataset INTEGER NOT NULL, name TEXT NOT NULL, rows BLOB NOT NULL,
    UNIQUE (tier, period, service, dataset, name)) STRICT;
CREATE TABLE open_days (service INTEGER, dataset INTEGER, day INTEGER,
    PRIMARY KEY (service, dataset, day)) STRICT, WITHOUT ROWID;
CREATE TABLE marks (journal TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE known (service INTEGER, first INTEGER NOT NULL, behind INTEGER NOT NULL) STRICT;
CREATE TABLE gone (tier INTEGER PRIMARY KEY, before INTEGER NOT NULL) STRICT;
"""
"""
`minutes` is level 0: all names of a minute in one row. `chunks` is level 1: a name's windows in a period. A tier is the
length of its windows. Keys begin with the time: what is written and removed together is stored together.

`services.newest` is the newest hour of a service. `open_days` are days whose hours are not in the tier of days yet.
`marks` has the second up to which each journal has been read, itself not included. `known` has the seconds of which
everything is known, of one service or, without one, of all: whatever is in no row is a hole. Of a tier, everything
before `gone.before` was removed. `present` is in history/present.py.
"""

PASSING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY)
"""Errors that may pass."""

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""Errors of what is in the file."""

DENIED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
"""Errors of a user who may not write."""

WHERE = "journal.data_dir"
"""The setting that chooses the file."""

BUSY_SECONDS = 5.0
"""How long to wait for a commit of another process."""

PAGE_BYTES = 8_192
CACHE_KIB = 16_384

WAL_BYTES = 64 << 20
"""A write-ahead log that has grown beyond this is truncated to it."""


def open_history(path: Path) -> sqlite3.Connection:
    """Open the file for writing, or create it; raise ConfigError when it cannot be used, Unavailable if not now."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = _connect(path)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(WHERE, f"cannot open {path}: {obstacle(path) or reason}; {WRITABLE}") from error
    try:
        with explained(path):
            _prepare(database, path)
    except EdgetallyError:
        database.close()
        raise
    return database


@contextmanager
def explained(path: Path, *, writes: bool = True) -> Iterator[None]:
    """
    Say what is wrong with the file when it cannot be used: raise ConfigError, or Unavailable if that may pass.

    `writes` tells whether it is written, so that what is in the way of that is wrong, too.
    """
    try:
        yield
    except (ValueError, zlib.error) as error:
        raise _damaged(path, error) from error
    except (sqlite3.DatabaseError, Unavailable) as error:
        cause = error.__cause__ if isinstance(error, Unavailable) else error
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF
        if code in DAMAGED:
            raise _damaged(path, cause) from cause
        if writes and code in (*DENIED, sqlite3.SQLITE_IOERR) and (found := obstacle(path)):
            raise ConfigError(WHERE, f"cannot write {path}: {found}; {WRITABLE}") from error
        if isinstance(error, Unavailable):
            raise
        if code in PASSING:
            raise Unavailable(f"the history cannot be used: {path}: {error}") from error
        raise ConfigError(WHERE, f"cannot use {path}: {error}") from error


def _damaged(path: Path, error: BaseException | None) -> ConfigError:
    moving = f"to start over, move it and {path.name}-wal away; its minutes, hours and days are lost"
    return ConfigError(WHERE, f"{path} is damaged ({error}): {moving}")


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the file for reading. It is not created: an empty one would have SQLite remove the log beside it."""
    database = _connect(f"{path.absolute().as_uri()}?mode=rw")
    database.execute("PRAGMA query_only = ON")
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return database


def open_unknown(path: Path) -> sqlite3.Connection:
    """
    Open a file for reading, also as a user who may not write it; raise ConfigError if this version cannot read it.

    Errors that SQLite raises later are the caller's, who passes them through `explained`.
    """
    if not os.access(path, os.R_OK):
        raise ConfigError(WHERE, f"cannot open {path}: expected a file that this user may read")
    if not path.stat().st_size:
        raise ConfigError(WHERE, f"there is no history in {path.parent}: {path.name} is empty")
    log = path.with_name(f"{path.name}-wal")
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        mode = "mode=rw"
    elif log.exists():
        mode = "mode=ro"
    else:
        # SQLite would create a log to read beside. Without one, no process has the file open.
        mode = "mode=ro&immutable=1"
    try:
        database = _connect(f"{path.absolute().as_uri()}?{mode}")
    except sqlite3.Error as error:
        raise ConfigError(WHERE, f"cannot open {path}: {error}; expected a file of SQLite") from error
    try:
        with explained(path, writes=False):
            try:
                check_layout(database, path, application=APPLICATION, version=VERSION)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in DENIED:
                    raise
                hint = f"to read beside {log.name}, a user who may not write needs a server that runs: start it"
                raise ConfigError(WHERE, f"cannot read {path}: {error}; {hint}, or read as its user") from error
    except EdgetallyError:
        database.close()
        raise
    return database


def _connect(path: Path | str) -> sqlite3.Connection:
    is_uri = isinstance(path, str)
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=is_uri)


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    database.execute("PRAGMA journal_mode = WAL")
    # The journal forgets what is committed here, so a power cut must not undo it.
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    # Some systems overwrite what is deleted: an hour of minutes would be written twice as often.
    database.execute("PRAGMA secure_delete = OFF")
    database.execute("BEGIN IMMEDIATE")
    tables = [statement.rstrip(";") for statement in TABLES.strip().split(";\n")]
    lay_out(database, path, application=APPLICATION, version=VERSION, tables=tables)
    # Not among the tables above: earlier versions work with it as well as without.
    database.execute(TABLE)
    database.execute("COMMIT")
