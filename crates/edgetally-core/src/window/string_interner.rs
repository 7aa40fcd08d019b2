//! Names given numbers: each text is kept once, however many rows speak of it.

use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Texts and their numbers, from 0 in the order in which they came.
#[derive(Debug, Default)]
pub struct Names {
    hasher: RandomState,
    index: HashTable<u32>,
    ends: Vec<u32>,
    text: String,
}

impl Names {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text with this number.
    #[must_use]
    pub fn get(&self, number: u32) -> &str {
        text_at(&self.text, &self.ends, number)
    }

    /// The number of `name`, if it has one.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<u32> {
        self.find_hashed(self.hash(name), name)
    }

    #[inline]
    fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name)
    }

    #[inline]
    fn find_hashed(&self, hash: u64, name: &[u8]) -> Option<u32> {
        self.index.find(hash, |number| bytes_at(&self.text, &self.ends, *number) == name).copied()
    }

    /// The number of `name`; it gets one when it has none.
    ///
    /// # Panics
    ///
    /// When the name is no UTF-8, which partials are checked for, or when there are more than 4 GiB of names; limits on
    /// keys keep far from that.
    pub fn number(&mut self, name: &[u8]) -> u32 {
        let hash = self.hash(name);
        if let Some(number) = self.find_hashed(hash, name) {
            return number;
        }
        let number = u32::try_from(self.ends.len()).expect("names are bounded");
        self.text.push_str(std::str::from_utf8(name).expect("names were checked"));
        self.ends.push(u32::try_from(self.text.len()).expect("names are bounded"));
        let (hasher, text, ends) = (&self.hasher, &self.text, &self.ends);
        self.index.insert_unique(hash, number, |number| hasher.hash_one(bytes_at(text, ends, *number)));
        number
    }

    /// The same names in alphabetical order, and for each number the place it has there.
    #[must_use]
    pub fn sorted(&self) -> (Sorted, Vec<u32>) {
        let mut order: Vec<u32> = (0..).take(self.len()).collect();
        order.sort_unstable_by_key(|number| self.get(*number));
        let mut places = vec![0; order.len()];
        let mut sorted = Sorted { text: String::with_capacity(self.text.len()), ends: Vec::with_capacity(order.len()) };
        for (place, number) in (0_u32..).zip(order) {
            places[number as usize] = place;
            sorted.text.push_str(self.get(number));
            sorted.ends.push(u32::try_from(sorted.text.len()).expect("names are bounded"));
        }
        (sorted, places)
    }
}

/// Names in alphabetical order, which change no more.
#[derive(Debug)]
pub struct Sorted {
    text: String,
    ends: Vec<u32>,
}

impl Sorted {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The name at `place`.
    #[must_use]
    pub fn get(&self, place: u32) -> &str {
        text_at(&self.text, &self.ends, place)
    }

    /// Bytes that they take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>()
    }
}

fn text_at<'a>(text: &'a str, ends: &[u32], number: u32) -> &'a str {
    &text[range(ends, number)]
}

/// The same bytes, without a look at whether they begin and end with a letter.
#[inline]
fn bytes_at<'a>(text: &'a str, ends: &[u32], number: u32) -> &'a [u8] {
    &text.as_bytes()[range(ends, number)]
}

#[inline]
fn range(ends: &[u32], number: u32) -> Range<usize> {
    let number = number as usize;
    let start = if number == 0 { 0 } else { ends[number - 1] as usize };
    start..ends[number] as usize
}
