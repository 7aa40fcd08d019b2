"""Why a file cannot be written, where the system or SQLite does not say."""

import os
from pathlib import Path

WRITABLE = "choose a directory that this user may write to"
"""What to do about it."""


def obstacle(path: Path) -> str:
    """
    Say why this user can neither write nor create the file at `path`; empty if nothing is in the way.

    Opens nothing: SQLite's locks on a file end when any descriptor of it is closed.
    """
    try:
        found = next(one for one in (path, *path.parents) if one.exists())
        is_there, is_directory = found == path, found.is_dir()
        if is_directory == is_there:
            return "expected a file, got a directory" if is_there else f"{found}: expected a directory, got a file"
        if os.statvfs(found).f_flag & os.ST_RDONLY:
            return f"{found.parent if is_there else found} is on a read-only file system"
        directory = found.parent if is_there else found
        for one, needed in ((found, os.W_OK), (directory, os.W_OK | os.X_OK)):
            if not os.access(one, needed):
                return f"this user may not write to {one}"
    except OSError as error:
        where = "" if error.filename == str(path) else f"{error.filename}: "
        return f"{where}{error.strerror}"
    return ""
