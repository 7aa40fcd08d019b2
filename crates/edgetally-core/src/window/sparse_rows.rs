//! Sparse rows: rows of counters in which only counters that are not 0 take memory, and that can grow.
//!
//! In one second a key has about 12 of its 72 counters, and an open second has a row for every host name that clients make
//! up. So a row has a set of its counters that are not 0, and their values in this order, without gaps.

use crate::partial::EncodedCounters;
use crate::schema::counters::{CounterSet, add};

/// The capacities of rows. A row that needs more values moves.
const CAPACITIES: [usize; 5] = [4, 8, 16, 32, 128];

/// Which counters of a row are not 0, and where their values are.
#[derive(Debug, Clone, Copy)]
struct SparseRow {
    counters: CounterSet,
    at: u32,
    /// The index of its capacity.
    capacity: u8,
    count: u8,
}

/// Rows of up to 128 counters, numbered from 0.
#[derive(Debug, Default)]
pub(crate) struct SparseRows {
    rows: Vec<SparseRow>,
    values: Vec<u64>,
    /// Where rows were that have moved, by capacity.
    free: [Vec<u32>; CAPACITIES.len()],
}

impl SparseRows {
    /// Adds a row of zeros with capacity for `count` values, which gets the next number.
    ///
    /// # Panics
    ///
    /// If there are more than 4 billion values, which limits on keys prevent.
    #[expect(clippy::cast_possible_truncation, reason = "there are five capacities")]
    pub fn push(&mut self, count: usize) {
        let capacity = CAPACITIES.iter().position(|capacity| *capacity >= count).unwrap_or(CAPACITIES.len() - 1);
        let at = self.allocate(capacity);
        self.rows.push(SparseRow { counters: [0; 2], at, capacity: capacity as u8, count: 0 });
    }

    /// Loads the values of row `number`.
    #[inline]
    pub fn touch(&self, number: u32) -> u64 {
        self.values[self.rows[number as usize].at as usize]
    }

    /// Adds `counters` to row `number`.
    #[inline]
    pub fn add(&mut self, number: u32, counters: EncodedCounters<'_>) {
        let SparseRow { counters: [low, high], .. } = self.rows[number as usize];
        // Both are in the order of counters, so this walks over both together. `next` is the index of the first value of
        // the row whose counter is in `left`.
        let (mut left, mut next) = (u128::from(low) | u128::from(high) << 64, 0);
        counters.for_each(|counter, value| {
            while (left.trailing_zeros() as usize) < counter {
                left &= left - 1;
                next += 1;
            }
            if left.trailing_zeros() as usize == counter {
                left &= left - 1;
                add(&mut self.values[self.rows[number as usize].at as usize + next], value);
            } else if value == 0 {
                return;
            } else {
                self.insert(number, counter, next, value);
            }
            next += 1;
        });
    }

    /// Gives row `number` a value for a counter that was 0, at index `next` of its values.
    fn insert(&mut self, number: u32, counter: usize, next: usize, value: u64) {
        let SparseRow { count, capacity, .. } = self.rows[number as usize];
        if usize::from(count) == CAPACITIES[usize::from(capacity)] {
            self.grow(number);
        }
        let row = &mut self.rows[number as usize];
        row.counters[counter / 64] |= 1 << (counter % 64);
        row.count += 1;
        let at = row.at as usize + next;
        self.values.copy_within(at..row.at as usize + usize::from(count), at + 1);
        self.values[at] = value;
    }

    /// Moves row `number` to where it has the next capacity.
    #[cold]
    fn grow(&mut self, number: u32) {
        let SparseRow { at: old, capacity, .. } = self.rows[number as usize];
        let at = self.allocate(usize::from(capacity) + 1);
        let values = old as usize..old as usize + CAPACITIES[usize::from(capacity)];
        self.values.copy_within(values, at as usize);
        self.free[usize::from(capacity)].push(old);
        let row = &mut self.rows[number as usize];
        (row.at, row.capacity) = (at, capacity + 1);
    }

    /// Where there are free values for a row of this capacity.
    fn allocate(&mut self, capacity: usize) -> u32 {
        self.free[capacity].pop().unwrap_or_else(|| {
            let at = u32::try_from(self.values.len()).expect("keys are limited");
            self.values.resize(self.values.len() + CAPACITIES[capacity], 0);
            at
        })
    }

    /// The counters of row `number` that are not 0, and their values in this order.
    pub fn get(&self, number: u32) -> (CounterSet, &[u64]) {
        let row = &self.rows[number as usize];
        (row.counters, &self.values[row.at as usize..][..row.count.into()])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::partial::write_counters;

    proptest! {
        #[test]
        fn rows_hold_what_was_added_to_them(
            additions in prop::collection::vec((0..4_u32, prop::collection::btree_map(0..128_usize, 0..300_u64, 0..40)), 0..40),
        ) {
            let mut rows = SparseRows::default();
            for count in [3, 0, 100, 12] {
                rows.push(count);
            }
            let mut want: [BTreeMap<usize, u64>; 4] = Default::default();
            for (number, counters) in additions {
                let mut bytes = vec![];
                write_counters(&mut bytes, counters.iter().map(|(counter, value)| (*counter, *value)));
                rows.add(number, EncodedCounters::at(&bytes, 0));
                for (counter, value) in counters.into_iter().filter(|(_, value)| *value != 0) {
                    *want[number as usize].entry(counter).or_default() += value;
                }
            }
            for (number, want) in (0..).zip(want) {
                let ([low, high], values) = rows.get(number);
                let counters = (0..128).filter(|counter| (u128::from(low) | u128::from(high) << 64) >> counter & 1 == 1);
                prop_assert_eq!(want, counters.zip(values.iter().copied()).collect::<BTreeMap<_, _>>());
            }
        }
    }
}
