//! Partials: batches of rows, as bytes that any process of the same or a newer version can merge.
//!
//! Merging is addition, so a partial may have two rows with the same key, and the order of its rows does not matter.
//!
//! ```text
//! partial  = section (255 section)*
//! section  = version scopes rows
//! version  = 2                                                   1 has no rows of services
//! scopes   = count (service_id pop count (second records)*)*      how many records a service and POP had per second
//! row      = kind scope second [name [address]] count (counter value)*    to the end of the section
//! ```
//!
//! A row without counters is a reservation: for its domain, or for its service if the name is empty.
//!
//! A text is its length and UTF-8. `kind`, `counter` and the count of counters are one byte each. Any other number is
//! LEB128: seven bits per byte, the lowest first. The counters of a row are in ascending order.

mod bytes;
mod error;
mod read;
mod version;
mod write;

pub(crate) use crate::partial::bytes::{Reader, write_number, write_text};
pub use crate::partial::error::PartialError;
pub use crate::partial::read::{EncodedCounters, PartialRow, Scope, Section, read};
pub use crate::partial::version::VERSION;
pub(crate) use crate::partial::write::write_counters;
pub use crate::partial::write::{Writer, join};
