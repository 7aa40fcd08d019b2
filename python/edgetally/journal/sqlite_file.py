"""
The file of a journal: whose it is, how it is to be read, and what is wrong when it cannot be used.

It is opened by one process at a time, and durable from then on: a commit returns when its log is on the disk.
"""

import sqlite3
from pathlib import Path

from edgetally.errors import ConfigError

FILE = "journal.sqlite"

APPLICATION = 0x45_44_54_4C
"""SQLite's application_id: the file is one of ours."""

VERSION = 1
"""SQLite's user_version: how the tables below are to be read."""

TABLES = """
CREATE TABLE facts (position INTEGER PRIMARY KEY AUTOINCREMENT, second INTEGER, partial BLOB);
CREATE TABLE marks (name TEXT PRIMARY KEY, mark TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE gone (second INTEGER NOT NULL, position INTEGER NOT NULL);
INSERT INTO gone VALUES (0, 0);
"""
"""
A fact is a seal if it has a second. AUTOINCREMENT, because a position is never given twice.

What is forgotten is so at once, by its position in `gone`; its rows may take some commits to be removed.
"""

WAL_BYTES = 16 << 20
"""A write-ahead log that had to grow beyond this is cut back to it."""


def open_file(path: Path) -> sqlite3.Connection:
    """Open the file, or make it; raise ConfigError when it cannot be used."""
    where = "journal.data_dir"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        hint = "name a directory that this user may write (--data-dir)"
        raise ConfigError(where, f"{path} cannot be opened: {reason}: {hint}") from error
    try:
        _prepare(database, path)
    except sqlite3.OperationalError as error:
        database.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            problem = f"{path} is in use by another process: end that, or give this one a directory of its own"
            raise ConfigError(where, problem) from error
        raise ConfigError(where, f"{path} cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        database.close()
        raise damaged(path, error) from error
    except ConfigError:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    # Ours alone: a second process is refused, and the index of the log is in memory instead of in a third file.
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    # Has to be said before there is anything in the file. Pages without content can be given back.
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    database.execute("PRAGMA journal_mode = WAL")
    # FULL, because it is what fsyncs the log before a commit returns. NORMAL would survive a kill, but no power cut.
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    # Takes the lock, which is then kept.
    database.execute("BEGIN IMMEDIATE")
    ((application,),) = database.execute("PRAGMA application_id")
    ((version,),) = database.execute("PRAGMA user_version")
    ((tables,),) = database.execute("SELECT count(*) FROM sqlite_schema")
    if not tables and not application:
        for statement in TABLES.strip().split("\n"):
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {APPLICATION}")
        database.execute(f"PRAGMA user_version = {VERSION}")
    elif application != APPLICATION:
        raise ConfigError("journal.data_dir", f"{path} belongs to another program: name another directory")
    elif version > VERSION:
        problem = (
            f"{path} was written by a newer version of edgetally: start that one, or move the file away to begin anew"
        )
        raise ConfigError("journal.data_dir", problem)
    database.execute("COMMIT")


def damaged(path: Path, error: sqlite3.DatabaseError) -> ConfigError:
    """Say that the file is damaged, and what to do."""
    return ConfigError(
        "journal.data_dir",
        f"{path} is damaged ({error}): move it and {path.name}-wal away to begin anew. Followed files are then read "
        "from their end, and what was shown before is gone",
    )
