"""
Every metric at `/metrics`, in the order of the flow.

Metrics are named here and nowhere else: `docs/metrics.md` is generated from this list. Dashboards and alerts are built
on these names, so they stay.
"""

from edgetally.telemetry.prometheus import Metric

# Sources.

DATAGRAMS_DROPPED = Metric(
    "edgetally_source_datagrams_dropped_total",
    "counter",
    "datagrams",
    "Datagrams dropped by the kernel because they were not read fast enough, by source. They are lost.",
    ("source",),
)
FILE_LAG = Metric(
    "edgetally_file_lag_bytes",
    "gauge",
    "bytes",
    "Bytes of a followed file that are written and not read yet, by source.",
    ("source",),
)
FILE_AVAILABLE = Metric(
    "edgetally_file_available",
    "gauge",
    "",
    "Whether a followed file can be read: 1, or 0 while it is missing or reading fails, by source.",
    ("source",),
)
SYSLOG_CONNECTIONS = Metric(
    "edgetally_syslog_connections", "gauge", "connections", "Open syslog connections over TCP, by source.", ("source",)
)

# Ingest.

SOURCE_BYTES = Metric(
    "edgetally_source_bytes_total", "counter", "bytes", "Bytes received, decompressed, by source.", ("source",)
)
SOURCE_ACCEPTED = Metric(
    "edgetally_source_records_accepted_total", "counter", "lines", "Lines accepted, by source.", ("source",)
)
SOURCE_REJECTED = Metric(
    "edgetally_source_records_rejected_total", "counter", "lines", "Lines rejected, by source.", ("source",)
)
ACCEPTED = Metric("edgetally_records_accepted_total", "counter", "lines", "Lines accepted.")
REJECTED = Metric(
    "edgetally_records_rejected_total",
    "counter",
    "lines",
    "Lines rejected, by reason. The log and `/rejected` show some of them. `other_log` is not an error.",
    ("reason",),
)
WITHOUT_TIME = Metric(
    "edgetally_records_without_time_total",
    "counter",
    "lines",
    "Lines accepted that say no time. They count in the second in which they arrived.",
)
UNKNOWN_CACHE_WORDS = Metric(
    "edgetally_unknown_cache_words_total",
    "counter",
    "lines",
    "Lines whose cache status is an unknown word, by word. They count as neither hit nor miss.",
    ("word",),
)
FOLD_DURATION = Metric(
    "edgetally_fold_duration_seconds",
    "histogram",
    "seconds",
    "Time to fold a block, including the wait for readers and for a thread.",
)
COMMIT_DURATION = Metric(
    "edgetally_journal_commit_duration_seconds",
    "histogram",
    "seconds",
    "Time until a partial was durable. Pushes wait for it.",
)
REJECTED_DROPPED = Metric(
    "edgetally_rejected_lines_dropped_total",
    "counter",
    "lines",
    "Rejected lines missing from `rejected.jsonl`, because it could not be written or too many came at once.",
)
PENDING = Metric(
    "edgetally_push_pending_bytes",
    "gauge",
    "bytes",
    "Memory of pushes not committed yet, approximately. At `api.max_pending_bytes`, more pushes get 429.",
)
PUSHES_REPEATED = Metric(
    "edgetally_pushes_repeated_total",
    "counter",
    "pushes",
    "Pushes repeated with the same `Idempotency-Key`, and not counted again.",
)

# The journal.

JOURNAL_FAILING = Metric(
    "edgetally_journal_failing",
    "gauge",
    "",
    "Whether the journal cannot be written (1) or can (0). While 1, pushes get 503 and other sources wait.",
)
COMMIT_FAILURES = Metric(
    "edgetally_journal_commit_failures_total",
    "counter",
    "commits",
    "Commits that failed because the disk is full or broken. Pushes in them were refused, other sources retry.",
)
COMMITS = Metric(
    "edgetally_journal_commits_total", "counter", "commits", "Commits to disk, one fsync each (group commit)."
)
JOURNAL_SIZE = Metric("edgetally_journal_size_bytes", "gauge", "bytes", "Size of the journal file; 0 in memory.")

# The journal in Kafka. Other journals have no values here.

