//! A literal: the bytes from one value of a line to the next, compared at once.

use wide::u8x16;

use crate::decode::short_value::{VALUE, halves};

/// The longest literal that is compared at once, plus one. What a longer one has beyond that is its tail.
const LITERAL: usize = 32;
/// The longest tail.
const MAX_TAIL: usize = 64;
/// The most tails. Few keys are that long.
const MAX_TAILS: usize = 64;
/// The bytes of the longest literal with its tail.
pub const MAX_LITERAL: usize = LITERAL + MAX_TAIL;
/// How many bytes are looked at together: a literal, and the value after it.
pub const LOOK_AHEAD: usize = LITERAL + VALUE;

/// Up to 31 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Literal {
    halves: [u8x16; 2],
    /// A bit for each byte after the literal, which may be anything.
    ignored: u32,
    len: u8,
}

impl Literal {
    /// A literal that no line has: a byte that does not occur in one.
    pub const NEVER: Self = Self { halves: [u8x16::new([b'\n'; 16]); 2], ignored: 0, len: 0 };

    /// The literal at the start of `bytes`, and its tail.
    pub fn new(bytes: &[u8]) -> (Self, &[u8]) {
        let (bytes, tail) = bytes.split_at(bytes.len().min(LITERAL - 1));
        let mut padded = [0; LITERAL];
        padded[..bytes.len()].copy_from_slice(bytes);
        let len = u8::try_from(bytes.len()).unwrap_or_default();
        (Self { halves: halves(&padded), ignored: u32::MAX << len, len }, tail)
    }

    /// Its length.
    #[inline]
    pub fn len(&self) -> usize {
        // The compiler sees that it is below 32.
        usize::from(self.len) % LITERAL
    }

    /// Whether `bytes` start with it.
    #[inline]
    pub fn matches(&self, bytes: &[u8; LOOK_AHEAD]) -> bool {
        let there = halves(bytes);
        let equal = |half: usize| there[half].simd_eq(self.halves[half]).to_bitmask();
        equal(0) | equal(1) << 16 | self.ignored == u32::MAX
    }

    /// What stands behind it, if it stands at the start of `bytes`.
    #[inline]
    pub fn value<'a>(&self, bytes: &'a [u8; LOOK_AHEAD]) -> &'a [u8; VALUE] {
        bytes[self.len()..].first_chunk().expect("a literal is shorter than what is looked at before the value")
    }
}

/// The tails of literals that are too long to be compared at once.
#[derive(Debug, Default)]
pub struct Tails(Vec<Vec<u8>>);

impl Tails {
    /// The number of `tail`, which is kept if it is new; nothing if it is too long, or if there are too many.
    pub fn number(&mut self, tail: &[u8]) -> Option<u8> {
        let number = self.0.iter().position(|other| other == tail).unwrap_or(self.0.len());
        if number == self.0.len() {
            (number < MAX_TAILS && tail.len() <= MAX_TAIL).then(|| self.0.push(tail.to_vec()))?;
        }
        u8::try_from(number).ok()
    }

    /// The tail of this number.
    pub fn get(&self, number: u8) -> Option<&[u8]> {
        self.0.get(usize::from(number)).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `bytes`, and others behind them.
    fn ahead(bytes: &[u8]) -> [u8; LOOK_AHEAD] {
        let mut ahead = [b'x'; LOOK_AHEAD];
        ahead[..bytes.len()].copy_from_slice(bytes);
        ahead
    }

    #[test]
    fn every_byte_of_a_literal_is_compared_and_none_behind_it() {
        let long = b",\"a_key_of_just_31_bytes_or_so\":1234567890";
        for len in 1..=long.len() {
            let (literal, tail) = Literal::new(&long[..len]);
            assert_eq!((len.min(31), &long[len.min(31)..len]), (literal.len(), tail));
            let bytes = ahead(&long[..literal.len()]);
            assert!(literal.matches(&bytes), "{len}");
            assert_eq!(&[b'x'; VALUE], literal.value(&bytes), "{len}");
            for at in 0..literal.len() {
                let mut other = bytes;
                other[at] ^= 1;
                assert!(!literal.matches(&other), "{len}: {at}");
            }
        }
        assert!(!Literal::NEVER.matches(&ahead(b"{\"a\":")));
    }

    #[test]
    fn a_tail_is_kept_once_and_long_or_many_ones_are_not() {
        let mut tails = Tails::default();
        assert_eq!([Some(0), Some(1), Some(0)], [&b"a"[..], b"b", b"a"].map(|tail| tails.number(tail)));
        assert_eq!([Some(&b"a"[..]), Some(b"b"), None], [0, 1, 2].map(|number| tails.get(number)));
        assert_eq!(None, tails.number(&[b'a'; MAX_TAIL + 1]));
        let numbers = (0..MAX_TAILS).filter_map(|number| tails.number(number.to_string().as_bytes())).count();
        assert_eq!(MAX_TAILS - 2, numbers, "two were there");
    }
}
