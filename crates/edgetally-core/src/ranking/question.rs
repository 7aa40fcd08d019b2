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
    /// The first second of which anything is known; not numbered by `unit`, as it need not be where a minute begins.
    pub since: u64,
    /// The second behind the last of which anything is known, as `since`.
    pub until: u64,
    /// Of which seconds after `since` nothing is known: the first, and the one behind the last, as `since`. They do not
    /// overlap.
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

    /// Whether anything is known of a second, or will be when it is over.
    pub(crate) fn is_known(&self, second: u64) -> bool {
        self.known_seconds(second * self.unit, (second + 1) * self.unit) > 0
    }

    /// How long the known part is of the `len` seconds up to `last`.
    pub(crate) fn known_of(&self, last: u64, len: u64) -> u64 {
        self.known_seconds((last + 1).saturating_sub(len) * self.unit, ((last + 1) * self.unit).min(self.until))
    }

    /// How many are known from `first` to before `behind`, which are not numbered by `unit`.
    fn known_seconds(&self, first: u64, behind: u64) -> u64 {
        let first = first.max(self.since);
        let unknown = |&(start, end): &(u64, u64)| end.min(behind).saturating_sub(start.max(first));
        behind.saturating_sub(first).saturating_sub(self.holes.iter().map(unknown).sum())
    }
}
