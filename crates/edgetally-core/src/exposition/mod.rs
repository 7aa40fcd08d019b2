//! Exposition: what was counted since the start of the process, as Prometheus reads it, with the names of
//! fastly-exporter.
//!
//! ```text
//! sealed second ──totals──▶ counters that only grow ──snapshot──▶ scrape ──▶ text
//! ```

pub mod admission;
mod families;
mod labels;
pub mod scrape;
mod snapshot;
pub mod totals;
