//! Names given numbers: each text is kept once, however many rows speak of it.

use std::hash::BuildHasher;

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
    pub fn find(&self, name: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(name);
        self.index.find(hash, |number| self.get(*number) == name).copied()
    }

    /// The number of `name`; it gets one when it has none.
    ///
    /// # Panics
    ///
    /// When there are more than 4 GiB of names; limits on keys keep far from that.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.find(name) {
            return number;
        }
        let number = u32::try_from(self.ends.len()).expect("names are bounded");
        self.text.push_str(name);
        self.ends.push(u32::try_from(self.text.len()).expect("names are bounded"));
        let (hasher, text, ends) = (&self.hasher, &self.text, &self.ends);
        let hash = hasher.hash_one(name);
        self.index.insert_unique(hash, number, |number| hasher.hash_one(text_at(text, ends, *number)));
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
    let number = number as usize;
    let start = if number == 0 { 0 } else { ends[number - 1] as usize };
    &text[start..ends[number] as usize]
}
