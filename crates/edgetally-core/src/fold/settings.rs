//! Settings: what is known of a source before its first line.

use crate::format::Format;

/// What a source says about its records, and what a record may be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Service of records that name none.
    pub service_id: String,
    /// POP of records that name none.
    pub pop: String,
    /// The services that records may count for; any when absent.
    pub services: Option<Vec<String>>,
    /// Longest line, in bytes without its newline.
    pub max_line: usize,
    /// How many seconds before now a record may lie; no bound when absent.
    pub max_lateness: Option<u64>,
    /// How many seconds after now a record may lie; no bound when absent.
    pub max_ahead: Option<u64>,
    /// How records are told apart.
    pub framing: Framing,
    /// How they are written.
    pub format: Format,
    /// How many requests a line stands for that does not say so.
    pub weight: u64,
}

/// How records are told apart in the bytes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// A newline behind each.
    #[default]
    Lines,
    /// The same, or one JSON array of all of them.
    Arrays,
    /// A newline behind each, and perhaps a syslog header before it.
    Datagrams,
    /// A stream of syslog messages: octets counted, or a newline behind each (see [`crate::framing::syslog_stream`]).
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

    /// Whether something may stand before the record.
    pub(crate) const fn has_headers(self) -> bool {
        matches!(self, Self::Datagrams | Self::Stream)
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
