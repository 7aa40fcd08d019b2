//! An interner of strings: each is stored once, however many rows have it.

use std::hash::BuildHasher;
use std::ops::Range;

use crate::hash_index::HashIndex;

/// Strings with numbers from 0, in the order in which they came.
#[derive(Debug, Default)]
pub struct StringInterner {
    index: HashIndex,
    ends: Vec<u32>,
    text: String,
}

impl StringInterner {
    /// How many strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// String `number`.
    #[must_use]
    pub fn get(&self, number: u32) -> &str {
        text_at(&self.text, &self.ends, number as usize)
    }

    /// The number of `string`, if it has one.
    #[must_use]
    pub fn find(&self, string: &[u8]) -> Option<u32> {
        self.find_hashed(self.index.hash(string), string)
    }

    #[inline]
    fn find_hashed(&self, hash: u64, string: &[u8]) -> Option<u32> {
        self.index.find(hash, |number| bytes_at(&self.text, &self.ends, number) == string)
    }

    /// The number of `string`, added if it is new.
    ///
    /// # Panics
    ///
    /// If the string is not UTF-8, which is checked of partials, or if there are more than 4 GiB of strings, which limits on
    /// keys prevent.
    pub fn intern(&mut self, string: &[u8]) -> u32 {
        let hash = self.index.hash(string);
        if let Some(number) = self.find_hashed(hash, string) {
            return number;
        }
        let number = u32::try_from(self.ends.len()).expect("keys are limited");
        self.text.push_str(std::str::from_utf8(string).expect("partials were checked"));
        self.ends.push(u32::try_from(self.text.len()).expect("keys are limited"));
        let (text, ends) = (&self.text, &self.ends);
        self.index.insert(hash, number, |hasher, number| hasher.hash_one(bytes_at(text, ends, number)));
        number
    }

    /// The strings in alphabetical order, and the rank of each number in it.
    #[must_use]
    pub fn sort(&self) -> (SortedStrings, Vec<u32>) {
        let mut order: Vec<u32> = (0..).take(self.len()).collect();
        order.sort_unstable_by_key(|number| self.get(*number));
        let mut ranks = vec![0; order.len()];
        let mut sorted =
            SortedStrings { text: String::with_capacity(self.text.len()), ends: Vec::with_capacity(order.len()) };
        for (rank, number) in (0_u32..).zip(order) {
            ranks[number as usize] = rank;
            sorted.text.push_str(self.get(number));
            sorted.ends.push(u32::try_from(sorted.text.len()).expect("keys are limited"));
        }
        (sorted, ranks)
    }
}

/// Strings in alphabetical order, found by their rank from 0.
#[derive(Debug)]
pub struct SortedStrings {
    text: String,
    ends: Vec<u32>,
}

impl SortedStrings {
    /// How many strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The string of this rank.
    #[must_use]
    pub fn get(&self, rank: u32) -> &str {
        text_at(&self.text, &self.ends, rank as usize)
    }

    /// Memory that the strings take, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>()
    }
}

fn text_at<'a>(text: &'a str, ends: &[u32], number: usize) -> &'a str {
    &text[range(ends, number)]
}

/// The same as bytes, which saves the check for character boundaries.
#[inline]
fn bytes_at<'a>(text: &'a str, ends: &[u32], number: usize) -> &'a [u8] {
    &text.as_bytes()[range(ends, number)]
}

#[inline]
fn range(ends: &[u32], number: usize) -> Range<usize> {
    let start = if number == 0 { 0 } else { ends[number - 1] as usize };
    start..ends[number] as usize
}
