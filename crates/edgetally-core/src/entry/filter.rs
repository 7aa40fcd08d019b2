//! A filter: the parts of an entry that are shown.

use std::collections::BTreeSet;

use crate::entry::encode_plan::{EncodePlan, FieldSet};
use crate::window::sealed::SealedRow;
use crate::window::string_interner::SortedStrings;

/// The parts of an entry that are shown. Sums stay those of all POPs.
#[derive(Debug, Clone)]
pub struct EntryFilter {
    /// Whether the split by POP is shown.
    pub by_pop: bool,
    /// The names that are shown; all if there are none. The channel has no names.
    pub names: BTreeSet<String>,
    /// The measurements that are shown; all if there are none.
    pub fields: BTreeSet<String>,
}

impl Default for EntryFilter {
    fn default() -> Self {
        Self { by_pop: true, names: BTreeSet::new(), fields: BTreeSet::new() }
    }
}

impl EntryFilter {
    /// Drops the rows of names that are not shown.
    pub(crate) fn retain(&self, rows: &mut Vec<&SealedRow>, names: &SortedStrings) {
        if !self.names.is_empty() {
            rows.retain(|row| self.names.contains(names.get(row.name())));
        }
    }

    /// Whether a measurement is shown.
    pub(crate) fn shows(&self, field: &str) -> bool {
        self.fields.is_empty() || self.fields.contains(field)
    }

    /// The fields that are shown.
    pub(crate) fn fields(&self, plan: &EncodePlan) -> FieldSet {
        if self.fields.is_empty() {
            // Asking for each of them takes longer than encoding an entry of a few names.
            return [u64::MAX; 3];
        }
        plan.fields_that(|field| self.shows(field))
    }
}
