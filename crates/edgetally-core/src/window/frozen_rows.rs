//! Compact counters: rows that change no more, in as few bytes as a partial takes and faster to read.
//!
//! ```text
//! row = places count lengths value*
//! ```
//!
//! `places` is a set of bits that says which counters are not 0. `lengths` has two bits for each of these: its value
//! takes one, two, four or eight bytes. `count` is how many there are, a byte. So where every value is, is known without
//! looking at any, and reading a row takes no guesses.

use crate::schema::counters::{CounterSet, Kind};

/// Bytes behind the last row, so that a value can be read with whatever follows it.
const PADDING: usize = 16;

/// How many bytes a value has, and which bits of eight bytes these are.
const LENGTHS: [(usize, u64); 4] = [(1, 0xFF), (2, 0xFFFF), (4, 0xFFFF_FFFF), (8, u64::MAX)];

/// Rows, one behind the other.
#[derive(Debug)]
pub(crate) struct Compact {
    bytes: Vec<u8>,
}

impl Compact {
    pub fn new() -> Self {
        Self { bytes: vec![0; PADDING] }
    }

    /// Adds a row: which counters are not 0, and these in the order of their places; where it is.
    ///
    /// # Panics
    ///
    /// When there are more than 4 GiB of rows; limits on keys keep far from that.
    pub fn push(&mut self, kind: Kind, places: CounterSet, values: &[u64]) -> u32 {
        let start = self.bytes.len() - PADDING;
        self.bytes.truncate(start);
        for (half, word) in places.into_iter().enumerate() {
            let width = width(kind).saturating_sub(half * 8).min(8);
            self.bytes.extend_from_slice(&word.to_le_bytes()[..width]);
        }
        self.bytes.push(u8::try_from(values.len()).expect("a row has fewer than 256 counters"));
        for four in values.chunks(4) {
            self.bytes.push(four.iter().rev().fold(0, |codes, value| codes << 2 | code(*value)));
        }
        let mut at = self.bytes.len();
        self.bytes.resize(at + values.len() * 8 + PADDING, 0);
        for value in values {
            // All eight bytes; the next value overwrites those that are 0.
            self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            at += 1 << code(*value);
        }
        self.bytes.truncate(at + PADDING);
        u32::try_from(start).expect("the rows of a second are bounded")
    }

    /// Calls `found` with place and value of every counter of the row at `at`, which is of this kind. Returns their
    /// places.
    #[inline]
    pub fn each(&self, kind: Kind, at: u32, mut found: impl FnMut(usize, u64)) -> CounterSet {
        let at = at as usize;
        let Some(places) = self.bytes[at..].first_chunk() else { return [0; 2] };
        let places = u128::from_le_bytes(*places) & ((1 << kind.counters()) - 1);
        let [low, high] = [places, places >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
        let Some((count, lengths)) = self.bytes[at + width(kind)..].split_first() else { return [0; 2] };
        let mut values = &lengths[usize::from(*count).div_ceil(4)..];
        let (mut lengths, mut codes, mut number) = (lengths, 0, 0_u32);
        for (base, mut left) in [(0, low), (64, high)] {
            while left != 0 {
                let place = base + left.trailing_zeros() as usize;
                left &= left - 1;
                if number.is_multiple_of(32) {
                    let Some((next, rest)) = lengths.split_first_chunk() else { break };
                    (lengths, codes) = (rest, u64::from_le_bytes(*next));
                }
                number += 1;
                let (len, mask) = LENGTHS[(codes % 4) as usize];
                codes >>= 2;
                let Some(value) = values.first_chunk() else { break };
                found(place, u64::from_le_bytes(*value) & mask);
                values = &values[len..];
            }
        }
        [low, high]
    }

    /// Bytes that they take.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }
}

/// Which of the [`LENGTHS`] a value has.
#[inline]
fn code(value: u64) -> u8 {
    u8::from(value > 0xFF) + u8::from(value > 0xFFFF) + u8::from(value > 0xFFFF_FFFF)
}

/// Bytes that a set of the counters of `kind` takes.
const fn width(kind: Kind) -> usize {
    kind.counters().div_ceil(8)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_read_as_they_were_written(
            rows in prop::collection::vec(
                (prop::sample::select(&Kind::ALL[..]), prop::collection::btree_map(0..72_usize, (any::<u64>(), 0..64_u32), 0..72)),
                0..10,
            ),
        ) {
            let mut compact = Compact::new();
            let mut want = vec![];
            for (kind, counters) in rows {
                let counters: BTreeMap<_, _> = counters
                    .into_iter()
                    .map(|(place, (value, shift))| (place, value >> shift))
                    .filter(|(place, value)| *place < kind.counters() && *value != 0)
                    .collect();
                let places = counters.keys().fold(0_u128, |places, place| places | 1 << place);
                let places = [places, places >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
                let at = compact.push(kind, places, &counters.values().copied().collect::<Vec<_>>());
                want.push((kind, at, counters));
            }
            for (kind, at, counters) in want {
                let mut got = BTreeMap::new();
                compact.each(kind, at, |place, value| assert!(got.insert(place, value).is_none()));
                prop_assert_eq!(counters, got);
            }
        }
    }
}
