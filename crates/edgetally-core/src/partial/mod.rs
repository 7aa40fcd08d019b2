//! Partials: tallies on their way, as bytes that any process of the same version can merge.
//!
//! Merging is addition, so a partial may name a key twice, and the order of its rows means nothing.
//!
//! ```text
//! partial  = section (255 section)*
//! section  = version scopes rows
//! version  = 1
//! scopes   = count (service_id pop count (second records)*)*      who, and how many records per second
//! row      = kind scope second name [address] count (counter value)*      to the end of the section
//! ```
//!
//! A row without counters reserves a place: for its domain, or for its service if the name is empty.
//!
//! Texts are a length and UTF-8, `kind`, `counter` and the count before counters one byte each, everything else is
//! LEB128: seven bits a byte, the lowest first. The counters of a row rise.

mod read;
mod write;

pub use read::{Encoded, Row, Scope, Section, read};
pub use write::Writer;
pub(crate) use write::write_counters;

/// The form that this crate writes, and the only one that it reads.
pub const VERSION: u8 = 1;

/// Stands between two sections, where a row would have its kind.
const SECTION: u8 = 0xFF;

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

/// Appends `section` to `partial`: what either holds, both hold together.
pub fn join(partial: &mut Vec<u8>, section: &[u8]) {
    if !partial.is_empty() && !section.is_empty() {
        partial.push(SECTION);
    }
    partial.extend_from_slice(section);
}
