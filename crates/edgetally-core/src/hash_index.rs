//! A hash index of items that are stored elsewhere: from an item to its number.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// The numbers of items, found by the hash of the item.
///
/// The hasher has a random seed: clients choose host names, and must not be able to make them collide.
#[derive(Debug, Default)]
pub struct HashIndex {
    hasher: RandomState,
    numbers: HashTable<u32>,
}

impl HashIndex {
    /// The hash of an item in this index.
    #[inline]
    pub fn hash(&self, item: impl Hash) -> u64 {
        self.hasher.hash_one(item)
    }

    /// The number of the item with this hash for which `is_item` holds.
    #[inline]
    pub fn find(&self, hash: u64, is_item: impl Fn(usize) -> bool) -> Option<u32> {
        self.numbers.find(hash, |number| is_item(*number as usize)).copied()
    }

    /// Adds the number of an item that is not in the index. `hash_of` returns the hash of any item, from this hasher.
    #[inline]
    pub fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(&RandomState, usize) -> u64) {
        self.numbers.insert_unique(hash, number, |number| hash_of(&self.hasher, *number as usize));
    }

    /// Removes all numbers.
    pub fn clear(&mut self) {
        self.numbers.clear();
    }
}

/// Keys with numbers from 0, in the order in which they came.
#[derive(Debug)]
pub struct NumberedKeys<K> {
    index: HashIndex,
    keys: Vec<K>,
}

impl<K> Default for NumberedKeys<K> {
    fn default() -> Self {
        Self { index: HashIndex::default(), keys: vec![] }
    }
}

impl<K: Copy + Eq + Hash> NumberedKeys<K> {
    /// The keys by number.
    #[inline]
    pub fn as_slice(&self) -> &[K] {
        &self.keys
    }

    /// The number of `key`, added if it is new, and whether it is.
    ///
    /// # Panics
    ///
    /// If there are more than 4 billion keys.
    #[inline]
    pub fn intern(&mut self, key: K) -> (u32, bool) {
        let hash = self.index.hash(key);
        if let Some(number) = self.index.find(hash, |number| self.keys[number] == key) {
            return (number, false);
        }
        let number = u32::try_from(self.keys.len()).expect("keys are limited");
        self.keys.push(key);
        self.index.insert(hash, number, |hasher, number| hasher.hash_one(self.keys[number]));
        (number, true)
    }

    /// Removes all keys.
    pub fn clear(&mut self) {
        self.index.clear();
        self.keys.clear();
    }
}
