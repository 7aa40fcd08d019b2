//! Admission: which keys get series of their own.
//!
//! Domains come from the open internet, and a key stays for good. So the first half of the domains of a service are
//! admitted at once, and the others when they are seen in a second second: made-up names do not come back.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::exposition::families::{Catalogue, Subject};

/// How many series there may be.
#[derive(Debug, Clone, Copy)]
pub struct SeriesLimits {
    /// All series together. The last fifth is for `_other`.
    pub series: usize,
    /// Domains of one service that have series of their own.
    pub domains: usize,
    /// Origins of one service that have series of their own.
    pub origins: usize,
}

/// Series of a service besides those of its keys.
pub const SERVICE_SERIES: usize = 6;

/// Names that are remembered until they come back, in each of two generations.
const CANDIDATES: usize = 100_000;

/// What a key stands for.
#[derive(Debug, Clone, Copy)]
pub enum Tier {
    /// A domain or an origin.
    Own,
    /// All others of its POP.
    OtherOfPop,
    /// All others of its service.
    OtherOfService,
    /// All others.
    Last,
}

/// Counts series, and says whether there may be more.
#[derive(Debug)]
pub struct Admission {
    limits: SeriesLimits,
    series: usize,
    hasher: RandomState,
    /// The second in which a name was first seen, by the hash of service, subject and name: newer ones, older ones.
    candidates: [HashMap<u64, u64, RandomState>; 2],
}

impl Admission {
    pub fn new(limits: SeriesLimits) -> Self {
        Self { limits, series: 0, hasher: RandomState::default(), candidates: Default::default() }
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.series
    }

    /// Whether there may be one more service. Counts its series if so.
    pub fn admits_service(&mut self) -> bool {
        self.count(SERVICE_SERIES, Tier::OtherOfPop)
    }

    /// Whether there may be one more key of this tier. Counts its series if so.
    pub fn admits_key(&mut self, subject: Subject, tier: Tier) -> bool {
        self.count(Catalogue::get().series(subject), tier)
    }

    /// Whether one more name of a service, which has `names` so far, may have series of its own.
    pub fn admits_name(&mut self, subject: Subject, service_id: &str, name: &str, names: usize, second: u64) -> bool {
        let limit = match subject {
            Subject::Service => return true,
            Subject::Domain => self.limits.domains,
            Subject::Origin => self.limits.origins,
        };
        if names >= limit.div_ceil(2) && names < limit {
            return self.comes_back(subject, service_id, name, second);
        }
        names < limit
    }

    /// Whether the name was seen in an earlier second.
    fn comes_back(&mut self, subject: Subject, service_id: &str, name: &str, second: u64) -> bool {
        let hash = self.hasher.hash_one((subject as u8, service_id, name));
        let [newer, older] = &mut self.candidates;
        if let Some(seen) = newer.get(&hash).or_else(|| older.get(&hash)) {
            return *seen < second;
        }
        if newer.len() >= CANDIDATES {
            *older = std::mem::take(newer);
        }
        newer.insert(hash, second);
        false
    }

    fn count(&mut self, series: usize, tier: Tier) -> bool {
        let admitted = self.has_room(series, tier);
        if admitted {
            self.series += series;
        }
        admitted
    }

    fn has_room(&self, series: usize, tier: Tier) -> bool {
        let tenths = match tier {
            Tier::Own => 8,
            Tier::OtherOfPop => 9,
            Tier::OtherOfService => 10,
            Tier::Last => return true,
        };
        self.series + series <= self.limits.series / 10 * tenths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(series: usize, domains: usize) -> Admission {
        Admission::new(SeriesLimits { series, domains, origins: domains })
    }

    #[test]
    fn the_last_fifth_of_the_series_is_for_the_others() {
        let each = Catalogue::get().series(Subject::Domain);
        let mut admission = admission(100 * each, 1_000);
        for (tier, most) in [(Tier::Own, 80), (Tier::OtherOfPop, 90), (Tier::OtherOfService, 100)] {
            while admission.admits_key(Subject::Domain, tier) {}
            assert_eq!(most * each, admission.series(), "{tier:?}");
        }
        assert!(!admission.admits_service());
        assert!(admission.admits_key(Subject::Domain, Tier::Last));
    }

    #[test]
    fn the_second_half_of_the_names_has_to_come_back() {
        let mut admission = admission(1_000_000, 4);
        let mut admits = |name, names, second| admission.admits_name(Subject::Domain, "svc", name, names, second);
        assert!(admits("a.example", 0, 1) && admits("b.example", 1, 1));
        // Two POPs in one second are no return.
        assert!(!admits("c.example", 2, 1) && !admits("c.example", 2, 1));
        assert!(admits("c.example", 2, 2));
        assert!(!admits("d.example", 4, 1) && !admits("d.example", 4, 2));
    }

    #[test]
    fn names_are_remembered_within_bounds() {
        let mut admission = admission(1_000_000, 2);
        for second in 0..300_000 {
            admission.admits_name(Subject::Domain, "svc", &second.to_string(), 1, second);
        }
        assert!(admission.candidates.iter().map(HashMap::len).sum::<usize>() <= 2 * CANDIDATES);
        assert!(admission.admits_name(Subject::Domain, "svc", "299999", 1, 300_000));
        assert!(!admission.admits_name(Subject::Domain, "svc", "0", 1, 300_000));
    }
}
