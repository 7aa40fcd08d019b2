//! The names in sealed seconds: which POPs and domains there are.

use hashbrown::HashSet;

use crate::window::sealed::Sealed;

impl Sealed {
    /// The POPs that have a row, in alphabetical order.
    pub fn pop_names(&self) -> impl Iterator<Item = &str> {
        (0..).take(self.pops.len()).map(|rank| self.pops.get(rank))
    }
}

/// The domains of some sealed seconds in alphabetical order, each once: at most `most`, those of the first seconds.
#[must_use]
pub fn domain_names<'a>(sealed: impl IntoIterator<Item = &'a Sealed>, most: usize) -> Vec<&'a str> {
    let mut found = HashSet::new();
    'all: for one in sealed {
        for name in one.domain_names() {
            if found.len() == most {
                break 'all;
            }
            found.insert(name);
        }
    }
    let mut names: Vec<_> = found.into_iter().collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::window::tally::{Limits, Tally};

    /// A sealed second with a row of each pair of a POP and a domain.
    pub fn sealed(rows: &[(u8, u8)]) -> Sealed {
        let limits = Limits { domains: 100, origins: 100, addresses: 100, pops: 100 };
        let mut tally = Tally::default();
        let mut counters = vec![];
        crate::partial::write_counters(&mut counters, [(0, 1)].into_iter());
        for (pop, domain) in rows {
            let pop = tally.pop(&format!("P{pop}"), &limits);
            let counters = crate::partial::EncodedCounters::at(&counters, 0);
            let kind = crate::schema::counters::Kind::Delivery;
            tally.add(kind, pop, format!("{domain}.example").as_bytes(), b"", counters, &limits, || false);
        }
        Sealed::new(&tally, "shop", 1)
    }

    fn sorted<T: Ord>(names: impl Iterator<Item = T>) -> Vec<T> {
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    proptest! {
        #[test]
        fn every_name_is_there_once_and_in_order(seconds in prop::collection::vec(prop::collection::vec((0..5_u8, 0..20_u8), 0..20), 0..5)) {
            let all: Vec<_> = seconds.iter().map(|rows| sealed(rows)).collect();

            for (one, rows) in all.iter().zip(&seconds) {
                prop_assert_eq!(one.pop_names().collect::<Vec<_>>(), sorted(rows.iter().map(|row| format!("P{}", row.0))));
            }
            let domains = sorted(seconds.iter().flatten().map(|row| format!("{}.example", row.1)));
            prop_assert_eq!(domain_names(&all, usize::MAX), domains);
        }

        #[test]
        fn beyond_the_limit_those_of_the_first_seconds_are_there(seconds in prop::collection::vec(prop::collection::vec((0..1_u8, 0..20_u8), 0..20), 1..5), most in 0..20_usize) {
            let all: Vec<_> = seconds.iter().map(|rows| sealed(rows)).collect();

            let found = domain_names(&all, most);

            prop_assert_eq!(found.len(), domain_names(&all, usize::MAX).len().min(most));
            let first = all[0].domain_names().collect::<BTreeSet<_>>();
            let missing = first.iter().filter(|name| !found.contains(name)).count();
            prop_assert_eq!(missing, first.len().saturating_sub(most));
        }
    }
}
