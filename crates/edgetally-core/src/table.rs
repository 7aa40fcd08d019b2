//! Tables: rows of counters found by the bytes of a key, without a copy of a key that is already known.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::counter::Counters;

/// What a row is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// Unix second.
    pub second: u64,
    /// Which service and POP, as a number that the owner of the table gave out.
    pub scope: u32,
    /// The domain, or the name of the origin.
    pub name: &'a [u8],
    /// The address of the origin; empty for a domain.
    pub address: &'a [u8],
}

/// A key without its second: where its parts are, and which row was its last.
///
/// Logs are nearly in order, so the row of a key is nearly always the one that it had the time before. All that a
/// record needs to find its row is then in one place, however many seconds the table holds.
#[derive(Debug)]
struct Known {
    hash: u64,
    second: u64,
    row: u32,
    scope: u32,
    at: u32,
    name_len: u16,
    address_len: u16,
}

/// Rows of `N` counters each.
#[derive(Debug)]
pub struct Table<const N: usize> {
    hasher: RandomState,
    /// Numbers of names by scope and text.
    numbers: HashTable<u32>,
    names: Vec<Known>,
    text: Vec<u8>,
    /// Rows by second and number of the name.
    index: HashTable<u32>,
    rows: Vec<(u64, u32)>,
    counters: Vec<Counters<N>>,
}

impl<const N: usize> Default for Table<N> {
    fn default() -> Self {
        Self {
            // Seeded at random: hosts are chosen by strangers, who must not be able to make them collide.
            hasher: RandomState::default(),
            numbers: HashTable::new(),
            names: vec![],
            text: vec![],
            index: HashTable::new(),
            rows: vec![],
            counters: vec![],
        }
    }
}

impl<const N: usize> Table<N> {
    /// The counters of `key`: zeros when it is new.
    ///
    /// # Panics
    ///
    /// When names take more than 4 GiB, or one more than 64 KiB; owners empty their tables and bound names long before.
    #[inline]
    pub fn row(&mut self, key: Key<'_>) -> &mut Counters<N> {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u32(key.scope);
        hasher.write(key.name);
        if !key.address.is_empty() {
            hasher.write(key.address);
        }
        let hash = hasher.finish();
        let (names, text) = (&self.names, &self.text);
        let known = self.numbers.iter_hash(hash).find(|number| {
            let name = &names[**number as usize];
            name.hash == hash && name.scope == key.scope && {
                let (known, address) = name.parts(text);
                same(known, key.name) && same(address, key.address)
            }
        });
        let row = match known {
            Some(number) if names[*number as usize].second == key.second => names[*number as usize].row,
            Some(number) => {
                let number = *number;
                self.other_row(number, key.second)
            }
            None => self.insert(hash, key),
        };
        &mut self.counters[row as usize]
    }

    /// The row of a name in another second than the one before.
    #[inline(never)]
    fn other_row(&mut self, number: u32, second: u64) -> u32 {
        let hash = self.hasher.hash_one((second, number));
        let (hasher, rows) = (&self.hasher, &self.rows);
        let row = if let Some(row) = self.index.find(hash, |row| rows[*row as usize] == (second, number)) {
            *row
        } else {
            let row = small(rows.len());
            self.rows.push((second, number));
            self.counters.push([0; N]);
            let rows = &self.rows;
            self.index.insert_unique(hash, row, |row| hasher.hash_one(rows[*row as usize]));
            row
        };
        let name = &mut self.names[number as usize];
        (name.second, name.row) = (second, row);
        row
    }

    #[inline(never)]
    fn insert(&mut self, hash: u64, key: Key<'_>) -> u32 {
        let number = small(self.names.len());
        let at = small(self.text.len());
        self.text.extend_from_slice(key.name);
        self.text.extend_from_slice(key.address);
        let (name_len, address_len) = (small(key.name.len()), small(key.address.len()));
        let (second, scope) = (key.second, key.scope);
        self.names.push(Known { hash, second, row: 0, scope, at, name_len, address_len });
        let names = &self.names;
        self.numbers.insert_unique(hash, number, |number| names[*number as usize].hash);
        self.other_row(number, key.second)
    }

    /// Every row, in the order in which they came.
    pub fn rows(&self) -> impl Iterator<Item = (Key<'_>, &Counters<N>)> {
        self.rows.iter().zip(&self.counters).map(|((second, number), counters)| {
            let known = &self.names[*number as usize];
            let (name, address) = known.parts(&self.text);
            (Key { second: *second, scope: known.scope, name, address }, counters)
        })
    }

    /// Forgets every row.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.names.clear();
        self.text.clear();
        self.index.clear();
        self.rows.clear();
        self.counters.clear();
    }

    /// Bytes that the rows take, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let row = size_of::<(u64, u32)>() + size_of::<Counters<N>>() + 8;
        self.rows.len() * row + self.names.len() * (size_of::<Known>() + 8) + self.text.len()
    }
}

impl Known {
    /// Its name and its address in the `text` of all.
    #[inline]
    fn parts<'a>(&self, text: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let (name_len, address_len) = (usize::from(self.name_len), usize::from(self.address_len));
        text[self.at as usize..][..name_len + address_len].split_at(name_len)
    }
}

/// Whether `one` is `other`; names are so short that comparing them here costs less than calling what compares any.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    const WORD: usize = 8;
    if one.len() != other.len() {
        return false;
    }
    let (words, _) = one.as_chunks::<WORD>();
    let (others, _) = other.as_chunks::<WORD>();
    // The last word overlaps those before; what is shorter than a word has none.
    match (one.last_chunk::<WORD>(), other.last_chunk::<WORD>()) {
        (Some(one), Some(other)) => one == other && words.iter().eq(others),
        _ => one.iter().eq(other),
    }
}

fn small<T: TryFrom<usize>>(number: usize) -> T {
    T::try_from(number).ok().expect("tables are emptied before their names take 4 GiB, and names are bounded")
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn texts_are_the_same_when_they_are_equal(
            text in proptest::collection::vec(0..=u8::MAX, 1..40),
            at in 0..40_usize,
        ) {
            let mut other = text.clone();
            proptest::prop_assert!(same(&text, &other));
            other[at % text.len()] ^= 1;
            proptest::prop_assert!(!same(&text, &other));
            proptest::prop_assert!(!same(&text, &text[1..]));
        }
    }

    #[test]
    fn a_row_is_found_again_whatever_its_second() {
        let key = |second, scope, name, address| Key { second, scope, name, address };
        let keys = [
            key(1, 0, b"a", b""),
            key(2, 0, b"a", b""),
            key(1, 1, b"a", b""),
            key(1, 0, b"ab", b""),
            key(1, 0, b"a", b"b"),
        ];
        let mut table = Table::<1>::default();
        for round in 1..=3 {
            for key in keys {
                table.row(key)[0] += 1;
            }
            let want: Vec<_> = keys.iter().map(|key| (*key, [round])).collect();
            assert_eq!(want, table.rows().map(|(key, counters)| (key, *counters)).collect::<Vec<_>>());
        }
        table.clear();
        assert_eq!([0], *table.row(keys[1]));
    }
}
