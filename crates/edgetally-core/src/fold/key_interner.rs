//! An interner of keys as they were logged: each gets a number, and is found again without a copy.

use std::hash::{Hash, Hasher};

use crate::hash_index::HashIndex;

/// A key: a name and an address in a scope. Either text may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// The number of its service and POP.
    pub scope: u32,
    /// The domain, or the name of the origin.
    pub name: &'a [u8],
    /// The address of the origin, or empty for a domain.
    pub address: &'a [u8],
}

// By hand, because a derived implementation would also hash the lengths of the texts.
impl Hash for Key<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u32(self.scope);
        hasher.write(self.name);
        if !self.address.is_empty() {
            hasher.write(self.address);
        }
    }
}

/// A key and the value that is read whenever it is found, both on one cache line.
#[derive(Debug)]
#[repr(align(64))]
struct InternedKey<T> {
    hash: u64,
    value: T,
    scope: u32,
    /// Where its texts are in the interner's text, if they are long.
    at: u32,
    name_len: u16,
    address_len: u16,
    inline: [u8; INLINE],
}

/// The most bytes of a name and an address that are stored with the key.
const INLINE: usize = 28;

/// Keys with numbers from 0, in the order in which they came, and a value each.
#[derive(Debug)]
pub struct KeyInterner<T> {
    index: HashIndex,
    keys: Vec<InternedKey<T>>,
    /// The texts that are long.
    text: Vec<u8>,
}

impl<T> Default for KeyInterner<T> {
    fn default() -> Self {
        Self { index: HashIndex::default(), keys: vec![], text: vec![] }
    }
}

impl<T> KeyInterner<T> {
    /// The hash of `key` in this interner.
    #[inline]
    pub fn hash(&self, key: Key<'_>) -> u64 {
        self.index.hash(key)
    }

    /// The number of `key` with this hash, if it has one.
    #[inline]
    pub fn find(&self, hash: u64, key: Key<'_>) -> Option<usize> {
        self.index.find(hash, |number| self.is_key(number, hash, key)).map(|number| number as usize)
    }

    /// The number of the key that has this hash, probably: it was not compared.
    #[inline]
    pub fn candidate(&self, hash: u64) -> Option<usize> {
        self.index.find(hash, |_| true).map(|number| number as usize)
    }

    /// Whether key `number` is `key` with this hash.
    #[inline]
    pub fn is_key(&self, number: usize, hash: u64, key: Key<'_>) -> bool {
        let known = &self.keys[number];
        known.hash == hash && known.scope == key.scope && {
            let (name, address) = known.texts(&self.text);
            are_equal(name, key.name) && are_equal(address, key.address)
        }
    }

    /// Adds `key` with this hash, which has no number yet.
    ///
    /// # Panics
    ///
    /// If keys take more than 4 GiB, or one of them more than 64 KiB. Folds spill and bound keys long before.
    #[inline(never)]
    pub fn insert(&mut self, hash: u64, key: Key<'_>, value: T) -> usize {
        let (number, at) = (self.keys.len(), to_index(self.text.len()));
        let (name_len, len) = (key.name.len(), key.name.len() + key.address.len());
        let mut inline = [0; INLINE];
        if let Some(inline) = inline.get_mut(..len) {
            inline[..name_len].copy_from_slice(key.name);
            inline[name_len..].copy_from_slice(key.address);
        } else {
            self.text.extend_from_slice(key.name);
            self.text.extend_from_slice(key.address);
        }
        let (name_len, address_len) = (to_index(name_len), to_index(key.address.len()));
        self.keys.push(InternedKey { hash, value, scope: key.scope, at, name_len, address_len, inline });
        let keys = &self.keys;
        self.index.insert(hash, to_index(number), |_, number| keys[number].hash);
        number
    }

    /// The value of key `number`.
    #[inline]
    pub fn value(&self, number: usize) -> &T {
        &self.keys[number].value
    }

    /// The same, to be changed.
    #[inline]
    pub fn value_mut(&mut self, number: usize) -> &mut T {
        &mut self.keys[number].value
    }

    /// Key `number`.
    pub fn get(&self, number: usize) -> Key<'_> {
        let known = &self.keys[number];
        let (name, address) = known.texts(&self.text);
        Key { scope: known.scope, name, address }
    }

    /// Removes all keys.
    pub fn clear(&mut self) {
        self.index.clear();
        self.keys.clear();
        self.text.clear();
    }

    /// Memory that the keys take, in bytes, approximately.
    pub fn size(&self) -> usize {
        self.keys.len() * (size_of::<InternedKey<T>>() + 8) + self.text.len()
    }
}

impl<T> InternedKey<T> {
    /// Its name and its address.
    #[inline]
    fn texts<'a>(&'a self, text: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let (name_len, address_len) = (usize::from(self.name_len), usize::from(self.address_len));
        let both = match self.inline.get(..name_len + address_len) {
            Some(inline) => inline,
            None => &text[self.at as usize..][..name_len + address_len],
        };
        both.split_at(name_len)
    }
}

/// Whether `one` equals `other`. Names are so short that an inlined compare is faster than a call of `memcmp`.
#[inline]
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    const WORD: usize = 8;
    if one.len() != other.len() {
        return false;
    }
    let (words, _) = one.as_chunks::<WORD>();
    let (others, _) = other.as_chunks::<WORD>();
    // The last word overlaps the ones before. A text shorter than a word has none.
    match (one.last_chunk::<WORD>(), other.last_chunk::<WORD>()) {
        (Some(one), Some(other)) => one == other && words.iter().eq(others),
        _ => one.iter().eq(other),
    }
}

/// `number` as an index or a length of fewer bits, which it fits because folds spill and bound keys.
pub fn to_index<T: TryFrom<usize>>(number: usize) -> T {
    T::try_from(number).ok().expect("keys are spilled before they take 4 GiB, and their texts are bounded")
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn texts_are_equal_if_all_their_bytes_are(
            text in proptest::collection::vec(0..=u8::MAX, 1..40),
            at in 0..40_usize,
        ) {
            let mut other = text.clone();
            proptest::prop_assert!(are_equal(&text, &other));
            other[at % text.len()] ^= 1;
            proptest::prop_assert!(!are_equal(&text, &other));
            proptest::prop_assert!(!are_equal(&text, &text[1..]));
        }
    }

    proptest::proptest! {
        #[test]
        fn a_key_is_found_only_by_all_of_its_bytes(
            text in proptest::collection::vec(0..=u8::MAX, 1..80),
            at in 0..80_usize,
            cut in 0..80_usize,
        ) {
            let mut other = text.clone();
            other[at % text.len()] ^= 1;
            let cut = cut % text.len();
            let texts: [(&[u8], &[u8]); 4] =
                [(&text, b""), (&other, b""), (&text[1..], b"x"), (&text[..cut], &text[cut..])];
            let mut keys = KeyInterner::default();
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
