//! Rollups: the history of a service in minutes, hours and days.
//!
//! ```text
//! sealed seconds ──Rollup──▶ minute ──pack──▶ chunks of minutes, of hours, of days ──HistoryQuery──▶ JSON
//! ```
//!
//! * A **period** is a minute, an hour or a day of UTC.
//! * A **minute** has the rows of all names of a service in one dataset, as bytes.
//! * A **chunk** has the rows of one name in some periods, as bytes: column by column, so that a reader unpacks only what it
//!   was asked for.
//! * A **part** is either, and parts can be added up in any order and grouping.
//!
//! The sum over all names, by POP, is a row like others, under the empty name, which no name can be. With the domains, it has
//! the counters of the service as a whole.

mod adding;
mod bits;
mod body;
mod bytes;
mod column;
mod columns;
mod container;
mod error;
mod lines;
mod metric;
mod name_sum;
mod open_minute;
mod query;
mod rows;
mod sealed_periods;

pub use crate::rollup::adding::{merge_minutes, names_in, pack, pack_twice};
pub use crate::rollup::error::HistoryError;
pub use crate::rollup::lines::history_lines;
pub use crate::rollup::open_minute::Rollup;
pub use crate::rollup::query::{HistoryQuery, HistoryQuestion};
pub use crate::rollup::rows::{counter_rows, summed_chunks};
pub use crate::rollup::sealed_periods::{PeriodRows, sealed_periods};
