//! Framing: from bytes to lines, if records are not separated by newlines alone.

pub mod json_array;
pub mod syslog_stream;
