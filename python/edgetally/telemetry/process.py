"""What the operating system knows about this process. What it does not tell everywhere is absent elsewhere."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from edgetally.telemetry.metrics import CPU, MAX_FILES, OPEN_FILES, RESIDENT
from edgetally.telemetry.prometheus import Reading


def process() -> Iterator[Reading]:
    """Read what there is."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        yield RESIDENT, {(): pages * os.sysconf("SC_PAGE_SIZE")}
        # The list itself is open while it is read.
        yield OPEN_FILES, {(): len(os.listdir("/proc/self/fd")) - 1}  # noqa: PTH208 - names are enough
    except OSError:
        pass  # not Linux
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield CPU, {(): usage.ru_utime + usage.ru_stime}
    yield MAX_FILES, {(): resource.getrlimit(resource.RLIMIT_NOFILE)[0]}
