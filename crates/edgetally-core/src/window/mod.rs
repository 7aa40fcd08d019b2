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
//!
//! A place that a partial reserves lets a domain have its row, and a service its tally, when others have used up what
//! the limits admit. [`Window::reservations`] proposes whom to reserve them for.

pub mod frozen_rows;
mod reservations;
pub mod sealed;
mod sparse_rows;
mod string_interner;
pub mod tally;

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use crate::partial::{self, PartialError, Section};
use crate::schema::counters::add;
use crate::value::key::OTHER;
use crate::window::reservations::Regulars;
use crate::window::sealed::Sealed;
use crate::window::tally::{Limits, Tally};

/// Tallies of the open seconds.
#[derive(Debug)]
pub struct Window {
    limits: Limits,
    max_services: usize,
    sealed: Option<u64>,
    open: BTreeMap<u64, Second>,
    /// Open seconds that were put away to save memory, until somebody adds to them.
    resting: BTreeMap<u64, Vec<Sealed>>,
    /// Who has a place in seconds that are not sealed.
    places: BTreeMap<u64, Places>,
    regulars: Regulars,
}

/// The tallies of one second.
#[derive(Debug, Default)]
struct Second {
    /// Services, and which tally is theirs.
    services: HashMap<String, usize>,
    tallies: Vec<Tally>,
}

/// Where the rows of a scope go, as long as they are of the same second.
#[derive(Debug, Clone, Copy)]
struct Known {
    second: u64,
    tally: usize,
    /// The number of its POP, if it has one there.
    pop: Option<u32>,
}

/// Who has a place in one second.
#[derive(Debug, Default)]
struct Places {
    /// Services, and those of their domains that have one.
    services: HashMap<String, HashSet<Box<str>>>,
    /// Services that came without.
    others: usize,
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
        Self {
            limits,
            max_services,
            sealed: None,
            open: BTreeMap::new(),
            resting: BTreeMap::new(),
            places: BTreeMap::new(),
            regulars: Regulars::default(),
        }
    }

    /// The newest sealed second.
    #[must_use]
    pub fn sealed(&self) -> Option<u64> {
        self.sealed
    }

    /// The newest second that is sealed, or that holds anything: no partial so far has a say in an entry after it.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        let open = self.open.last_key_value().map(|(second, _)| *second);
        let resting = self.resting.last_key_value().map(|(second, _)| *second);
        let placed = self.places.last_key_value().map(|(second, _)| *second);
        open.max(resting).max(placed).max(self.sealed)
    }

    /// A partial that reserves places in the seconds from `first` to `last` for all who came back lately; empty when
    /// nobody did. It is for whoever seals, and for nothing until it stands in the journal.
    #[must_use]
    pub fn reservations(&self, first: u64, last: u64) -> Vec<u8> {
        // Where services are few, nobody has to be kept out for them.
        self.regulars.places(first, last, self.regulars.services() >= self.max_services / 2)
    }

    /// Adds a partial: all of it, or nothing when it is damaged.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<Vec<Merged>, PartialError> {
        let sections = partial::read(bytes)?;
        let oldest_open = self.sealed.map_or(0, |sealed| sealed.saturating_add(1));
        let mut merged: BTreeMap<&str, Merged> = BTreeMap::new();
        for section in &sections {
            for scope in section.scopes.iter().filter(|scope| !scope.records.is_empty()) {
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
            self.merge_rows(section, oldest_open)?;
        }
        Ok(merged.into_values().collect())
    }

    fn merge_rows(&mut self, section: &Section<'_>, oldest_open: u64) -> Result<(), PartialError> {
        let mut known: Vec<Option<Known>> = vec![None; section.scopes.len()];
        for row in section.rows() {
            let row = row?;
            let scope = &section.scopes[row.scope];
            if row.counters.is_empty() {
                if row.second >= oldest_open {
                    self.place(scope.service_id, row.second, &String::from_utf8_lossy(row.name));
                    // A service that had none may have one now.
                    known.fill(None);
                }
                continue;
            }
            let second = row.second.max(oldest_open);
            let known = match &mut known[row.scope] {
                Some(known) if known.second == second => known,
                unknown => unknown.insert(Known { second, tally: self.number(scope.service_id, second), pop: None }),
            };
            let tally = &mut self.open.entry(second).or_default().tallies[known.tally];
            let pop = known.pop.unwrap_or_else(|| {
                let overflowed = tally.overflowed;
                let pop = tally.pop(scope.pop, &self.limits);
                // Every row of one that is beyond the limit is counted.
                known.pop = (tally.overflowed == overflowed).then_some(pop);
                pop
            });
            let places = &self.places;
            let has_place = || {
                places
                    .get(&second)
                    .is_some_and(|places| places.has(scope.service_id, &String::from_utf8_lossy(row.name)))
            };
            tally.add(row.kind, pop, row.name, row.address, row.counters, &self.limits, has_place);
        }
        Ok(())
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
                self.places = self.places.split_off(&second.saturating_add(1));
                self.regulars.note(&sealed, self.max_services, self.limits.domains);
                return sealed;
            };
            sealed.append(&mut self.take(next));
        }
    }

    /// Puts away all open seconds but the newest `keep`, in the form that sealed ones have, until they are added to.
    ///
    /// For logs without an end, where nothing is ever late.
    pub fn freeze(&mut self, keep: usize) {
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
        let Second { services, tallies } = self.open.remove(&second).unwrap_or_default();
        sealed.extend(services.iter().map(|(service_id, tally)| Sealed::new(&tallies[*tally], service_id, second)));
        sealed.sort_unstable_by(|one, other| one.service_id.cmp(&other.service_id));
        sealed
    }

    /// The tally of `service_id` in `second`.
    fn tally(&mut self, service_id: &str, second: u64) -> &mut Tally {
        let number = self.number(service_id, second);
        &mut self.open.entry(second).or_default().tallies[number]
    }

    /// Which tally of `second` is that of `service_id`.
    fn number(&mut self, service_id: &str, second: u64) -> usize {
        let open = self.open.entry(second).or_insert_with(|| {
            let mut open = Second::default();
            for sealed in self.resting.remove(&second).unwrap_or_default() {
                let number = open.number(&sealed.service_id);
                open.tallies[number] = sealed.thaw();
            }
            open
        });
        if let Some(number) = open.services.get(service_id) {
            return *number;
        }
        let places = self.places.entry(second).or_default();
        let mut shown = service_id;
        if !places.services.contains_key(service_id) {
            if places.services.len() + places.others < self.max_services {
                places.others += 1;
            } else {
                shown = OTHER;
            }
        }
        open.number(shown)
    }

    /// Reserves a place for a domain, or for its service if `name` is empty.
    fn place(&mut self, service_id: &str, second: u64, name: &str) {
        let places = self.places.entry(second).or_default();
        if places.services.len() >= self.max_services && !places.services.contains_key(service_id) {
            return;
        }
        let domains = places.services.entry_ref(service_id).or_default();
        if !name.is_empty() && domains.len() < self.limits.domains {
            domains.insert(name.into());
        }
    }
}

impl Second {
    /// Which tally is that of `service_id`; it gets one when it has none.
    fn number(&mut self, service_id: &str) -> usize {
        *self.services.entry_ref(service_id).or_insert_with(|| {
            self.tallies.push(Tally::default());
            self.tallies.len() - 1
        })
    }
}

impl Places {
    fn has(&self, service_id: &str, domain: &str) -> bool {
        self.services.get(service_id).is_some_and(|domains| domains.contains(domain))
    }
}
