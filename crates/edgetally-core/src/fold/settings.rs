//! Settings of a fold: what is known of a source before its first line.

use crate::format::Format;

/// What holds for the records of a source, and what a record may be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Service of records that do not name one.
    pub service_id: String,
    /// POP of records that do not name one.
    pub pop: String,
    /// Services that records may count for; `None`: any service.
    pub services: Option<Vec<String>>,
    /// Longest line in bytes, without its newline.
    pub max_line: usize,
    /// How many seconds a record may lie before now; `None`: any number.
    pub max_lateness: Option<u64>,
    /// How many seconds a record may lie after now; `None`: any number.
    pub max_ahead: Option<u64>,
    /// How records are separated.
    pub framing: Framing,
    /// How records are written.
    pub format: Format,
    /// How many requests a line stands for if it does not say.
    pub weight: u64,
}

/// How the records of a source are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// A newline ends each record.
    #[default]
    Lines,
    /// The same, or one JSON array of records.
    Arrays,
    /// Like lines; a syslog header may precede the record.
    Datagrams,
    /// Syslog over TCP, with octet counting or newlines (RFC 6587).
    Stream,
}

impl Framing {
    /// The framing with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "lines" => Some(Self::Lines),
            "arrays" => Some(Self::Arrays),
            "datagrams" => Some(Self::Datagrams),
            "stream" => Some(Self::Stream),
            _ => None,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service_id: "default".to_owned(),
            pop: "local".to_owned(),
            services: None,
            max_line: 256 * 1024,
            max_lateness: None,
            max_ahead: None,
            framing: Framing::Lines,
            format: Format::default(),
            weight: 1,
        }
    }
}
