//! Frozen rows: immutable rows of counters, as short as in a partial and faster to read.
//!
//! ```text
//! row = counters count lengths value*
//! ```
//!
//! `counters` is the set of the counters that are not 0, `count` is how many there are, in one byte. `lengths` has two bits
//! for each of these: its value takes one, two, four or eight bytes. So the position of every value is known before any
//! value is read, and the processor does not mispredict.

use crate::schema::counters::{CounterSet, Kind};

/// Bytes after the last row, so that eight bytes can be read at every value.
const PADDING: usize = 16;

/// How many bytes a value takes, and their bits of eight bytes.
const LENGTHS: [(usize, u64); 4] = [(1, 0xFF), (2, 0xFFFF), (4, 0xFFFF_FFFF), (8, u64::MAX)];

/// Rows, one after the other.
#[derive(Debug)]
pub(crate) struct FrozenRows {
    bytes: Vec<u8>,
}

impl FrozenRows {
    pub fn new() -> Self {
        Self { bytes: vec![0; PADDING] }
    }

    /// Adds a row with these counters that are not 0, and their values in this order; returns where it is.
    ///
    /// # Panics
    ///
    /// If there are more than 4 GiB of rows, which limits on keys prevent.
    pub fn push(&mut self, kind: Kind, counters: CounterSet, values: &[u64]) -> u32 {
        let start = self.bytes.len() - PADDING;
        self.bytes.truncate(start);
        for (half, word) in counters.into_iter().enumerate() {
            let width = width(kind).saturating_sub(half * 8).min(8);
            self.bytes.extend_from_slice(&word.to_le_bytes()[..width]);
        }
        self.bytes.push(u8::try_from(values.len()).expect("a row has fewer than 256 counters"));
        for four in values.chunks(4) {
            self.bytes.push(four.iter().rev().fold(0, |codes, value| codes << 2 | length_code(*value)));
        }
        let mut at = self.bytes.len();
        self.bytes.resize(at + values.len() * 8 + PADDING, 0);
        for value in values {
            // All eight bytes. The next value overwrites the zeros.
            self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            at += 1 << length_code(*value);
        }
        self.bytes.truncate(at + PADDING);
        u32::try_from(start).expect("keys are limited")
    }

    /// Calls `found` with counter and value of every counter of the row at `at`, which is of this kind; returns the set of
    /// these counters.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "each half has 64 bits")]
    pub fn for_each(&self, kind: Kind, at: u32, mut found: impl FnMut(usize, u64)) -> CounterSet {
        let at = at as usize;
        let Some(counters) = self.bytes[at..].first_chunk() else { return [0; 2] };
        let counters = u128::from_le_bytes(*counters) & ((1 << kind.counters()) - 1);
        let [low, high] = [counters as u64, (counters >> 64) as u64];
        let Some((count, lengths)) = self.bytes[at + width(kind)..].split_first() else { return [0; 2] };
        let mut values = &lengths[usize::from(*count).div_ceil(4)..];
        let (mut lengths, mut codes, mut number) = (lengths, 0, 0_u32);
        for (base, mut left) in [(0, low), (64, high)] {
            while left != 0 {
                let counter = base + left.trailing_zeros() as usize;
                left &= left - 1;
                if number.is_multiple_of(32) {
                    let Some((next, rest)) = lengths.split_first_chunk() else { break };
                    (lengths, codes) = (rest, u64::from_le_bytes(*next));
                }
                number += 1;
                let (len, mask) = LENGTHS[(codes % 4) as usize];
                codes >>= 2;
                let Some(value) = values.first_chunk() else { break };
                found(counter, u64::from_le_bytes(*value) & mask);
                values = &values[len..];
            }
        }
        [low, high]
    }

    /// Calls `found` with counter and value of those of `wanted` that are not 0: faster than all counters, if these are few.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "each half has 64 bits")]
    pub fn for_each_of(&self, kind: Kind, at: u32, wanted: u128, mut found: impl FnMut(usize, u64)) {
        let at = at as usize;
        let Some(counters) = self.bytes[at..].first_chunk() else { return };
        let counters = u128::from_le_bytes(*counters) & ((1 << kind.counters()) - 1);
        let wanted = counters & wanted;
        // Nothing is looked at behind the last one.
        let counters = if wanted == 0 { 0 } else { counters & (u128::MAX >> wanted.leading_zeros()) };
        let Some((count, lengths)) = self.bytes[at + width(kind)..].split_first() else { return };
        let mut values = &lengths[usize::from(*count).div_ceil(4)..];
        let (mut lengths, mut codes, mut number) = (lengths, 0, 0_u32);
        let halves = [(0, counters as u64, wanted as u64), (64, (counters >> 64) as u64, (wanted >> 64) as u64)];
        for (base, mut left, wanted) in halves {
            while left != 0 {
                let bit = left & left.wrapping_neg();
                left ^= bit;
                if number.is_multiple_of(32) {
                    let Some((next, rest)) = lengths.split_first_chunk() else { break };
                    (lengths, codes) = (rest, u64::from_le_bytes(*next));
                }
                number += 1;
                let (len, mask) = LENGTHS[(codes % 4) as usize];
                codes >>= 2;
                let Some(value) = values.first_chunk() else { break };
                if wanted & bit != 0 {
                    found(base + bit.trailing_zeros() as usize, u64::from_le_bytes(*value) & mask);
                }
                values = &values[len..];
            }
        }
    }

    /// Memory that the rows take, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Gives back memory that the rows do not use.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }
}

/// The index of the length of a value in [`LENGTHS`].
#[inline]
fn length_code(value: u64) -> u8 {
    u8::from(value > 0xFF) + u8::from(value > 0xFFFF) + u8::from(value > 0xFFFF_FFFF)
}

/// Bytes that a set of counters of `kind` takes.
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
                (prop::sample::select(&Kind::ALL[..]), prop::collection::btree_map(0..102_usize, (any::<u64>(), 0..64_u32), 0..102)),
                0..10,
            ),
            wanted in any::<u128>(),
        ) {
            let mut frozen = FrozenRows::new();
            let mut want = vec![];
            for (kind, counters) in rows {
                let counters: BTreeMap<_, _> = counters
                    .into_iter()
                    .map(|(counter, (value, shift))| (counter, value >> shift))
                    .filter(|(counter, value)| *counter < kind.counters() && *value != 0)
                    .collect();
                let set = counters.keys().fold(0_u128, |set, counter| set | 1 << counter);
                let set = [set, set >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).expect("64 bits"));
                let at = frozen.push(kind, set, &counters.values().copied().collect::<Vec<_>>());
                want.push((kind, at, counters));
            }
            for (kind, at, counters) in want {
                let mut got = BTreeMap::new();
                frozen.for_each(kind, at, |counter, value| assert!(got.insert(counter, value).is_none()));
                prop_assert_eq!(&counters, &got);
                let mut got = BTreeMap::new();
                frozen.for_each_of(kind, at, wanted, |counter, value| assert!(got.insert(counter, value).is_none()));
                let counters: BTreeMap<_, _> =
                    counters.into_iter().filter(|(counter, _)| wanted >> counter & 1 == 1).collect();
                prop_assert_eq!(counters, got);
            }
        }
    }
}