CLUSTER_ACKNOWLEDGED = Metric(
    "edgetally_cluster_acknowledged_total", "counter", "appends", "Appends that the brokers have acknowledged."
)
CLUSTER_WAITING = Metric(
    "edgetally_cluster_waiting", "gauge", "appends", "Appends that the brokers have not acknowledged yet."
)
CLUSTER_WAITING_BYTES = Metric(
    "edgetally_cluster_waiting_bytes", "gauge", "bytes", "Their size. At `journal.max_pending`, pushes get 503."
)
CLUSTER_WAITING_SECONDS = Metric(
    "edgetally_cluster_waiting_seconds",
    "gauge",
    "seconds",
    "How long the oldest of them waits. Above 2, pushes get 503.",
)
CLUSTER_OUTBOX = Metric(
    "edgetally_cluster_outbox", "gauge", "appends", "Appends of followed files that wait on disk for the brokers."
)
CLUSTER_OUTBOX_EXPIRED = Metric(
    "edgetally_cluster_outbox_expired_total", "counter", "lines", "Lines dropped, as `outbox_expired` says."
)
CLUSTER_CLOCK_AHEAD = Metric(
    "edgetally_cluster_clock_ahead_seconds",
    "gauge",
    "seconds",
    "Own clock minus that of the brokers, from the newest acknowledgement.",
)
CLUSTER_BEHIND = Metric(
    "edgetally_cluster_behind_seconds",
    "gauge",
    "seconds",
    "Age of the newest append that was read, by partition. Normally between 0 and 1: each has a seal a second.",
    ("partition",),
)
CLUSTER_POSITION = Metric(
    "edgetally_cluster_position", "gauge", "", "Position up to which a partition was read.", ("partition",)
)
CLUSTER_END = Metric("edgetally_cluster_end", "gauge", "", "Position of its newest append known of.", ("partition",))
CLUSTER_COPIES = Metric(
    "edgetally_cluster_copies_total", "counter", "appends", "Copies of appends that were recognised, and not counted."
)
CLUSTER_REFUSED = Metric(
    "edgetally_cluster_refused_total",
    "counter",
    "appends",
    "Appends that came too late for copies to be recognised. Their senders know, and append them anew.",
)
CLUSTER_SEALS = Metric("edgetally_cluster_seals_total", "counter", "seals", "Seals that this node has written.")
CLUSTER_WRITERS = Metric(
    "edgetally_cluster_writer_changes_total",
    "counter",
    "",
    "Times that another node than before wrote the newest seal.",
)

CLUSTER = tuple(one for name, one in list(globals().items()) if name.startswith("CLUSTER_"))
"""Those of the journal in Kafka, in the order of this file."""

# The window.

MERGE_DURATION = Metric(
    "edgetally_merge_duration_seconds", "histogram", "seconds", "Time to merge a partial into the window."
)
SEAL_DURATION = Metric("edgetally_seal_duration_seconds", "histogram", "seconds", "Time to seal a second.")
LAST_SEALED = Metric(
    "edgetally_last_sealed_timestamp_seconds",
    "gauge",
    "seconds",
    "Unix time of the newest sealed second; 0 before the first.",
)
SEAL_LAG = Metric(
    "edgetally_seal_lag_seconds",
    "gauge",
    "seconds",
    "Time since the newest sealed second was due. Normally between 0 and 1.",
)
SERVICE_RECORDS = Metric(
    "edgetally_service_records_total", "counter", "lines", "Lines of sealed seconds, by service.", ("service",)
)
SERVICE_LATE = Metric(
    "edgetally_service_records_late_total",
    "counter",
    "lines",
    "Lines whose second was sealed already, by service. They count in the oldest open second.",
    ("service",),
)
SERVICE_OVERFLOWED = Metric(
    "edgetally_service_rows_overflowed_total",
    "counter",
    "rows",
    "Rows counted under `_other` because a limit on keys was reached, by service.",
    ("service",),
)

# The shelf.

SERVICES = Metric("edgetally_services", "gauge", "services", "Services with entries on the shelf.")
SHELF_BYTES = Metric("edgetally_shelf_bytes", "gauge", "bytes", "Memory of the sealed seconds, approximately.")
CACHE_BYTES = Metric("edgetally_entry_cache_bytes", "gauge", "bytes", "Size of the cached encoded entries.")
CACHE_HITS = Metric("edgetally_entry_cache_hits_total", "counter", "entries", "Entries served from the cache.")
CACHE_MISSES = Metric("edgetally_entry_cache_misses_total", "counter", "entries", "Entries that had to be encoded.")
WAITING_READERS = Metric(
    "edgetally_waiting_readers", "gauge", "readers", "Readers in a long poll, waiting for the next entry."
)

