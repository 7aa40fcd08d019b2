"""
A command as a process: its standard streams, Ctrl-C and its exit status.

Almost nothing is imported at the top, here and in the package: Ctrl-C during the imports must not show a traceback.
"""

import gc
import signal

INTERRUPTED = 130
"""The exit status of shells for a command that Ctrl-C ended."""

YOUNG_OBJECTS = 100_000
"""New objects after which cycles among them are collected. Imports make some ten thousand, and all of these stay."""


def main(argv: list[str] | None = None) -> int:
    """
    Run a command; return its exit status.

    Args:
        argv: Its arguments. None: those of this process, whose standard streams and Ctrl-C then belong to the command.
    """
    if argv is None:
        gc.set_threshold(YOUNG_OBJECTS)
    # Where the shell has the process ignore Ctrl-C, it stays ignored.
    is_interruptible = argv is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from edgetally.cli import streams  # noqa: PLC0415 - see above
    from edgetally.cli.commands import run_command  # noqa: PLC0415 - see above

    if argv is None:
        streams.open_all()
    try:
        # From here on there may be something to clean up.
        if is_interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return run_command(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        if is_interruptible:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
