//! Why a partial cannot be merged.

use crate::partial::write::VERSION;

/// Why bytes are no partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialError {
    /// Written by another version.
    UnknownVersion(u8),
    /// Cut off or damaged: what is wrong at which byte.
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
