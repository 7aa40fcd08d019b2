//! Tables: rows of counters found by a second and a key, without a copy of a key that is already known.

use std::hash::BuildHasher;
use std::marker::PhantomData;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::fold::chunked_vec::Pile;
use crate::fold::key_interner::{Key, Numbered, small};
use crate::schema::counters::{Places, add};

/// Counters that stand in a row itself; with one word more, four cache lines.
pub const HOT: usize = 31;

/// The counters of one key in one second: those that a common record touches, and where the others are.
#[derive(Debug)]
#[repr(align(64))]
struct Hot {
    counters: [u64; HOT],
    /// Which of the cold ones are its own, plus 1; 0 when there are none yet.
    cold: u32,
}

/// Which row a key had last. Logs are nearly in order, so it is nearly always the one wanted.
#[derive(Debug, Clone, Copy)]
struct Last {
    second: u64,
    row: u32,
}

/// Rows of counters, which `P` places.
#[derive(Debug)]
pub struct Table<P> {
    keys: Numbered<Last>,
    /// Rows by second and number of the key.
    index: HashTable<u32>,
    hasher: RandomState,
    rows: Vec<(u64, u32)>,
    hot: Pile<Hot>,
    /// The other counters, of rows that have any.
    cold: Vec<u64>,
    places: PhantomData<P>,
}

impl<P> Default for Table<P> {
    fn default() -> Self {
        Self {
            keys: Numbered::default(),
            index: HashTable::new(),
            hasher: RandomState::default(),
            rows: vec![],
            hot: Pile::default(),
            cold: vec![],
            places: PhantomData,
        }
    }
}

/// One row, to be added to.
pub struct Row<'a, P> {
    hot: &'a mut Hot,
    cold: &'a mut Vec<u64>,
    places: PhantomData<P>,
}

impl<P: Places> Row<'_, P> {
    /// Adds to the counter of this number.
    #[inline]
    pub fn add(&mut self, counter: usize, amount: u64) {
        match self.hot.counters.get_mut(P::place(counter)) {
            Some(counter) => add(counter, amount),
            None if amount == 0 => {}
            None => self.add_cold(P::place(counter) - HOT, amount),
        }
    }

    #[inline(never)]
    fn add_cold(&mut self, place: usize, amount: u64) {
        if self.hot.cold == 0 {
            self.cold.resize(self.cold.len() + cold::<P>(), 0);
            self.hot.cold = small(self.cold.len() / cold::<P>());
        }
        add(&mut self.cold[(self.hot.cold as usize - 1) * cold::<P>() + place], amount);
    }
}

/// How many counters of a row are cold.
const fn cold<P: Places>() -> usize {
    P::COUNTERS - HOT
}

/// The bits of those counters that are not 0.
#[inline]
fn some(counters: &[u64], bits: &[u128]) -> u128 {
    counters.iter().zip(bits).fold(0, |some, (counter, bit)| if *counter == 0 { some } else { some | bit })
}

