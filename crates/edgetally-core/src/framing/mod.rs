//! Framing: from bytes to lines, where something else than a newline separates records.

pub mod json_array;
pub mod syslog_stream;
