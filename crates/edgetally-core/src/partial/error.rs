//! Why a partial cannot be merged.

use crate::partial::write::VERSION;

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
                "the partial has version {version} and this is version {VERSION}: upgrade the readers before the writers"
            ),
            Self::Damaged(at) => write!(out, "the partial is damaged at byte {at}"),
        }
    }
}

impl std::error::Error for PartialError {}