EXPORTED_SERIES = Metric("edgetally_exported_series", "gauge", "series", "Series at /fastly/metrics.")
EXPORTED_OVERFLOWED = Metric(
    "edgetally_exported_rows_overflowed_total",
    "counter",
    "rows",
    "Rows counted under `_other` at /fastly/metrics because a limit of `fastly_metrics` was reached.",
)
STREAMS = Metric("edgetally_streams", "gauge", "streams", "Open streams of entries and rankings.")

# History.

HISTORY_FAILING = Metric(
    "edgetally_history_failing",
    "gauge",
    "",
    "Whether the history cannot be written (1) or can (0). While 1, its minutes wait in memory; records are counted.",
)
HISTORY_COMMITS = Metric("edgetally_history_commits_total", "counter", "commits", "Minutes committed to the history.")
HISTORY_COMMIT_FAILURES = Metric(
    "edgetally_history_commit_failures_total", "counter", "commits", "Commits to the history that failed."
)
HISTORY_COMMIT_DURATION = Metric(
    "edgetally_history_commit_duration_seconds",
    "histogram",
    "seconds",
    "Time until a minute was durable. Nothing waits for it.",
)
HISTORY_LEFT_OUT = Metric(
    "edgetally_history_minutes_left_out_total",
    "counter",
    "minutes",
    "Minutes that are missing from the history because it could not be written for too long.",
)
HISTORY_OVERFLOWED = Metric(
    "edgetally_history_rows_overflowed_total",
    "counter",
    "rows",
    "Rows counted under `_other` because an open minute had `history.max_open_names` names.",
)
HISTORY_SIZE = Metric("edgetally_history_size_bytes", "gauge", "bytes", "Bytes of the history's file in use.")
LAST_RECORDED = Metric(
    "edgetally_history_last_committed_timestamp_seconds",
    "gauge",
    "seconds",
    "Unix time of the newest second in the history; 0 before the first.",
)

# HTTP.

CONNECTIONS = Metric("edgetally_http_connections", "gauge", "connections", "Open HTTP connections.")
REQUEST_BUFFERED = Metric(
    "edgetally_http_request_buffered_bytes",
    "gauge",
    "bytes",
    "Bytes of request bodies received and not folded yet, as they were sent. Limited by `clients.max_waiting_bytes`.",
)
RESPONSE_BUFFERED = Metric(
    "edgetally_http_response_buffered_bytes",
    "gauge",
    "bytes",
    "Bytes of large responses not yet taken by their readers. Limited by `clients.max_unread_bytes`.",
)
RESPONSES = Metric(
    "edgetally_http_responses_total",
    "counter",
    "responses",
    "HTTP responses by endpoint and status: `read` is everything under /v1, `push` is /ingest.",
    ("endpoint", "code"),
)

# The process.

LIMIT_REACHED = Metric(
    "edgetally_limit_reached_total",
    "counter",
    "",
    "Times a limit was reached, by setting.",
    ("limit",),
)
LOOP_LAG = Metric(
    "edgetally_event_loop_lag_seconds",
    "histogram",
    "seconds",
    "Delay of a timer on the event loop, measured once a second. Every connection is delayed by as much.",
)
BUILD = Metric("edgetally_build_info", "gauge", "", "Always 1; the labels name the versions.", ("version", "python"))

# With the names of Prometheus' client libraries.

VIRTUAL = Metric("process_virtual_memory_bytes", "gauge", "bytes", "Virtual memory.")
RESIDENT = Metric("process_resident_memory_bytes", "gauge", "bytes", "Resident memory.")
STARTED = Metric("process_start_time_seconds", "gauge", "seconds", "Unix time at which the process started.")
CPU = Metric("process_cpu_seconds_total", "counter", "seconds", "CPU time, user and system.")
OPEN_FILES = Metric("process_open_fds", "gauge", "files", "Open file descriptors: files and connections.")
MAX_FILES = Metric("process_max_fds", "gauge", "files", "Maximum number of open file descriptors.")

METRICS = tuple(one for one in list(globals().values()) if isinstance(one, Metric))
"""All metrics, in the order of this file."""
