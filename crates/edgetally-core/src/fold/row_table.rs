//! A table of rows of counters, found by a second and a key, without a copy of a key that has a row.

use std::marker::PhantomData;

use crate::fold::chunked_vec::ChunkedVec;
use crate::fold::key_interner::{Key, KeyInterner, to_index};
use crate::hash_index::NumberedKeys;
use crate::schema::counters::{CounterOrder, add};

/// How many counters are hot: with one word more, they fill four cache lines.
pub const HOT: usize = 31;

/// The hot counters of one key in one second, which common records touch, and where its cold counters are.
#[derive(Debug)]
#[repr(align(64))]
struct HotRow {
    counters: [u64; HOT],
    /// The number of its cold row from 1; 0 if it has none yet.
    cold: u32,
}

/// The last row of a key. Logs are nearly in order, so this is nearly always the next one, too.
#[derive(Debug, Clone, Copy)]
struct LastRow {
    second: u64,
    row: u32,
}

/// The hash of a key, and the number of the key that has it, probably.
#[derive(Debug, Clone, Copy)]
pub struct KeyCandidate {
    hash: u64,
    number: Option<usize>,
}

/// Rows of counters in the order `O`.
#[derive(Debug)]
pub struct RowTable<O> {
    keys: KeyInterner<LastRow>,
    /// The second and the number of the key of each row.
    rows: NumberedKeys<(u64, u32)>,
    hot: ChunkedVec<HotRow>,
    /// The cold counters, of rows that have any.
    cold: Vec<u64>,
    order: PhantomData<O>,
}

impl<O> Default for RowTable<O> {
    fn default() -> Self {
        Self {
            keys: KeyInterner::default(),
            rows: NumberedKeys::default(),
            hot: ChunkedVec::default(),
            cold: vec![],
            order: PhantomData,
        }
    }
}

/// A row to add to.
pub struct RowMut<'a, O> {
    hot: &'a mut HotRow,
    cold: &'a mut Vec<u64>,
    order: PhantomData<O>,
}

impl<O: CounterOrder> RowMut<'_, O> {
    /// Adds to a counter.
    #[inline]
    pub fn add(&mut self, counter: usize, amount: u64) {
        match self.hot.counters.get_mut(O::position(counter)) {
            Some(counter) => add(counter, amount),
            None if amount == 0 => {}
            None => self.add_cold(O::position(counter) - HOT, amount),
        }
    }

    #[inline(never)]
    fn add_cold(&mut self, position: usize, amount: u64) {
        if self.hot.cold == 0 {
            self.cold.resize(self.cold.len() + cold_counters::<O>(), 0);
            self.hot.cold = to_index(self.cold.len() / cold_counters::<O>());
        }
        add(&mut self.cold[(self.hot.cold as usize - 1) * cold_counters::<O>() + position], amount);
    }
}

/// How many counters of a row are cold.
const fn cold_counters<O: CounterOrder>() -> usize {
    O::COUNTERS - HOT
}

/// The bits of the counters that are not 0.
#[inline]
fn nonzero_bits(counters: &[u64], bits: &[u128]) -> u128 {
    counters.iter().zip(bits).fold(0, |found, (counter, bit)| if *counter == 0 { found } else { found | bit })
}

impl<O: CounterOrder> RowTable<O> {
    /// The key that has the hash of `key`, probably.
    #[inline]
    pub fn candidate(&self, key: Key<'_>) -> KeyCandidate {
        let hash = self.keys.hash(key);
        KeyCandidate { hash, number: self.keys.candidate(hash) }
    }

    /// Loads the candidate's key.
    #[inline]
    pub fn touch_key(&self, found: KeyCandidate) -> u64 {
        found.number.map_or(0, |number| u64::from(self.keys.value(number).row))
    }

    /// Loads what every record touches of the candidate's last row.
    #[inline]
    pub fn touch_row(&self, found: KeyCandidate) -> u64 {
        found.number.map_or(0, |number| self.hot.get(self.keys.value(number).row as usize).counters[0])
    }

