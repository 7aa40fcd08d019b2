//! The window: the merged rows of the seconds that are still open.
//!
//! ```text
//!            sealed             open
//!   ... ──────────────────┤├──────────────▶ seconds
//!                         ▲│
//!                   seal(s)└ late rows count in the oldest open second
//! ```
//!
//! A window is a pure function of the partials and seals it is given, in their order: another window that is given the same
//! makes the same entries. It reads no clock; it is told when to seal.
//!
//! A reservation lets a domain have its row, or a service its tally, after others have used up the limit.
//! [`Window::reservations`] proposes them.

pub mod channel;
pub mod frozen_rows;
pub mod kept_pops;
pub mod names;
mod reservations;
pub mod sealed;
mod sparse_rows;
pub mod string_interner;
pub mod tally;

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::partial::{self, PartialError, Section};
use crate::schema::counters::add;
use crate::value::key::OTHER;
use crate::window::reservations::{KnownDomains, Reservations};
use crate::window::sealed::Sealed;
use crate::window::tally::{Limits, Tally};

/// The rows of the open seconds.
#[derive(Debug)]
pub struct Window {
    limits: Limits,
    max_services: usize,
    sealed: Option<u64>,
    open: BTreeMap<u64, OpenSecond>,
    /// Open seconds that were compressed to save memory, until more is added to them.
    frozen: BTreeMap<u64, Vec<Sealed>>,
    /// Reservations in seconds that are not sealed.
    reservations: BTreeMap<u64, Reservations>,
    known_domains: KnownDomains,
}

/// The tallies of one second.
#[derive(Debug, Default)]
struct OpenSecond {
    /// Services, and the index of the tally of each.
    services: HashMap<String, usize>,
    tallies: Vec<Tally>,
}

/// Where the rows of a scope are added, as long as they are of the same second.
#[derive(Debug, Clone, Copy)]
struct Target {
    second: u64,
    tally: usize,
    /// The number of its POP in the tally, if it is within the limit.
    pop: Option<u32>,
}

/// What a merge added to one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The service.
    pub service_id: String,
    /// How many records were added.
    pub records: u64,
    /// How many of these were late.
    pub late: u64,
}

impl Window {
    /// An empty window in which every second is open.
    #[must_use]
    pub fn new(limits: Limits, max_services: usize) -> Self {
        Self {
            limits,
            max_services,
            sealed: None,
            open: BTreeMap::new(),
            frozen: BTreeMap::new(),
            reservations: BTreeMap::new(),
            known_domains: KnownDomains::default(),
        }
    }

    /// The newest sealed second.
    #[must_use]
    pub fn sealed(&self) -> Option<u64> {
        self.sealed
    }

