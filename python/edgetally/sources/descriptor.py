"""What a number of an open file allows."""

import fcntl
import os


def is_readable(descriptor: int) -> bool:
    """Return whether a file is open for reading."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY
    except OSError:
        return False
