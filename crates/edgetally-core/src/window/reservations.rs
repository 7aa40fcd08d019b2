//! Reservations: rows that are kept for known domains, so that a flood of made-up names cannot take them.
//!
//! A client can send any Host header. With a limit alone, the first names of a second would take all of its rows. So the
//! window remembers which domains had a row in more than one second lately, and proposes reservations for them in the
//! next seconds. A proposal has no effect until it stands in the journal as a partial: what is remembered here may differ
//! from one reader to the next, and entries may not.

use hashbrown::{HashMap, HashSet};

use crate::partial::Writer;
use crate::value::key::{INVALID, OTHER};
use crate::window::sealed::Sealed;

/// Seconds after which a domain that was seen once is forgotten, when the next minute of as many seconds begins.
const CANDIDATE_SECONDS: u64 = 60;
/// Seconds after which a known domain, or a service, is forgotten.
const KNOWN_SECONDS: u64 = 300;

/// The most domains that are remembered for all services together: some 20 MB.
const MAX_DOMAINS: usize = 200_000;

/// The reservations of one second.
#[derive(Debug, Default)]
pub struct Reservations {
    /// Services with a reservation, and the domains of each that have one.
    services: HashMap<String, HashSet<Box<str>>>,
    /// How many services have a tally without a reservation.
    others: usize,
}

impl Reservations {
    /// Whether the domain has a reservation.
    pub fn has_domain(&self, service_id: &str, domain: &str) -> bool {
        self.services.get(service_id).is_some_and(|domains| domains.contains(domain))
    }

    /// Reserves a row for a domain, or a tally for its service if `domain` is empty.
    pub fn reserve(&mut self, service_id: &str, domain: &str, max_services: usize, max_domains: usize) {
        if self.services.len() >= max_services && !self.services.contains_key(service_id) {
            return;
        }
        let domains = self.services.entry_ref(service_id).or_default();
        if !domain.is_empty() && domains.len() < max_domains {
            domains.insert(domain.into());
        }
    }

    /// Whether a service that has no tally yet may have one.
    pub fn admit_service(&mut self, service_id: &str, max_services: usize) -> bool {
        if self.services.contains_key(service_id) {
            return true;
        }
        let is_admitted = self.services.len() + self.others < max_services;
        self.others += usize::from(is_admitted);
        is_admitted
    }
}

/// The domains that were seen lately.
#[derive(Debug, Default)]
pub struct KnownDomains {
    services: HashMap<String, KnownService>,
    /// The newest second that was observed, and what it was at the last proposal.
    newest: u64,
    proposed: u64,
}

#[derive(Debug, Default)]
struct KnownService {
    last: u64,
    domains: HashMap<Box<str>, SeenDomain>,
    /// How many of the domains are known.
    known: usize,
}

#[derive(Debug)]
struct SeenDomain {
    last: u64,
    /// The second in which it was seen again. None: it was seen in one only, and is not known.
    known_since: Option<u64>,
}

impl KnownDomains {
    /// Remembers the domains of sealed seconds: of at most `services`, at most `domains` known ones each and as many that
    /// were seen once.
    pub fn observe(&mut self, sealed: &[Sealed], services: usize, domains: usize) {
        let seen: usize = self.services.values().map(|service| service.domains.len()).sum();
        let mut free = MAX_DOMAINS.saturating_sub(seen);
        for one in sealed {
            if self.services.len() < services || self.services.contains_key(&*one.service_id) {
                self.services.entry_ref(&*one.service_id).or_default().observe(one, domains, &mut free);
            }
        }
        if let Some(newest) = sealed.last() {
            self.newest = newest.second;
            self.services.retain(|_, service| service.last + KNOWN_SECONDS >= newest.second);
        }
    }

    /// How many services were seen lately.
    pub fn services(&self) -> usize {
        self.services.len()
    }

    /// A partial of reservations for every known domain in the seconds from `first` to `last`, and for every service if
    /// `with_services`; empty if there are none.
    ///
    /// The seconds from `soon` to `first` are those of proposals that were made durable; after one that was not, `first` is
    /// `soon`. Domains that became known since the last proposal have reservations there, too: they need not wait until
    /// `first`.
    pub fn propose(&mut self, soon: u64, first: u64, last: u64, with_services: bool) -> Vec<u8> {
        let mut services: Vec<_> =
            self.services.iter().filter(|(_, service)| with_services || service.known > 0).collect();
        if services.is_empty() {
            return vec![];
        }
        services.sort_unstable_by_key(|(service_id, _)| *service_id);
        let mut writer = Writer::new(services.iter().map(|(service_id, _)| (&***service_id, "", &[][..])));
        let since = std::mem::replace(&mut self.proposed, self.newest);
        let new: Vec<Vec<_>> = services.iter().map(|(_, service)| service.known(since).collect()).collect();
        for second in soon..first {
            for (scope, names) in (0..).zip(&new).filter(|(_, names)| !names.is_empty()) {
                writer.reserve(scope, second, "");
                for name in names {
                    writer.reserve(scope, second, name);
                }
            }
        }
        for second in first..=last {
            for (scope, (_, service)) in (0..).zip(&services) {
                writer.reserve(scope, second, "");
                for name in service.known(0) {
                    writer.reserve(scope, second, name);
                }
            }
        }
        writer.finish()
    }
}

impl KnownService {
    /// The domains that became known after the second `since`.
    fn known(&self, since: u64) -> impl Iterator<Item = &str> {
        let known = self.domains.iter().filter(move |(_, domain)| domain.known_since.is_some_and(|at| at > since));
        known.map(|(name, _)| &**name)
    }

    /// Remembers the domains of a sealed second; `free` is how many more may be remembered for all services.
    fn observe(&mut self, sealed: &Sealed, max: usize, free: &mut usize) {
        let second = sealed.second;
        if second / CANDIDATE_SECONDS != self.last / CANDIDATE_SECONDS {
            self.forget(second);
        }
        self.last = second;
        for name in sealed.domain_names().filter(|name| *name != OTHER && *name != INVALID) {
            if let Some(domain) = self.domains.get_mut(name) {
                if domain.known_since.is_none() && domain.last != second && self.known < max {
                    domain.known_since = Some(second);
                    self.known += 1;
                }
                domain.last = second;
            } else if self.domains.len() - self.known < max && *free > 0 {
                *free -= 1;
                self.domains.insert(name.into(), SeenDomain { last: second, known_since: None });
            }
        }
    }

    /// Forgets the domains that were not seen for long.
    fn forget(&mut self, second: u64) {
        self.domains.retain(|_, domain| {
            let kept = if domain.known_since.is_some() { KNOWN_SECONDS } else { CANDIDATE_SECONDS };
            domain.last + kept >= second
        });
        self.known = self.domains.values().filter(|domain| domain.known_since.is_some()).count();
    }
}
