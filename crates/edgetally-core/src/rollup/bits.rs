//! Numbers in as few bits as they need, the lowest bit first.
//!
//! Two codes do all the work. A **short** number is coded with a shift, which says how many of its low bits are written as they
//! are; the rest is a run of ones, ended by a zero. A **long** number is its length in bits, coded by how it differs from the
//! length before, and then its bits.

/// The longest run of ones of a short number. One more announces that the number is written as it is.
const MAX_RUN: u32 = 8;
/// The largest shift, so that a short number can be read at once.
const MAX_SHIFT: u32 = 40;
/// Bits that can be read at once at any position.
const AT_ONCE: u32 = 56;

/// Writes numbers, bit after bit.
#[derive(Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Fewer than 64 bits, which are not in `bytes` yet.
    pending: u64,
    count: u32,
}

impl BitWriter {
    /// Writes the lowest `count` bits of `value`, which has no others.
    #[inline]
    pub fn bits(&mut self, value: u64, count: u32) {
        if count > AT_ONCE {
            self.bits(value & ((1 << 32) - 1), 32);
            return self.bits(value >> 32, count - 32);
        }
        self.pending |= value << self.count;
        self.count += count;
        if self.count >= 64 {
            self.bytes.extend_from_slice(&self.pending.to_le_bytes());
            self.count -= 64;
            // What did not fit: fewer than 56 bits.
            self.pending = value >> 1 >> (count - self.count - 1);
        }
    }

    /// Writes a number that is about as large as `1 << shift`.
    #[inline]
    pub fn short(&mut self, value: u64, shift: u32) {
        let run = value >> shift;
        if run < u64::from(MAX_RUN) {
            let low = value & ((1 << shift) - 1);
            // The run and its zero, then the low bits.
            let ones = (1 << run) - 1;
            self.bits(low << (run + 1) | ones, u32::try_from(run).unwrap_or_default() + 1 + shift);
        } else {
            self.bits((1 << MAX_RUN) - 1, MAX_RUN);
            let length = length(value);
            self.bits(u64::from(length - 1), 6);
            self.bits(value, length);
        }
    }

    /// Writes a number of any size. `before` is the length of the one before.
    #[inline]
    pub fn long(&mut self, value: u64, before: &mut u32) {
        let length = length(value);
        self.short(zigzag(i64::from(length) - i64::from(*before)), 1);
        *before = length;
        if length > 1 {
            // The highest bit is a one.
            self.bits(value & !(1 << (length - 1)), length - 1);
        }
    }

    /// How many bytes are written so far.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.count.div_ceil(8) as usize
    }

    /// The bytes; the last one is filled up with zeros.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&self.pending.to_le_bytes()[..self.count.div_ceil(8) as usize]);
        self.bytes
    }
}

/// Reads numbers in the order in which they were written. Behind the end there are zeros, so that not every number has to be
/// checked; [`BitReader::is_within`] says whether the end was passed.
#[derive(Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    /// The position in bits.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next bits, at least [`AT_ONCE`] of them.
    #[inline]
    fn next(&self) -> u64 {
        let bytes = self.bytes.get(self.at / 8..).unwrap_or_default();
        let eight = match bytes.first_chunk() {
            Some(eight) => u64::from_le_bytes(*eight),
            None => last_bytes(bytes),
        };
        eight >> (self.at % 8)
    }

    /// Reads `count` bits.
    #[inline]
    pub fn bits(&mut self, count: u32) -> u64 {
        if count > AT_ONCE {
            let low = self.bits(32);
            return low | self.bits(count - 32) << 32;
        }
        let bits = self.next() & ((1 << count) - 1);
        self.at += count as usize;
        bits
    }

    /// Reads a number that was written with this shift.
    #[inline]
    pub fn short(&mut self, shift: u32) -> u64 {
        let next = self.next();
        let run = next.trailing_ones();
        if run < MAX_RUN {
            self.at += (run + 1 + shift) as usize;
            return u64::from(run) << shift | (next >> (run + 1)) & ((1 << shift) - 1);
        }
        self.at += MAX_RUN as usize;
        let length = self.bits(6) + 1;
        self.bits(u32::try_from(length).unwrap_or_default())
    }

    /// Reads a number of any size.
    #[inline]
    pub fn long(&mut self, before: &mut u32) -> u64 {
        let next = self.next();
        let run = next.trailing_ones();
        let is_short = run < MAX_RUN;
        let difference = if is_short { u64::from(run) << 1 | (next >> (run + 1)) & 1 } else { self.short(1) };
        let length = i64::from(*before).wrapping_add(unzigzag(difference));
        // No other length was written.
        let length = u32::try_from(length.clamp(0, 64)).unwrap_or_default();
        *before = length;
        let (coded, rest) = (run + 2, length.saturating_sub(1));
        let bits = if is_short && coded + rest <= AT_ONCE {
            // Most numbers are read at once, with their length.
            self.at += (coded + rest) as usize;
            (next >> coded) & ((1 << rest) - 1)
        } else {
            self.at += if is_short { coded as usize } else { 0 };
            self.bits(rest)
        };
        if length == 0 { 0 } else { bits | 1 << rest }
    }

    /// Whether everything that was read had been written.
    pub fn is_within(&self) -> bool {
        self.at <= self.bytes.len() * 8
    }
}

#[cold]
fn last_bytes(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |eight, byte| eight << 8 | u64::from(*byte))
}

/// The shift for numbers whose mean is `mean`.
#[inline]
pub fn shift_for(mean: u64) -> u32 {
    length(mean).saturating_sub(1).min(MAX_SHIFT)
}

/// How many bits a number has.
#[inline]
pub fn length(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// A difference as a number that is small if the difference is.
#[inline]
#[expect(clippy::cast_sign_loss, reason = "the bits are kept")]
pub fn zigzag(difference: i64) -> u64 {
    (difference << 1 ^ difference >> 63) as u64
}

#[inline]
#[expect(clippy::cast_possible_wrap, reason = "the bits are kept")]
pub fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(
            numbers in prop::collection::vec((any::<u64>(), 0..64_u32, 0..=MAX_SHIFT, any::<bool>()), 0..40),
        ) {
            let (mut writer, mut before) = (BitWriter::default(), 0);
            for (value, smaller, shift, is_long) in &numbers {
                let value = value >> smaller;
                if *is_long { writer.long(value, &mut before) } else { writer.short(value, *shift) }
            }
            let len = writer.len();
            let bytes = writer.finish();
            prop_assert_eq!(len, bytes.len());
            let (mut reader, mut before) = (BitReader::new(&bytes), 0);
            for (value, smaller, shift, is_long) in numbers {
                let read = if is_long { reader.long(&mut before) } else { reader.short(shift) };
                prop_assert_eq!(value >> smaller, read);
            }
            prop_assert!(reader.is_within());
            reader.bits(8);
            prop_assert!(!reader.is_within());
        }

        #[test]
        fn zigzag_is_undone(difference: i64) {
            prop_assert_eq!(difference, unzigzag(zigzag(difference)));
        }
    }
}
