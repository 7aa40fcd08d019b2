//! Numbered keys: names as they were logged, each with a number, found again without a copy.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// What is numbered: a name and an address, either of which may be empty, in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// Which service and POP, as a number that the owner gave out.
    pub scope: u32,
    /// The domain, or the name of the origin.
    pub name: &'a [u8],
    /// The address of the origin; empty for a domain.
    pub address: &'a [u8],
}

/// A key, and something that is looked at whenever it is found: both in one place, a cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Known<T> {
    hash: u64,
    with: T,
    scope: u32,
    /// Where its texts are among those of all, if they are not short.
    at: u32,
    name_len: u16,
    address_len: u16,
    short: [u8; SHORT],
}

/// Bytes of a name and an address that stand with the key.
const SHORT: usize = 28;

/// Keys, each `with` something of its own.
#[derive(Debug)]
pub struct Numbered<T> {
    hasher: RandomState,
    numbers: HashTable<u32>,
    known: Vec<Known<T>>,
    /// Texts that are not short.
    text: Vec<u8>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        // Seeded at random: hosts are chosen by strangers, who must not be able to make them collide.
        Self { hasher: RandomState::default(), numbers: HashTable::new(), known: vec![], text: vec![] }
    }
}

impl<T> Numbered<T> {
    /// The hash of `key` here.
    #[inline]
    pub fn hash(&self, key: Key<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u32(key.scope);
        hasher.write(key.name);
        if !key.address.is_empty() {
            hasher.write(key.address);
        }
        hasher.finish()
    }

    /// The number of `key`, whose hash is known, if it has one.
    #[inline]
    pub fn find(&self, hash: u64, key: Key<'_>) -> Option<usize> {
        let is_it = |number: &u32| {
            let known = &self.known[*number as usize];
            known.hash == hash && known.scope == key.scope && {
                let (name, address) = known.texts(&self.text);
                same(name, key.name) && same(address, key.address)
            }
        };
        self.numbers.find(hash, is_it).map(|number| *number as usize)
    }

    /// Numbers `key`, which has no number yet.
    ///
    /// # Panics
    ///
    /// When keys take more than 4 GiB, or one more than 64 KiB; owners forget keys and bound them long before.
    #[inline(never)]
    pub fn insert(&mut self, hash: u64, key: Key<'_>, with: T) -> usize {
        let (number, at) = (self.known.len(), small(self.text.len()));
        let (name_len, len) = (key.name.len(), key.name.len() + key.address.len());
        let mut short = [0; SHORT];
        if let Some(short) = short.get_mut(..len) {
            short[..name_len].copy_from_slice(key.name);
            short[name_len..].copy_from_slice(key.address);
        } else {
            self.text.extend_from_slice(key.name);
            self.text.extend_from_slice(key.address);
        }
        let (name_len, address_len) = (small(name_len), small(key.address.len()));
        self.known.push(Known { hash, with, scope: key.scope, at, name_len, address_len, short });
        let known = &self.known;
        self.numbers.insert_unique(hash, small(number), |number| known[*number as usize].hash);
        number
    }

    /// What stands with the key of this number.
    #[inline]
    pub fn with(&mut self, number: usize) -> &mut T {
        &mut self.known[number].with
    }

    /// The key of this number.
    pub fn get(&self, number: usize) -> Key<'_> {
        let known = &self.known[number];
        let (name, address) = known.texts(&self.text);
        Key { scope: known.scope, name, address }
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.known.clear();
        self.text.clear();
    }

    /// Bytes that they take, about.
    pub fn size(&self) -> usize {
        self.known.len() * (size_of::<Known<T>>() + 8) + self.text.len()
    }
}

impl<T> Known<T> {
    /// Its name and its address.
    #[inline]
    fn texts<'a>(&'a self, text: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let (name_len, address_len) = (usize::from(self.name_len), usize::from(self.address_len));
        let both = match self.short.get(..name_len + address_len) {
            Some(short) => short,
            None => &text[self.at as usize..][..name_len + address_len],
        };
        both.split_at(name_len)
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

/// A number that fits, because owners forget keys and bound them.
pub fn small<T: TryFrom<usize>>(number: usize) -> T {
    T::try_from(number).ok().expect("keys are forgotten before they take 4 GiB, and their texts are bounded")
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

    proptest::proptest! {
        #[test]
        fn a_key_is_found_by_all_of_its_bytes_and_by_nothing_else(
            text in proptest::collection::vec(0..=u8::MAX, 1..80),
            at in 0..80_usize,
            cut in 0..80_usize,
        ) {
            let mut other = text.clone();
            other[at % text.len()] ^= 1;
            let cut = cut % text.len();
            let texts: [(&[u8], &[u8]); 4] =
                [(&text, b""), (&other, b""), (&text[1..], b"x"), (&text[..cut], &text[cut..])];
            let mut keys = Numbered::default();
            let mut want = vec![];
            for (name, address) in texts {
                let key = Key { scope: 0, name, address };
                let hash = keys.hash(key);
                proptest::prop_assert_eq!(want.iter().position(|known| *known == key), keys.find(hash, key));
                if !want.contains(&key) {
                    want.push(key);
                    keys.insert(hash, key, ());
                }
            }
            for (number, key) in want.into_iter().enumerate() {
                proptest::prop_assert_eq!(key, keys.get(number));
            }
        }
    }
}
