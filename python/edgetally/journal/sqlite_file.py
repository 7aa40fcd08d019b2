"""
Opens the file of a journal, and says what is wrong when it cannot be used.

One process opens it at a time. It is opened so that a commit returns when its write-ahead log is on the disk.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from edgetally.errors import ConfigError, Unavailable
from edgetally.journal.memory import new_id
from edgetally.obstacle import WRITABLE, obstacle

FILE = "journal.sqlite"

APPLICATION = 0x45_44_54_4C
"""SQLite's application_id: the file belongs to edgetally."""

VERSION = 1
"""SQLite's user_version: the version of the tables below."""

TABLES = """
CREATE TABLE facts (position INTEGER PRIMARY KEY AUTOINCREMENT, second INTEGER, partial BLOB);
CREATE TABLE marks (name TEXT PRIMARY KEY, mark TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE gone (second INTEGER NOT NULL, position INTEGER NOT NULL);
INSERT INTO gone VALUES (0, 0);
"""
"""
A fact with a second is a seal, one without is a partial. AUTOINCREMENT, because a position is never used twice.

`marks` has the checkpoints and idempotency records. The only row of `gone` has the position up to which facts are
forgotten, although some commits may pass until their rows are removed, and the second up to which entries are
incomplete by that. `identity` has the id of the journal.
"""

PASSING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""Errors of a disk that may work again later."""

WAL_BYTES = 16 << 20
"""A write-ahead log that has grown beyond this is truncated to it."""


def open_file(path: Path) -> sqlite3.Connection:
    """Open the file, or create it; raise ConfigError when it cannot be used, Unavailable if not at the moment."""
    where = "journal.data_dir"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(where, f"cannot open {path}: {obstacle(path) or reason}; {WRITABLE}") from error
    try:
        _prepare(database, path)
    except sqlite3.OperationalError as error:
        database.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            problem = f"{path} is in use by another process: stop it, or choose another directory"
            raise ConfigError(where, problem) from error
        if found := obstacle(path):  # SQLite calls some of them I/O errors
            raise ConfigError(where, f"cannot write {path}: {found}; {WRITABLE}") from error
        if error.sqlite_errorcode & 0xFF in PASSING:
            raise Unavailable(f"the journal cannot be written: {path}: {error}") from error
        raise ConfigError(where, f"cannot use {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        database.close()
        raise damaged(path, error) from error
    except ConfigError:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    # One process only: a second one gets SQLITE_BUSY, and the index of the log is in memory instead of in a third file.
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    # Free pages can be returned to the file system. This has to be set before anything is in the file.
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    database.execute("PRAGMA journal_mode = WAL")
    # FULL fsyncs the log before a commit returns. NORMAL would survive a kill, but not a power cut.
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    # Takes the lock, and keeps it because of locking_mode.
    database.execute("BEGIN IMMEDIATE")
    lay_out(database, path, application=APPLICATION, version=VERSION, tables=TABLES.strip().split("\n"))
    # Not among the tables above: earlier versions work with it as well as without.
    database.execute("CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL)")
    database.execute("INSERT INTO identity SELECT ? WHERE NOT EXISTS (SELECT 1 FROM identity)", (new_id(),))
    database.execute("COMMIT")


def lay_out(database: sqlite3.Connection, path: Path, *, application: int, version: int, tables: Sequence[str]) -> None:
    """
    Create the tables of a new file, within a transaction; raise ConfigError for a file of another kind.

    Args:
        database: The open file.
        path: Its path.
        application: Number in the file that says what it is for.
        version: Newest version of the tables that is understood.
        tables: Statements that create them.
    """
    ((found_application,),) = database.execute("PRAGMA application_id")
    ((count,),) = database.execute("SELECT count(*) FROM sqlite_schema")
    if not count and not found_application:
        for statement in tables:
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {application}")
        database.execute(f"PRAGMA user_version = {version}")
    else:
        check_layout(database, path, application=application, version=version)


def check_layout(database: sqlite3.Connection, path: Path, *, application: int, version: int) -> None:
    """Raise ConfigError for a file of another kind, or of a newer version."""
    ((found_application,),) = database.execute("PRAGMA application_id")
    ((found_version,),) = database.execute("PRAGMA user_version")
    if found_application != application:
        raise ConfigError("journal.data_dir", f"{path} belongs to another program: choose another directory")
    if found_version > version:
        problem = (
            f"{path} was written by a newer version of edgetally: run that version, or move the file away to start over"
        )
        raise ConfigError("journal.data_dir", problem)


def damaged(path: Path, error: sqlite3.DatabaseError) -> ConfigError:
    """Say that the file is damaged, and what to do."""
    return ConfigError(
        "journal.data_dir",
        f"{path} is damaged ({error}): to start over, move it and {path.name}-wal away. Recent entries are lost, and "
        "files are followed from their end",
    )
