"""
The lock of a history: one server at a time records into a directory.

It is on a file of its own, so that `edgetally history` and `edgetally token` can work in the directory meanwhile. The
system releases it when the process ends, however it ends.
"""

import fcntl
import os
from pathlib import Path

from edgetally.errors import ConfigError, reason
from edgetally.obstacle import WRITABLE

FILE = "history.lock"


class HistoryLock:
    """Keeps other servers from recording into a directory."""

    def __init__(self, directory: Path) -> None:
        """Take the lock; raise ConfigError when another process has it."""
        path, flags = directory / FILE, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            self._descriptor: int | None = os.open(path, flags, 0o600)
        except OSError as error:
            raise ConfigError("journal.data_dir", f"cannot create {path}: {reason(error)}; {WRITABLE}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            problem = f"the history in {directory} is in use by another process: stop it, or choose another directory"
            raise ConfigError("journal.data_dir", problem) from error
        except OSError:
            pass  # disks of some networks have no locks

    def close(self) -> None:
        """Release it, unless that is done: its number may belong to another file by now."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
