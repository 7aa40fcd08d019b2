"""The memory allocator of the C library."""

import ctypes

TRIM_BYTES = 64 << 20
"""Free memory that the process keeps for what comes next."""

MMAP_BYTES = 32 << 20
"""Allocations up to this size reuse freed memory; larger ones are mapped. glibc allows no more."""

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


def keep_memory() -> None:
    """
    Have the allocator keep freed memory instead of giving it back to the kernel at once.

    Every block that is read and every push need large pieces of memory for a moment. Giving each back and getting it
    again means a page fault for every page: a quarter of what a push costs.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # only glibc has it
        mallopt(M_TRIM_THRESHOLD, TRIM_BYTES)
        mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
