"""Exact per-second counters for every domain and every origin of your edge."""