    /// The newest second that is sealed, or that has rows or reservations. No partial that was merged so far adds to an entry
    /// of a later second.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        let open = self.open.last_key_value().map(|(second, _)| *second);
        let frozen = self.frozen.last_key_value().map(|(second, _)| *second);
        let reserved = self.reservations.last_key_value().map(|(second, _)| *second);
        open.max(frozen).max(reserved).max(self.sealed)
    }

    /// A partial of reservations for every known domain in the seconds from `first` to `last`; empty if there are none.
    ///
    /// It has no effect until it is merged, which must not happen before it is in the journal.
    #[must_use]
    pub fn reservations(&self, first: u64, last: u64) -> Vec<u8> {
        // As long as there are few services, they need no reservations.
        self.known_domains.propose(first, last, self.known_domains.services() >= self.max_services / 2)
    }

    /// Adds a partial: all of it, or nothing if it is damaged.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<Vec<Merged>, PartialError> {
        let sections = partial::read(bytes)?;
        let oldest_open = self.sealed.map_or(0, |sealed| sealed.saturating_add(1));
        let mut merged: BTreeMap<&str, Merged> = BTreeMap::new();
        for section in &sections {
            for scope in section.scopes.iter().filter(|scope| !scope.records.is_empty()) {
                let service = merged.entry(scope.service_id).or_insert_with(|| Merged {
                    service_id: scope.service_id.to_owned(),
                    records: 0,
                    late: 0,
                });
                for (second, count) in &scope.records {
                    let tally = self.tally(scope.service_id, (*second).max(oldest_open));
                    add(&mut tally.records, *count);
                    add(&mut service.records, *count);
                    if *second < oldest_open {
                        add(&mut tally.late, *count);
                        add(&mut service.late, *count);
                    }
                }
            }
            self.merge_rows(section, oldest_open)?;
        }
        Ok(merged.into_values().collect())
    }

    fn merge_rows(&mut self, section: &Section<'_>, oldest_open: u64) -> Result<(), PartialError> {
        let mut targets: Vec<Option<Target>> = vec![None; section.scopes.len()];
        for row in section.rows() {
            let row = row?;
            let scope = &section.scopes[row.scope];
            if row.counters.is_empty() {
                if row.second >= oldest_open {
                    let domain = String::from_utf8_lossy(row.name);
                    let reservations = self.reservations.entry(row.second).or_default();
                    reservations.reserve(scope.service_id, &domain, self.max_services, self.limits.domains);
                    // A service that overflowed may have a tally now.
                    targets.fill(None);
                }
                continue;
            }
            let second = row.second.max(oldest_open);
            let target = match &mut targets[row.scope] {
                Some(target) if target.second == second => target,
                other => other.insert(Target { second, tally: self.tally_index(scope.service_id, second), pop: None }),
            };
            let tally = &mut self.open.entry(second).or_default().tallies[target.tally];
            let pop = target.pop.unwrap_or_else(|| {
                let overflowed = tally.overflowed;
                let pop = tally.pop(scope.pop, &self.limits);
                // If it is beyond the limit, each of its rows has to be counted as overflowed.
                target.pop = (tally.overflowed == overflowed).then_some(pop);
                pop
            });
            let reservations = &self.reservations;
            let is_reserved = || {
                reservations
                    .get(&second)
                    .is_some_and(|reserved| reserved.has_domain(scope.service_id, &String::from_utf8_lossy(row.name)))
            };
            tally.add(row.kind, pop, row.name, row.address, row.counters, &self.limits, is_reserved);
        }
        Ok(())
    }

    /// Makes every second up to and including `second` final; returns what they hold, by second and then by service.
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
            let frozen = self.frozen.first_key_value().map(|(second, _)| *second);
            let Some(next) = open.into_iter().chain(frozen).min().filter(|next| *next <= second) else {
                self.reservations = self.reservations.split_off(&second.saturating_add(1));
                self.known_domains.observe(&sealed, self.max_services, self.limits.domains);
                return sealed;
            };
            sealed.append(&mut self.take(next));
        }
    }

    /// Compresses all open seconds but the newest `keep`, until more is added to them.
    ///
    /// For long logs, where a second stays open after its last record.
    pub fn freeze(&mut self, keep: usize) {
        while self.open.len() > keep {
            let Some((oldest, _)) = self.open.first_key_value() else {
                return;
            };
            let oldest = *oldest;
            let sealed = self.take(oldest);
            self.frozen.insert(oldest, sealed);
        }
    }

    /// Removes a second, and returns what it holds by service.
    fn take(&mut self, second: u64) -> Vec<Sealed> {
        let mut sealed = self.frozen.remove(&second).unwrap_or_default();
        let OpenSecond { services, tallies } = self.open.remove(&second).unwrap_or_default();
        sealed.extend(services.iter().map(|(service_id, tally)| Sealed::new(&tallies[*tally], service_id, second)));
        sealed.sort_unstable_by(|one, other| one.service_id.cmp(&other.service_id));
        sealed
    }

    /// The tally of `service_id` in `second`.
    fn tally(&mut self, service_id: &str, second: u64) -> &mut Tally {
        let index = self.tally_index(service_id, second);
        &mut self.open.entry(second).or_default().tallies[index]
    }

    /// The index of the tally of `service_id` in `second`, or of the overflow tally.
    fn tally_index(&mut self, service_id: &str, second: u64) -> usize {
        let open = self.open.entry(second).or_insert_with(|| {
            let mut open = OpenSecond::default();
            for sealed in self.frozen.remove(&second).unwrap_or_default() {
                let index = open.tally_index(&sealed.service_id);
                open.tallies[index] = sealed.thaw();
            }
            open
        });
        if let Some(index) = open.services.get(service_id) {
            return *index;
        }
        let reservations = self.reservations.entry(second).or_default();
        let is_admitted = reservations.admit_service(service_id, self.max_services);
        open.tally_index(if is_admitted { service_id } else { OTHER })
    }
}

impl OpenSecond {
    /// The index of the tally of `service_id`, added if it is new.
    fn tally_index(&mut self, service_id: &str) -> usize {
        *self.services.entry_ref(service_id).or_insert_with(|| {
            self.tallies.push(Tally::default());
            self.tallies.len() - 1
        })
    }
}
