//! What was found before a record.

/// What stands before a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// A syslog header, with or without its priority.
    Syslog,
    /// The header of a container runtime's log.
    Cri {
        /// Whether the line goes on in the next one of its stream.
        is_part: bool,
        /// Whether it came from standard error.
        is_stderr: bool,
    },
    /// A time alone.
    Time,
    /// The name of a container.
    Name,
    /// The name of a field of a server-sent event.
    Event,
    /// The name of a field of an entry of the journal of systemd.
    Field,
    /// The columns of Caddy's console format.
    Console,
}

/// A prefix, and what it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Which prefix it is.
    pub prefix: Prefix,
    /// The first byte behind it.
    pub end: usize,
    /// The second that stands in it, if that is complete: a year and an offset from UTC.
    pub second: Option<u64>,
}
