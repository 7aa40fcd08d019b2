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

/// Where the parts of a row's key are.
#[derive(Debug)]
struct Head {
    hash: u64,
    second: u64,
    scope: u32,
    name: u32,
    address: u32,
    end: u32,
}

/// Rows of `N` counters each.
#[derive(Debug)]
pub struct Table<const N: usize> {
    hasher: RandomState,
    index: HashTable<u32>,
    heads: Vec<Head>,
    counters: Vec<Counters<N>>,
    names: Vec<u8>,
}

impl<const N: usize> Default for Table<N> {
    fn default() -> Self {
        // Seeded at random: hosts are chosen by strangers, who must not be able to make them collide.
        Self { hasher: RandomState::default(), index: HashTable::new(), heads: vec![], counters: vec![], names: vec![] }
    }
}

impl<const N: usize> Table<N> {
    /// The counters of `key`: zeros when it is new.
    ///
    /// # Panics
    ///
    /// When names take more than 4 GiB; owners empty their tables long before.
    #[inline]
    pub fn row(&mut self, key: Key<'_>) -> &mut Counters<N> {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(key.second ^ (u64::from(key.scope) << 32));
        hasher.write(key.name);
        if !key.address.is_empty() {
            hasher.write(key.address);
        }
        let hash = hasher.finish();
        let (heads, names) = (&self.heads, &self.names);
        let found = self.index.find(hash, |row| {
            let head = &heads[*row as usize];
            head.hash == hash
                && head.second == key.second
                && head.scope == key.scope
                && names[head.name as usize..head.address as usize] == *key.name
                && names[head.address as usize..head.end as usize] == *key.address
        });
        let row = match found {
            Some(row) => *row as usize,
            None => self.insert(hash, key),
        };
        &mut self.counters[row]
    }

    #[inline(never)]
    fn insert(&mut self, hash: u64, key: Key<'_>) -> usize {
        let row = self.heads.len();
        let name = offset(self.names.len());
        self.names.extend_from_slice(key.name);
        let address = offset(self.names.len());
        self.names.extend_from_slice(key.address);
        let end = offset(self.names.len());
        self.heads.push(Head { hash, second: key.second, scope: key.scope, name, address, end });
        self.counters.push([0; N]);
        let heads = &self.heads;
        self.index.insert_unique(hash, offset(row), |row| heads[*row as usize].hash);
        row
    }

    /// Every row, in the order in which they came.
    pub fn rows(&self) -> impl Iterator<Item = (Key<'_>, &Counters<N>)> {
        self.heads.iter().zip(&self.counters).map(|(head, counters)| {
            let name = &self.names[head.name as usize..head.address as usize];
            let address = &self.names[head.address as usize..head.end as usize];
            (Key { second: head.second, scope: head.scope, name, address }, counters)
        })
    }

    /// Forgets every row.
    pub fn clear(&mut self) {
        self.index.clear();
        self.heads.clear();
        self.counters.clear();
        self.names.clear();
    }

    /// Bytes that the rows take, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.heads.len() * (size_of::<Head>() + size_of::<Counters<N>>() + 8) + self.names.len()
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("tables are emptied before their names take 4 GiB")
}
