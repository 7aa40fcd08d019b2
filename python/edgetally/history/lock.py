"""
The lock of a history: one server at a time records into a directory.

It is on the directory, so that `edgetally history` can use the file meanwhile. The system releases it when the process
ends, however it ends.
"""

import fcntl
import os
from pathlib import Path

from edgetally.errors import ConfigError


class DirectoryLock:
    """Keeps other servers out of a directory."""

    def __init__(self, directory: Path) -> None:
        """Take the lock; raise ConfigError when another process has it."""
        self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            problem = f"the history in {directory} is in use by another process: stop it, or choose another directory"
            raise ConfigError("journal.data_dir", problem) from error
        except OSError:
            pass  # disks of some networks have no locks on directories

    def close(self) -> None:
        """Release it."""
        os.close(self._descriptor)
