//! The POPs of every service, as long as a sealed second with them is kept.

use hashbrown::{HashMap, HashSet};

use crate::window::sealed::Sealed;

/// The newest sealed second of every POP, by service.
#[derive(Debug, Default)]
pub struct KeptPops {
    services: HashMap<String, HashMap<String, u64>>,
}

impl KeptPops {
    /// Adds a sealed second, which is newer than those of its service before.
    pub fn add(&mut self, sealed: &Sealed) {
        let pops = self.services.entry_ref(&*sealed.service_id).or_default();
        for pop in sealed.pop_names() {
            *pops.entry_ref(pop).or_default() = sealed.second;
        }
    }

    /// Forgets the seconds up to `last`.
    pub fn forget(&mut self, last: u64) {
        self.services.retain(|_, pops| {
            pops.retain(|_, newest| *newest > last);
            !pops.is_empty()
        });
    }

    /// The POPs that these services have in seconds after `after`, in alphabetical order, each once.
    pub fn of<'a>(&'a self, services: impl IntoIterator<Item = &'a str>, after: u64) -> Vec<&'a str> {
        let mut kept = HashSet::new();
        for pops in services.into_iter().filter_map(|service_id| self.services.get(service_id)) {
            kept.extend(pops.iter().filter(|(_, newest)| **newest > after).map(|(pop, _)| pop.as_str()));
        }
        let mut kept: Vec<_> = kept.into_iter().collect();
        kept.sort_unstable();
        kept
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::window::names::tests::sealed;

    proptest! {
        #[test]
        fn the_pops_of_a_service_are_those_of_its_kept_seconds(
            traffic in prop::collection::vec((0..2_u8, prop::collection::vec((0..4_u8, 0..1_u8), 1..4)), 0..12),
            forgotten in 0..12_u64,
            after in 0..12_u64,
        ) {
            let mut kept = KeptPops::default();
            let mut seconds = vec![];
            for (second, (service, rows)) in (1..).zip(&traffic) {
                let mut one = sealed(rows);
                one.service_id = format!("s{service}").into();
                one.second = second;
                kept.add(&one);
                seconds.push(one);
            }
            kept.forget(forgotten);
            for services in [&["s0"][..], &["s1"], &["s2"], &[], &["s1", "s0", "s2"]] {
                let newer = |one: &&Sealed| services.contains(&&*one.service_id) && one.second > after.max(forgotten);
                let want: BTreeSet<_> = seconds.iter().filter(newer).flat_map(Sealed::pop_names).collect();
                prop_assert_eq!(kept.of(services.iter().copied(), after), want.into_iter().collect::<Vec<_>>());
            }
            kept.forget(99);
            prop_assert!(kept.services.is_empty());
        }
    }
}
