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

mod error;
mod read;
mod write;

pub use crate::partial::error::PartialError;
pub use crate::partial::read::{Encoded, Row, Scope, Section, read};
pub(crate) use crate::partial::write::write_counters;
pub use crate::partial::write::{VERSION, Writer, join};
