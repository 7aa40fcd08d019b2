"""
Every metric that the process shows of itself, in the order in which a record passes the rooms.

This list is the only place where they are named: `docs/metrics.md` and the answer to `/metrics` are made of it. What
operators have built alarms on keeps its name.
"""

from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """One metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    means: str
    """A sentence for whoever reads it at three in the morning."""
    labels: tuple[str, ...] = ()


# Sources and the fold.

SOURCE_BYTES = Metric(
    "edgetally_source_bytes_total", "counter", "bytes", "Bytes that came, decompressed, by source.", ("source",)
)
SOURCE_ACCEPTED = Metric(
    "edgetally_source_records_accepted_total", "counter", "lines", "Lines that count, by source.", ("source",)
)
SOURCE_REJECTED = Metric(
    "edgetally_source_records_rejected_total", "counter", "lines", "Lines that do not count, by source.", ("source",)
)
SOURCE_DROPS = Metric(
    "edgetally_source_drops_total",
    "counter",
    "datagrams",
    "Datagrams that the kernel dropped because they were not taken fast enough, by source. They are lost.",
    ("source",),
)
FILE_BEHIND = Metric(
    "edgetally_file_behind_bytes",
    "gauge",
    "bytes",
    "Bytes of a followed file that were written and are not read yet, by source.",
    ("source",),
)
SYSLOG_CONNECTIONS = Metric(
    "edgetally_syslog_connections",
    "gauge",
    "connections",
    "Open connections of syslog over TCP, by source.",
    ("source",),
)
ACCEPTED = Metric("edgetally_records_accepted_total", "counter", "lines", "Lines that count.")
REJECTED = Metric(
    "edgetally_records_rejected_total",
    "counter",
    "lines",
    "Lines that do not count, by reason. The record's page says what to do about each.",
    ("reason",),
)
UNKNOWN_CACHE_WORDS = Metric(
    "edgetally_unknown_cache_words_total",
    "counter",
    "lines",
    "Lines whose word for what the cache did is in no table, by word. They count as neither hit nor miss.",
    ("word",),
)
REJECTS_UNKEPT = Metric(
    "edgetally_rejected_lines_unkept_total",
    "counter",
    "lines",
    "Lines that do not count and could not be written to the file of rejected lines, of those that were meant for it.",
)
FOLD_SECONDS = Metric(
    "edgetally_fold_seconds", "histogram", "seconds", "How long a block took to fold, waiting for a thread included."
)

# The journal.

COMMIT_SECONDS = Metric(
    "edgetally_journal_commit_seconds",
    "histogram",
    "seconds",
    "How long a partial took to become durable. Pushes wait for it.",
)
JOURNAL_FAILING = Metric(
    "edgetally_journal_failing",
    "gauge",
    "",
    "Whether nothing can be made durable (1): pushes are refused, and other sources wait. 0 when all is well.",
)
JOURNAL_FAILURES = Metric(
    "edgetally_journal_failures_total",
    "counter",
    "commits",
    "Commits that failed, because the disk is full or broken. What was in them was refused, or waits.",
)
JOURNAL_COMMITS = Metric(
    "edgetally_journal_commits_total",
    "counter",
    "commits",
    "How often something was made durable on the disk. What comes at the same time is committed together.",
)
JOURNAL_BYTES = Metric("edgetally_journal_bytes", "gauge", "bytes", "Size of the journal's file; 0 if it has none.")
PUSHES_REPEATED = Metric(
    "edgetally_pushes_repeated_total",
    "counter",
    "pushes",
    "Pushes that came again with the same `Idempotency-Key`, and did not count again.",
)

# The window.

MERGE_SECONDS = Metric(
    "edgetally_merge_seconds", "histogram", "seconds", "How long a partial took to merge into the window."
)
SEAL_SECONDS = Metric("edgetally_seal_seconds", "histogram", "seconds", "How long a second took to seal.")
SEALED_SECOND = Metric("edgetally_sealed_second", "gauge", "Unix seconds", "The newest sealed second; 0 before it.")
SEAL_LAG = Metric(
    "edgetally_seal_lag_seconds",
    "gauge",
    "seconds",
    "How long ago the newest sealed second was due. From 0 to 1 when all is well.",
)
SERVICE_RECORDS = Metric(
    "edgetally_service_records_total", "counter", "lines", "Lines that went into the window, by service.", ("service",)
)
SERVICE_LATE = Metric(
    "edgetally_service_records_late_total",
    "counter",
    "lines",
    "Lines that came after their second was sealed and count in a later one, by service.",
    ("service",),
)
SERVICE_OVERFLOWED = Metric(
    "edgetally_service_rows_overflowed_total",
    "counter",
    "rows",
    "Rows of counters that went under `_other` because a limit on keys was reached, by service.",
    ("service",),
)

# The shelf.

SERVICES = Metric("edgetally_services", "gauge", "services", "Services with entries that can be read.")
SHELF_BYTES = Metric("edgetally_shelf_bytes", "gauge", "bytes", "Memory of the sealed seconds, about.")
CACHE_BYTES = Metric("edgetally_entry_cache_bytes", "gauge", "bytes", "Encoded entries that are kept at hand.")
CACHE_HITS = Metric(
    "edgetally_entry_cache_hits_total", "counter", "entries", "Entries that were encoded already when they were needed."
)
CACHE_MISSES = Metric("edgetally_entry_cache_misses_total", "counter", "entries", "Entries that had to be encoded.")
WAITING = Metric("edgetally_waiting_readers", "gauge", "readers", "Readers who wait for the next entry.")

# HTTP.

CONNECTIONS = Metric("edgetally_http_connections", "gauge", "connections", "Open connections.")
PENDING = Metric(
    "edgetally_push_pending_bytes",
    "gauge",
    "bytes",
    "Memory that pushes take until they count, about. At `api.max_pending_bytes`, more are told to come back.",
)
UNFOLDED = Metric(
    "edgetally_push_waiting_bytes", "gauge", "bytes", "What has come of pushes and waits to be folded, as it was sent."
)
UNREAD = Metric("edgetally_unread_bytes", "gauge", "bytes", "Large answers that wait for their readers.")
LIMIT_REACHED = Metric(
    "edgetally_limit_reached_total",
    "counter",
    "",
    "How often a limit turned something away, by the setting. [The limits](limits.md) say what became of it.",
    ("limit",),
)
RESPONSES = Metric(
    "edgetally_http_responses_total",
    "counter",
    "responses",
    "Responses by status and by room: `read` is everything under /v1, `push` is /ingest.",
    ("room", "code"),
)

# The process. These names are those of every Prometheus client.

LOOP_LAG = Metric(
    "edgetally_event_loop_lag_seconds",
    "histogram",
    "seconds",
    "How late the event loop came to a call that was due; it is looked at once a second. All sockets wait for it.",
)
RESIDENT = Metric("process_resident_memory_bytes", "gauge", "bytes", "Memory that the process takes.")
OPEN_FILES = Metric("process_open_fds", "gauge", "files", "Open files and sockets.")
CPU = Metric("process_cpu_seconds_total", "counter", "seconds", "Processor time that the process has used.")
MAX_FILES = Metric("process_max_fds", "gauge", "files", "Files and sockets that may be open.")
STARTED = Metric("process_start_time_seconds", "gauge", "Unix seconds", "When the process started.")
BUILD = Metric("edgetally_build_info", "gauge", "", "Always 1; the version is a label.", ("version", "python"))

METRICS = tuple(one for one in list(globals().values()) if isinstance(one, Metric))
"""All of them."""
