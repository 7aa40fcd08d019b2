//! The Rust half of Edgetally: it counts what edge servers log, exactly.
//!
//! ```text
//! bytes ──framing──▶ lines ──decode──▶ slots ──record──▶ records ──fold──▶ partial      while a log comes in
//! partial ──window──▶ sealed second ──entry──▶ JSON                                     once per second
//!                     sealed seconds ──ranking──▶ JSON                                  when asked for
//!                                   ├─exposition──▶ Prometheus' text                    whenever it is scraped
//!                                   └─rollup──▶ minutes, hours, days ──▶ JSON            kept for years
//! ```
//!
//! The words are those of `docs/glossary.md`:
//!
//! * A **record** is one request, or one fetch from an origin, as an edge server logged it. Its **format** says how it is
//!   written.
//! * **Folding** adds records up into **rows** of **counters**, one row per key, second, service and POP.
//! * A **partial** is a batch of rows. Merging partials is addition, in any order and grouping.
//! * The **window** has the merged rows of the seconds that are still open. A **seal** makes seconds final.
//! * A **sealed second** of a service is the source of its **entries**, one per **dataset**, which show **measurements**:
//!   counters, sums of counters, and ratios of sums.
//! * A **rejection** is a line that does not count. Everything beyond a limit on keys counts under the **overflow** key.
//!
//! Bytes and numbers come in, bytes and numbers go out: no I/O, no clock, no threads, no Python. `docs/record.md` has the
//! fields of a record, and `docs/counters.md` the rules of counting.
//!
//! # Example
//!
//! ```
//! use edgetally_core::{Dataset, Fold, Limits, Settings, Window};
//!
//! let mut fold = Fold::new(Settings::default());
//! fold.feed(b"{\"ts\":1795314035,\"status\":200,\"domain\":\"shop.example\"}\n", 1_795_314_035);
//! assert_eq!(1, fold.report().accepted);
//! let partial = fold.drain();
//!
//! let mut window = Window::new(Limits::default(), 10_000);
//! window.merge(&partial)?;
//! let sealed = window.seal(1_795_314_035);
//!
//! let entry = String::from_utf8(sealed[0].entry(Dataset::Domains))?;
//! let counted = r#"{"shop.example":{"edge_requests":1,"requests":1,"status_200":1,"status_2xx":1}}"#;
//! assert_eq!(format!(r#"{{"recorded":1795314035,"aggregated":{counted},"datacenter":{{"local":{counted}}}}}"#), entry);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

// In the order of the flow. `tests/layers.rs` says which may import which.
mod hash_index;
mod rejection;
mod schema;
mod value;

mod framing;

mod decode;

mod record;
mod wrapper;

mod format;

mod fold;

pub mod partial;

mod cluster;
mod window;

mod entry;

mod exposition;
mod ranking;
mod rollup;

pub use cluster::{
    ENVELOPE_VERSION, EnvelopeError, Id, LogReader, LogSeal, MAX_ENVELOPE_BYTES, PLACEMENT_VERSION, Reading, Refusal,
    envelopes, partition, seal_envelope,
};
pub use entry::Encoder;
pub use entry::filter::EntryFilter;
pub use exposition::admission::SeriesLimits;
pub use exposition::scrape::{Scrape, TextFormat};
pub use exposition::totals::{AGGREGATE, ExpositionNames, PopPlace, SeriesTotals};
pub use fold::Fold;
pub use fold::report::{RejectedLine, Report};
pub use fold::settings::{Framing, Settings};
pub use fold::unknown_words::UnknownWords;
pub use format::detect::detect_format;
pub use format::{Format, FormatError};
pub use partial::PartialError;
pub use ranking::columns::By;
pub use ranking::kept_series::KeptSeries;
pub use ranking::question::Question;
pub use ranking::{columns, ranked_names, ranking};
pub use record::MAX_WEIGHT;
pub use rejection::{Reason, Rejection};
pub use rollup::{
    HistoryError, HistoryQuery, HistoryQuestion, PeriodRows, Rollup, counter_rows, history_lines, merge_minutes,
    names_in, pack, pack_twice, sealed_periods, summed_chunks,
};
pub use schema::dataset::Dataset;
pub use schema::formula::{Formula, Measurement};
pub use schema::measurements::measurements;
pub use value::cache_status::{CACHE_WORDS, CacheStatus};
pub use value::key::{INVALID, MAX_POP_BYTES, MAX_SERVICE_ID_BYTES, OTHER};
pub use window::channel::{Channel, ChannelCounters, ChannelValue};
pub use window::kept_pops::KeptPops;
pub use window::names::domain_names;
pub use window::sealed::Sealed;
pub use window::tally::Limits;
pub use window::{Merged, Window};
pub use wrapper::Wrapper;
