"""systemd: notifications (sd_notify(3)), and the stream to its journal (systemd.exec(5))."""

import os
import socket
from typing import TextIO


def notify(state: str) -> None:
    """Send `READY=1`, `WATCHDOG=1` or `STOPPING=1` to systemd, if it started this process."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            try:
                # A name that starts with @ is abstract: it is not in the file system.
                sender.sendto(state.encode("ascii"), path.replace("@", "\0", 1) if path[0] == "@" else path)
            except OSError:
                pass  # systemd does not listen any more, which is no reason to stop


def is_systemd_journal(stream: TextIO) -> bool:
    """Return whether `stream` is connected to systemd's journal."""
    status = os.fstat(stream.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
