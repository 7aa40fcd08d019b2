//! Why a partial cannot be merged.

use crate::partial::version::VERSION;

/// Why bytes are not a partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialError {
    /// Another version wrote the partial.
    UnknownVersion(u8),
    /// The partial is cut off or damaged at this byte.
    Damaged(usize),
}

impl std::fmt::Display for PartialError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownVersion(version) => write!(
                out,
                "expected a partial of version 1 to {VERSION}, got version {version}: upgrade readers before writers"
            ),
            Self::Damaged(at) => write!(out, "partial damaged at byte {at}"),
        }
    }
}

impl std::error::Error for PartialError {}
