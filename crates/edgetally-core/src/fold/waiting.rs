//! A record between being read and being counted.

use crate::fold::row_table::KeyCandidate;
use crate::record::Record;
use crate::record::extras::Extras;

/// A record that was read and is not counted yet.
#[derive(Debug)]
pub struct Waiting<'b> {
    pub record: Record<'b>,
    pub extras: Option<Extras>,
    pub second: u64,
    /// The number of its service and POP.
    pub scope: u32,
    pub weight: u64,
    /// The keys of its domain and of its first fetch, as far as they were looked up.
    pub domain: Option<KeyCandidate>,
    pub origin: Option<KeyCandidate>,
}
