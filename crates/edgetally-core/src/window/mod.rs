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
mod row_batch;
pub mod sealed;
mod sparse_rows;
pub mod string_interner;
pub mod tally;

use std::collections::BTreeMap;

use crate::partial::{self, PartialError, Section};
use crate::schema::counters::add;
use crate::value::key::OTHER;
use crate::window::reservations::{KnownDomains, Reservations};
use crate::window::row_batch::{RowBatch, Target};
use crate::window::sealed::Sealed;
use crate::window::string_interner::StringInterner;
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
    /// Services; each has the tally whose index is its number.
    services: StringInterner,
    tallies: Vec<Tally>,
}

/// What a merge added to one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged<'a> {
    /// The service.
    pub service_id: &'a str,
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

    /// A partial of reservations for every known domain in the seconds from `first` to `last`; empty if there are none. For
    /// domains that became known since the last call, it also has the seconds from `soon` to `first`.
    ///
    /// It has no effect until it is merged, which must not happen before it is in the journal.
    #[must_use]
    pub fn reservations(&mut self, soon: u64, first: u64, last: u64) -> Vec<u8> {
        // As long as there are few services, they need no reservations.
        let with_services = self.known_domains.services() >= self.max_services / 2;
        self.known_domains.propose(soon, first, last, with_services)
    }

    /// Adds a partial: all of it, or nothing if it is damaged. Returns what it added, by service.
    pub fn merge<'a>(&mut self, bytes: &'a [u8]) -> Result<Vec<Merged<'a>>, PartialError> {
        let sections = partial::read(bytes)?;
        let mut merged = vec![];
        for section in &sections {
            let mut targets = self.merge_records(section, &mut merged);
            self.merge_rows(section, &mut targets)?;
        }
        // A service has a scope for each POP.
        merged.sort_unstable_by_key(|one| one.service_id);
        merged.dedup_by(|next, one| {
            let is_same = next.service_id == one.service_id;
            if is_same {
                add(&mut one.records, next.records);
                add(&mut one.late, next.late);
            }
            is_same
        });
        Ok(merged)
    }

    /// Adds how many records the scopes had, also to `merged`. Returns where the last of each scope were added.
    fn merge_records<'a>(&mut self, section: &Section<'a>, merged: &mut Vec<Merged<'a>>) -> Vec<Option<Target>> {
        let oldest_open = self.oldest_open();
        let mut targets = Vec::with_capacity(section.scopes.len());
        for scope in &section.scopes {
            let (mut records, mut late, mut target) = (0, 0, None);
            for (second, count) in section.records(scope) {
                let found = self.target(scope.service_id, (*second).max(oldest_open));
                let tally = &mut self.open.entry(found.second).or_default().tallies[found.tally];
                add(&mut tally.records, *count);
                add(&mut records, *count);
                if *second < oldest_open {
                    add(&mut tally.late, *count);
                    add(&mut late, *count);
                }
                target = Some(found);
            }
            if target.is_some() {
                merged.push(Merged { service_id: scope.service_id, records, late });
            }
            targets.push(target);
        }
        targets
    }

    fn merge_rows(&mut self, section: &Section<'_>, targets: &mut [Option<Target>]) -> Result<(), PartialError> {
        let oldest_open = self.oldest_open();
        let mut batch = RowBatch::new();
        for row in section.rows() {
            let row = row?;
            let service_id = section.scopes[row.scope].service_id;
            if row.counters.is_empty() {
                if row.second >= oldest_open {
                    self.add_rows(&mut batch, section, targets);
                    self.reserve(service_id, row.name, row.second);
                }
                continue;
            }
            let second = row.second.max(oldest_open);
            if !batch.has_place(second) {
                self.add_rows(&mut batch, section, targets);
            }
            let tally = match &targets[row.scope] {
                Some(target) if target.second == second => target.tally,
                _ => targets[row.scope].insert(self.target(service_id, second)).tally,
            };
            batch.push(second, tally, row);
        }
        self.add_rows(&mut batch, section, targets);
        Ok(())
    }

    /// Adds a reservation, unless it comes too late: when others have overflowed in that second, so may have its domain, or
    /// its service, and a row of its own would lack what counts under `_other` already.
    fn reserve(&mut self, service_id: &str, domain: &[u8], second: u64) {
        if let Some(open) = self.open.get(&second) {
            let tally = open.services.find(service_id.as_bytes()).map(|index| &open.tallies[index as usize]);
            let names = tally.map_or(&open.services, |tally| &tally.domains);
            if names.find(OTHER.as_bytes()).is_some() {
                return;
            }
        }
        let reservations = self.reservations.entry(second).or_default();
        reservations.reserve(service_id, &String::from_utf8_lossy(domain), self.max_services, self.limits.domains);
    }

    /// Adds the rows of a batch, which is empty then.
    fn add_rows(&mut self, batch: &mut RowBatch<'_>, section: &Section<'_>, targets: &mut [Option<Target>]) {
        let second = batch.second();
        let Some(open) = self.open.get_mut(&second) else { return };
        let reservations = self.reservations.get(&second);
        batch.add(&mut open.tallies, &section.scopes, targets, &self.limits, |scope, domain| {
            reservations.is_some_and(|reserved| reserved.has_domain(scope.service_id, &String::from_utf8_lossy(domain)))
        });
    }

    /// The oldest second that is not sealed.
    fn oldest_open(&self) -> u64 {
        self.sealed.map_or(0, |sealed| sealed.saturating_add(1))
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
        sealed.extend((0..).zip(&tallies).map(|(index, tally)| Sealed::new(tally, services.get(index), second)));
        sealed.sort_unstable_by(|one, other| one.service_id.cmp(&other.service_id));
        sealed
    }

    /// Where rows of `service_id` in `second` are added.
    fn target(&mut self, service_id: &str, second: u64) -> Target {
        Target { second, tally: self.tally_index(service_id, second), pop: None }
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
        if let Some(index) = open.services.find(service_id.as_bytes()) {
            return index as usize;
        }
        let reservations = self.reservations.entry(second).or_default();
        let is_admitted = reservations.admit_service(service_id, self.max_services);
        open.tally_index(if is_admitted { service_id } else { OTHER })
    }
}

impl OpenSecond {
    /// The index of the tally of `service_id`, added if it is new.
    fn tally_index(&mut self, service_id: &str) -> usize {
        let index = self.services.intern(service_id.as_bytes()) as usize;
        if index == self.tallies.len() {
            self.tallies.push(Tally::default());
        }
        index
    }
}
