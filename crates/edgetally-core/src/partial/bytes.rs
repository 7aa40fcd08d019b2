//! Numbers and texts as bytes, as partials have them.

use crate::partial::error::PartialError;

/// Reads bytes from the front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Reader<'a> {
    #[cold]
    pub fn damaged(&self) -> PartialError {
        PartialError::Damaged(self.at)
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, PartialError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.damaged())?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub fn number(&mut self) -> Result<u64, PartialError> {
        let byte = self.byte()?;
        if byte < 0x80 { Ok(u64::from(byte)) } else { self.long_number() }
    }

    /// A number of more than one byte, the first of which has been read.
    #[inline]
    fn long_number(&mut self) -> Result<u64, PartialError> {
        self.at -= 1;
        let eight = self.bytes[self.at..].first_chunk().map_or(u64::MAX, |eight| u64::from_le_bytes(*eight));
        // The last byte of the number is the first one without its highest bit.
        let last = !eight & 0x8080_8080_8080_8080;
        if last == 0 {
            return self.longest_number();
        }
        self.at += last.trailing_zeros() as usize / 8 + 1;
        let sevens = eight & (last ^ (last - 1)) & 0x7F7F_7F7F_7F7F_7F7F;
        let fourteens = sevens & 0x007F_007F_007F_007F | (sevens & 0x7F00_7F00_7F00_7F00) >> 1;
        let halves = fourteens & 0x3FFF_0000_3FFF | (fourteens & 0x3FFF_0000_3FFF_0000) >> 2;
        Ok(halves & 0x0FFF_FFFF | (halves & 0x0FFF_FFFF_0000_0000) >> 4)
    }

    /// A number of more than eight bytes, or in the last eight of the partial.
    #[cold]
    fn longest_number(&mut self) -> Result<u64, PartialError> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift > 63 || (shift == 63 && bits > 1) {
                return Err(self.damaged());
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// A text in UTF-8.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, PartialError> {
        std::str::from_utf8(self.text_bytes()?).map_err(|_| self.damaged())
    }

    #[inline]
    pub fn text_bytes(&mut self) -> Result<&'a [u8], PartialError> {
        let len = usize::try_from(self.number()?).map_err(|_| self.damaged())?;
        let end = self.at.checked_add(len).ok_or_else(|| self.damaged())?;
        let text = self.bytes.get(self.at..end).ok_or_else(|| self.damaged())?;
        self.at = end;
        Ok(text)
    }
}

/// Appends a number: seven bits per byte, the lowest first.
pub(crate) fn write_number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// Appends a text: its length, and its bytes.
pub(crate) fn write_text(bytes: &mut Vec<u8>, text: &[u8]) {
    write_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_number(bytes: &[u8]) -> Option<(u64, usize)> {
        let mut reader = Reader { bytes, at: 0 };
        reader.number().ok().map(|value| (value, reader.at))
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(
            value: u64,
            shift in 0..64_u32,
            rest in prop::collection::vec(0..=u8::MAX, 0..12),
        ) {
            let value = value >> shift;
            let mut bytes = vec![];
            write_number(&mut bytes, value);
            let len = bytes.len();
            prop_assert_eq!(None, read_number(&bytes[..len - 1]));
            bytes.extend(rest);
            prop_assert_eq!(Some((value, len)), read_number(&bytes));
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_damage() {
        let nine = [0xFF; 9];
        assert_eq!(Some((u64::MAX, 10)), read_number(&[&nine[..], &[1]].concat()));
        assert_eq!(None, read_number(&[&nine[..], &[2]].concat()));
        assert_eq!(None, read_number(&[&nine[..], &[0x81, 0]].concat()));
    }
}