    /// The row of `key` in `second`; `found` is its candidate, if it was looked for. A new row is all zeros.
    #[inline]
    pub fn row(&mut self, second: u64, key: Key<'_>, found: Option<KeyCandidate>) -> RowMut<'_, O> {
        let hash = found.map_or_else(|| self.keys.hash(key), |found| found.hash);
        let number = found.and_then(|found| found.number).filter(|number| self.keys.is_key(*number, hash, key));
        let number = number.or_else(|| self.keys.find(hash, key)).unwrap_or_else(|| self.insert(second, hash, key));
        let row = match *self.keys.value_mut(number) {
            last if last.second == second => last.row,
            _ => self.find_row(second, number),
        };
        RowMut { hot: self.hot.get_mut(row as usize), cold: &mut self.cold, order: PhantomData }
    }

    /// Adds `key`, with a row in `second`; returns its number.
    #[inline(never)]
    fn insert(&mut self, second: u64, hash: u64, key: Key<'_>) -> usize {
        let number = self.keys.insert(hash, key, LastRow { second, row: 0 });
        self.find_row(second, number);
        number
    }

    /// The row of a key in another second than its last row, added if it is new.
    #[inline(never)]
    fn find_row(&mut self, second: u64, number: usize) -> u32 {
        let (row, is_new) = self.rows.intern((second, to_index(number)));
        if is_new {
            self.hot.push(HotRow { counters: [0; HOT], cold: 0 });
        }
        *self.keys.value_mut(number) = LastRow { second, row };
        row
    }

    /// Calls `found` with every row, in the order in which they came: its second, its key, and the counters that are not 0.
    pub fn for_each(&self, mut found: impl FnMut(u64, Key<'_>, &[(usize, u64)])) {
        let mut counters = Vec::with_capacity(O::COUNTERS);
        for ((second, number), hot) in self.rows.as_slice().iter().zip(self.hot.iter()) {
            let cold = match hot.cold as usize {
                0 => &[][..],
                row => &self.cold[(row - 1) * cold_counters::<O>()..][..cold_counters::<O>()],
            };
            // Positions are in another order than counters, and most counters are 0. So find those that are not first.
            let (hot_bits, cold_bits) = O::BITS.split_at(HOT);
            let mut set = nonzero_bits(&hot.counters, hot_bits) | nonzero_bits(cold, cold_bits);
            counters.clear();
            while set != 0 {
                let counter = set.trailing_zeros() as usize;
                let position = O::position(counter);
                counters.push((counter, *hot.counters.get(position).unwrap_or_else(|| &cold[position - HOT])));
                set &= set - 1;
            }
            found(*second, self.keys.get(*number as usize), &counters);
        }
    }

    /// Removes every row.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.rows.clear();
        self.hot.clear();
        self.cold.clear();
    }

    /// Memory that the rows take, in bytes, approximately.
    #[must_use]
    pub fn size(&self) -> usize {
        let row = size_of::<(u64, u32)>() + size_of::<HotRow>() + 8;
        self.keys.size() + self.rows.as_slice().len() * row + self.cold.len() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::counters::{bits, positions};

    /// Counters in the order of their numbers, two of them cold.
    #[derive(Debug)]
    struct InOrder;

    impl CounterOrder for InOrder {
        const COUNTERS: usize = HOT + 2;
        const BITS: &'static [u128] = &bits(&positions::<{ HOT + 2 }>(&[]));

        fn position(counter: usize) -> usize {
            counter
        }
    }

    #[test]
    fn rows_are_found_again_by_second_and_key() {
        let key = |scope, name, address| Key { scope, name, address };
        let rows = [
            (1, key(0, b"a", b"")),
            (2, key(0, b"a", b"")),
            (1, key(1, b"a", b"")),
            (1, key(0, b"ab", b"")),
            (1, key(0, b"a", b"b")),
        ]
        .map(|(second, key): (u64, Key<'_>)| (second, key));
        let mut table = RowTable::<InOrder>::default();
        for round in 1..=3 {
            for (second, key) in rows {
                table.row(second, key, None).add(1, 1);
                table.row(second, key, None).add(HOT + 1, 0);
            }
            // Only the last row has a cold counter.
            table.row(rows[4].0, rows[4].1, None).add(HOT + 1, 5);
            let mut got = vec![];
            table.for_each(|second, key, counters| got.push(format!("{second} {key:?} {counters:?}")));
            let want = rows.iter().enumerate().map(|(row, (second, key))| {
                let cold = (row == 4).then_some((HOT + 1, 5 * round));
                let counters: Vec<_> = std::iter::once((1, round)).chain(cold).collect();
                format!("{second} {key:?} {counters:?}")
            });
            assert_eq!(want.collect::<Vec<_>>(), got);
        }
        table.clear();
        table.for_each(|_, _, _| panic!("rows are left"));
    }
}
