//! Numbers and texts in bytes.

use crate::rollup::error::HistoryError;

/// Reads bytes from the first to the last.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    /// Starts at byte `at`.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The position.
    pub fn at(&self) -> usize {
        self.at
    }

    pub fn is_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], HistoryError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..len)).ok_or(HistoryError::Damaged)?;
        self.at += len;
        Ok(taken)
    }

    /// A number of 64 bits, in LEB128.
    #[inline]
    pub fn number(&mut self) -> Result<u64, HistoryError> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = *self.bytes.get(self.at).ok_or(HistoryError::Damaged)?;
            self.at += 1;
            let bits = u64::from(byte & 0x7F);
            if shift > 63 || (shift == 63 && bits > 1) {
                return Err(HistoryError::Damaged);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// How much follows: never more than there are bytes.
    pub fn len(&mut self) -> Result<usize, HistoryError> {
        let len = usize::try_from(self.number()?).map_err(|_| HistoryError::Damaged)?;
        if len > self.bytes.len() - self.at { Err(HistoryError::Damaged) } else { Ok(len) }
    }

    /// A text in UTF-8, behind its length.
    pub fn text(&mut self) -> Result<&'a str, HistoryError> {
        let len = self.len()?;
        std::str::from_utf8(self.take(len)?).map_err(|_| HistoryError::Damaged)
    }
}

/// Appends a number in LEB128.
pub fn push_number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// Appends a text behind its length.
pub fn push_text(bytes: &mut Vec<u8>, text: &str) {
    push_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// A checksum. Every step can be undone, so that a change within one step is always found.
pub fn checksum(bytes: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let step = |sum: u64, eight: u64| (sum ^ eight).wrapping_mul(FACTOR).rotate_left(29);
    let (eights, rest) = bytes.as_chunks();
    let mut sum = eights.iter().fold(bytes.len() as u64, |sum, eight| step(sum, u64::from_le_bytes(*eight)));
    sum = step(sum, rest.iter().rev().fold(0, |eight, byte| eight << 8 | u64::from(*byte)));
    sum = step(sum, 0);
    let [low, high] = [sum & 0xFFFF_FFFF, sum >> 32].map(|half| u32::try_from(half).unwrap_or_default());
    low ^ high
}