impl<P: Places> Table<P> {
    /// The row of `key` in `second`: zeros when it is new.
    #[inline]
    pub fn row(&mut self, second: u64, key: Key<'_>) -> Row<'_, P> {
        let hash = self.keys.hash(key);
        let number = self.keys.find(hash, key).unwrap_or_else(|| self.insert(second, hash, key));
        let row = match *self.keys.with(number) {
            last if last.second == second => last.row,
            _ => self.other_row(second, number),
        };
        Row { hot: self.hot.get_mut(row as usize), cold: &mut self.cold, places: PhantomData }
    }

    /// The number of a key that is new, with a row in `second`.
    #[inline(never)]
    fn insert(&mut self, second: u64, hash: u64, key: Key<'_>) -> usize {
        let number = self.keys.insert(hash, key, Last { second, row: 0 });
        self.other_row(second, number);
        number
    }

    /// The row of a key in another second than the one before.
    #[inline(never)]
    fn other_row(&mut self, second: u64, number: usize) -> u32 {
        let (hasher, rows, wanted) = (&self.hasher, &self.rows, (second, small(number)));
        let hash = hasher.hash_one(wanted);
        let row = if let Some(row) = self.index.find(hash, |row| rows[*row as usize] == wanted) {
            *row
        } else {
            let row = small(rows.len());
            self.rows.push(wanted);
            self.hot.push(Hot { counters: [0; HOT], cold: 0 });
            let rows = &self.rows;
            self.index.insert_unique(hash, row, |row| hasher.hash_one(rows[*row as usize]));
            row
        };
        *self.keys.with(number) = Last { second, row };
        row
    }

    /// Hands every row to `found`, in the order in which they came: its second, its key, and those of its counters that
    /// are not 0, by number.
    pub fn each(&self, mut found: impl FnMut(u64, Key<'_>, &[(usize, u64)])) {
        let mut counters = Vec::with_capacity(P::COUNTERS);
        for ((second, number), hot) in self.rows.iter().zip(self.hot.iter()) {
            let cold = match hot.cold as usize {
                0 => &[][..],
                row => &self.cold[(row - 1) * cold::<P>()..][..cold::<P>()],
            };
            // Places are in another order than numbers, and nearly all are 0: so first which are not.
            let (hot_bits, cold_bits) = P::BITS.split_at(HOT);
            let mut set = some(&hot.counters, hot_bits) | some(cold, cold_bits);
            counters.clear();
            while set != 0 {
                let counter = set.trailing_zeros() as usize;
                let place = P::place(counter);
                counters.push((counter, *hot.counters.get(place).unwrap_or_else(|| &cold[place - HOT])));
                set &= set - 1;
            }
            found(*second, self.keys.get(*number as usize), &counters);
        }
    }

    /// Forgets every row.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.index.clear();
        self.rows.clear();
        self.hot.clear();
        self.cold.clear();
    }

    /// Bytes that the rows take, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let row = size_of::<(u64, u32)>() + size_of::<Hot>() + 8;
        self.keys.size() + self.rows.len() * row + self.cold.len() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::counters::{bits, places};

    /// Counters in the order of their numbers, more than are hot.
    #[derive(Debug)]
    struct InOrder;

    impl Places for InOrder {
        const COUNTERS: usize = HOT + 2;
        const BITS: &'static [u128] = &bits(&places::<{ HOT + 2 }>(&[]));

        fn place(counter: usize) -> usize {
            counter
        }
    }

    #[test]
    fn a_row_is_found_again_whatever_its_second() {
        let key = |scope, name, address| Key { scope, name, address };
        let rows = [
            (1, key(0, b"a", b"")),
            (2, key(0, b"a", b"")),
            (1, key(1, b"a", b"")),
            (1, key(0, b"ab", b"")),
            (1, key(0, b"a", b"b")),
        ]
        .map(|(second, key): (u64, Key<'_>)| (second, key));
        let mut table = Table::<InOrder>::default();
        for round in 1..=3 {
            for (second, key) in rows {
                table.row(second, key).add(1, 1);
                table.row(second, key).add(HOT + 1, 0);
            }
            // The last one alone has cold counters.
            table.row(rows[4].0, rows[4].1).add(HOT + 1, 5);
            let mut got = vec![];
            table.each(|second, key, counters| got.push(format!("{second} {key:?} {counters:?}")));
            let want = rows.iter().enumerate().map(|(row, (second, key))| {
                let cold = (row == 4).then_some((HOT + 1, 5 * round));
                let counters: Vec<_> = std::iter::once((1, round)).chain(cold).collect();
                format!("{second} {key:?} {counters:?}")
            });
            assert_eq!(want.collect::<Vec<_>>(), got);
        }
        table.clear();
        table.each(|_, _, _| panic!("rows are forgotten"));
    }
}
