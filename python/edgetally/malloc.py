"""Memory of the process: what it does with what was freed."""

import ctypes

KEPT_BYTES = 64 << 20
"""Memory that may stay with the process although nothing is in it, for what comes next."""


def keep_memory() -> None:
    """
    Have memory stay with the process for a while after it was freed.

    Every block that is read and every push take large pieces of memory for a moment. glibc gives each back to the
    kernel at once, and the next one begins with a fault on every page: a quarter of what a push costs.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # other C libraries have none
        trim_threshold, mmap_threshold, most = -1, -3, 32 << 20
        mallopt(trim_threshold, KEPT_BYTES)
        mallopt(mmap_threshold, most)
