//! What a ranking is asked for.

use crate::ranking::columns::By;
use crate::schema::dataset::Dataset;

/// The question that a ranking answers.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The service.
    pub service_id: &'a str,
    /// Domains or origins.
    pub dataset: Dataset,
    /// How names are ordered.
    pub by: By,
    /// The most rows.
    pub rows: usize,
    /// The only POP that counts.
    pub pop: Option<&'a str>,
    /// Rows are chosen among the names that contain this, in upper or lower case.
    pub matching: &'a str,
    /// The name that is looked into.
    pub focus: Option<&'a str>,
    /// The second that is shown.
    pub second: u64,
    /// The first second of which anything is known.
    pub since: u64,
    /// Of which seconds after that nothing is known: the first, and the one behind the last.
    pub holes: &'a [(u64, u64)],
    /// How many names have no row, if not all names are given.
    pub others: Option<usize>,
    /// Seconds between the start of a second and its seal.
    pub aggregate_delay: u64,
    /// How many seconds each of them is long: 1, or 60 if they are minutes, which are numbered like seconds. The answer has
    /// seconds.
    pub unit: u64,
}

impl Question<'_> {
    /// The first of the last `len` seconds up to the one that is shown.
    pub(crate) fn first_of(&self, len: u64) -> u64 {
        (self.second + 1).saturating_sub(len)
    }
}
