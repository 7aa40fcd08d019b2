"""Files that settings name and that are read as a whole: the settings themselves, tokens, certificates."""

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1 << 26
"""A device may have no end."""


def read_file(path: "Path", *, again: bool = False) -> bytes:
    """
    Return what is in a file; raise OSError when it cannot be read. Never waits for a pipe that no process writes to.

    Args:
        path: The file.
        again: It will be read again, so it cannot be a pipe, as a shell makes of `<(…)`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        if is_pipe and again:
            raise OSError("expected a file, got a pipe")
        os.set_blocking(descriptor, True)
        data = file.read(MAX_BYTES + 1)
    if is_pipe and not data:
        raise OSError("expected a file, got a pipe that nothing was written to")
    if len(data) > MAX_BYTES:
        raise OSError(f"expected at most {MAX_BYTES} bytes")
    return data
