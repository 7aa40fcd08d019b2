"""A word to systemd, if that is who started us: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html."""

import os
import socket


def notify(state: str) -> None:
    """Say `READY=1`, `WATCHDOG=1` or `STOPPING=1` to whoever supervises the process; nothing when nobody does."""
    if where := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as supervisor:
            try:
                # A name that begins with @ is not in the file system.
                supervisor.sendto(state.encode("ascii"), where.replace("@", "\0", 1) if where[0] == "@" else where)
            except OSError:
                pass  # it listens no more, and we do not stop for that
