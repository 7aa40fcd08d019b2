//! The journal of a cluster: partials and seals in the partitions of a log that many write and many read.
//!
//! ```text
//! partials ──split──▶ envelopes ──▶ log ──▶ envelopes, append times ──LogReader──▶ partials that count, effective seals
//! ```
//!
//! A **partition** is an ordered part of the log, and has all of a service. An **envelope** is one message in it: partials
//! with an **id** each, one **part** of a partial that is too large, or a seal. Its **append time** is the broker's.
//!
//! An append whose outcome is not known is sent again under its id, so the log may have copies. All readers see the same
//! order and the same append times, so all of them count the same copy.

mod copies;
mod envelope;
mod id;
mod log_reader;
mod parts;
mod placement;
mod refusal;
mod seals;
mod split;

pub use crate::cluster::envelope::{ENVELOPE_VERSION, EnvelopeError, MAX_ENVELOPE_BYTES, seal_envelope};
pub use crate::cluster::id::Id;
pub use crate::cluster::log_reader::{LogReader, LogSeal, Reading};
pub use crate::cluster::placement::{PLACEMENT_VERSION, partition};
pub use crate::cluster::refusal::Refusal;
pub use crate::cluster::split::envelopes;
