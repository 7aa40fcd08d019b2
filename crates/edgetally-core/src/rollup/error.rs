//! Why history cannot be read, or not be added up.

use std::fmt;

/// Why history cannot be read, or not be added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryError {
    /// Bytes that were not written like this.
    Damaged,
    /// Bytes of another version.
    UnknownVersion(u8),
    /// A second, or a minute, that does not belong to this minute.
    OtherMinute(u64),
    /// Parts whose periods are no whole part of the periods asked for.
    UnevenPeriods(u64),
    /// More values than asked for.
    TooMany,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => write!(f, "the history is damaged (its checksum or its length is wrong)"),
            Self::UnknownVersion(version) => {
                write!(f, "expected history of version {}, got {version}", crate::rollup::columns::VERSION)
            }
            Self::OtherMinute(second) => write!(f, "second {second} is not of this minute"),
            Self::UnevenPeriods(step) => write!(f, "periods of {step} seconds do not add up to those asked for"),
            Self::TooMany => write!(f, "the answer has too many values"),
        }
    }
}

impl std::error::Error for HistoryError {}
