//! The arithmetic of Edgetally.
//!
//! A **record** is *folded* into a **partial**. Partials *merge* into a **window**. A window *seals* seconds, and a
//! sealed second of a service is the source of its **entries**, which an API shows.
//!
//! ```text
//! bytes ──▶ marks ──▶ json ──▶ record ──▶ fold ──▶ partial ──▶ window ──▶ sealed ──▶ entry
//! ```
//!
//! Nothing here does I/O, reads a clock, starts a thread or knows Python: bytes and numbers come in, bytes and
//! numbers go out. What a record is and what counts where is written down in `docs/record.md` and
//! `docs/counters.md`.
#![forbid(unsafe_code)]

mod array;
mod cache;
mod compact;
pub mod counter;
mod digits;
mod entry;
mod fetch;
mod field;
mod fold;
mod frames;
mod guess;
mod json;
pub mod key;
mod layout;
mod line;
mod marks;
pub mod measurement;
mod memory;
mod names;
mod number;
mod numbered;
mod packed;
pub mod partial;
mod pile;
mod plan;
mod record;
mod regulars;
mod reject;
mod report;
mod sealed;
mod settings;
mod status;
mod steps;
mod table;
mod tables;
mod tally;
mod text;
mod time;
mod unknown;
mod values;
mod window;
mod word;

pub use cache::{Cache, WORDS as CACHE_WORDS};
pub use counter::Kind;
pub use entry::Encoder;
pub use fold::Fold;
pub use guess::guess;
pub use layout::Format;
pub use measurement::{Dataset, Measurement, measurements};
pub use partial::PartialError;
pub use reject::{Reason, Reject};
pub use report::{Refused, Report};
pub use sealed::Sealed;
pub use settings::{Framing, Settings};
pub use tally::Limits;
pub use unknown::Unknown;
pub use window::{Merged, Window};
