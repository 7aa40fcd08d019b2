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

mod schema;

mod framing;
mod value;

mod decode;
mod record;
mod rejection;

mod format;

mod fold;

pub mod partial;

mod window;

mod entry;

pub use entry::Encoder;
pub use fold::Fold;
pub use fold::report::{Refused, Report};
pub use fold::settings::{Framing, Settings};
pub use fold::unknown_words::Unknown;
pub use format::detect::detect_format;
pub use format::{Format, FormatError};
pub use partial::PartialError;
pub use record::MAX_WEIGHT;
pub use rejection::{Reason, Reject};
pub use schema::measurements::{Dataset, Formula, Measurement, measurements};
pub use value::cache_status::{Cache, WORDS as CACHE_WORDS};
pub use value::key::{INVALID, MAX_POP_BYTES, MAX_SERVICE_ID_BYTES, OTHER};
pub use window::sealed::Sealed;
pub use window::tally::Limits;
pub use window::{Merged, Window};
