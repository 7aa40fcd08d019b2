//! The window: seconds that are still open, and the moment from which they no longer are.
//!
//! ```text
//!            sealed             open
//!   ... ──────────────────┤├──────────────▶ seconds
//!                         ▲│
//!                   seal(s)└ what comes late is carried into the oldest open second
//! ```
//!
//! A window is a pure function of the partials and seals it was given, in their order: another one that is given the
//! same makes the same entries. It knows no time; a seal is told to it.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::counter::add;
use crate::key::OTHER;
use crate::partial::{self, PartialError};
use crate::sealed::Sealed;
use crate::tally::{Limits, Tally};

/// Tallies of the open seconds.
#[derive(Debug)]
pub struct Window {
    limits: Limits,
    max_services: usize,
    sealed: Option<u64>,
    open: BTreeMap<u64, HashMap<String, Tally>>,
    /// Open seconds that were put away to save memory, until somebody adds to them.
    resting: BTreeMap<u64, Vec<Sealed>>,
}

/// What a merge did for one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The service.
    pub service_id: String,
    /// Records that were added.
    pub records: u64,
    /// Those among them whose second was sealed already.
    pub late: u64,
}

impl Window {
    /// An empty window in which every second is open.
    #[must_use]
    pub fn new(limits: Limits, max_services: usize) -> Self {
        Self { limits, max_services, sealed: None, open: BTreeMap::new(), resting: BTreeMap::new() }
    }

    /// The newest sealed second.
    #[must_use]
    pub fn sealed(&self) -> Option<u64> {
        self.sealed
    }

    /// The newest second that is sealed, or that holds anything: no partial so far adds to an entry after it.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        let open = self.open.last_key_value().map(|(second, _)| *second);
        let resting = self.resting.last_key_value().map(|(second, _)| *second);
        open.max(resting).max(self.sealed)
    }

    /// Adds a partial: all of it, or nothing when it is damaged.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<Vec<Merged>, PartialError> {
        let sections = partial::read(bytes)?;
        let oldest_open = self.sealed.map_or(0, |sealed| sealed.saturating_add(1));
        let mut merged: BTreeMap<&str, Merged> = BTreeMap::new();
        for section in &sections {
            for scope in &section.scopes {
                let known = merged.entry(scope.service_id).or_insert_with(|| Merged {
                    service_id: scope.service_id.to_owned(),
                    records: 0,
                    late: 0,
                });
                for (second, count) in &scope.records {
                    let tally = self.tally(scope.service_id, (*second).max(oldest_open));
                    add(&mut tally.records, *count);
                    add(&mut known.records, *count);
                    if *second < oldest_open {
                        add(&mut known.late, *count);
                    }
                }
            }
            let limits = self.limits;
            for row in section.rows() {
                let row = row?;
                let scope = &section.scopes[row.scope];
                let tally = self.tally(scope.service_id, row.second.max(oldest_open));
                tally.add(row.kind, scope.pop, row.name, row.address, row.counters, &limits);
            }
        }
        Ok(merged.into_values().collect())
    }

    /// Makes every second up to `second` final; what they hold, oldest first, by service in alphabetical order.
    ///
    /// Sealing a second again changes nothing.
    pub fn seal(&mut self, second: u64) -> Vec<Sealed> {
        if self.sealed.is_some_and(|sealed| second <= sealed) {
            return vec![];
        }
        self.sealed = Some(second);
        let mut sealed = vec![];
        loop {
            let open = self.open.first_key_value().map(|(second, _)| *second);
            let resting = self.resting.first_key_value().map(|(second, _)| *second);
            let Some(next) = open.into_iter().chain(resting).min().filter(|next| *next <= second) else {
                return sealed;
            };
            sealed.append(&mut self.take(next));
        }
    }

    /// Puts away all open seconds but the newest `keep`, in the form that sealed ones have, until they are added to.
    ///
    /// For logs without an end, where nothing is ever late.
    pub fn rest(&mut self, keep: usize) {
        while self.open.len() > keep {
            let Some((oldest, _)) = self.open.first_key_value() else {
                return;
            };
            let oldest = *oldest;
            let sealed = self.take(oldest);
            self.resting.insert(oldest, sealed);
        }
    }

    fn take(&mut self, second: u64) -> Vec<Sealed> {
        let mut sealed = self.resting.remove(&second).unwrap_or_default();
        let tallies = self.open.remove(&second).unwrap_or_default();
        sealed.extend(tallies.iter().map(|(service_id, tally)| tally.seal(service_id, second)));
        sealed.sort_unstable_by(|one, other| one.service_id.cmp(&other.service_id));
        sealed
    }

    fn tally(&mut self, service_id: &str, second: u64) -> &mut Tally {
        let services = self.open.entry(second).or_insert_with(|| {
            let resting = self.resting.remove(&second).unwrap_or_default();
            resting.into_iter().map(|sealed| (sealed.service_id.to_string(), sealed.thaw())).collect()
        });
        let known = services.len() < self.max_services || services.contains_key(service_id);
        services.entry_ref(if known { service_id } else { OTHER }).or_default()
    }
}
