//! Reading partials: all of a partial is checked before its first row is read.

use crate::partial::error::PartialError;
use crate::partial::write::{SECTION, VERSION};
use crate::schema::counters::Kind;

/// One service and POP in a partial.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The service.
    pub service_id: &'a str,
    /// The POP.
    pub pop: &'a str,
    /// How many records it had in which second.
    pub records: Vec<(u64, u64)>,
}

/// One row of a partial.
#[derive(Debug)]
pub struct PartialRow<'a> {
    /// What it counts.
    pub kind: Kind,
    /// The index of its scope.
    pub scope: usize,
    /// Unix second.
    pub second: u64,
    /// The domain, or the name of the origin, in UTF-8; empty for a service.
    pub name: &'a [u8],
    /// The address of the origin, or empty.
    pub address: &'a [u8],
    /// Its counters.
    pub counters: EncodedCounters<'a>,
}

/// Encoded counters of a row: how many there are, then counter and value of each.
#[derive(Debug, Clone, Copy)]
pub struct EncodedCounters<'a>(&'a [u8]);

impl<'a> EncodedCounters<'a> {
    /// The counters at byte `at` of `bytes`, which this crate has written.
    pub(crate) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self(&bytes[at..])
    }

    /// Whether there are no counters.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.first().is_none_or(|count| *count == 0)
    }

    /// How many counters there are.
    #[inline]
    #[must_use]
    pub fn count(self) -> usize {
        self.0.first().map_or(0, |count| usize::from(*count))
    }

    /// Calls `found` with counter and value of each.
    #[inline]
    pub fn for_each(self, mut found: impl FnMut(usize, u64)) {
        let mut reader = Reader { bytes: self.0, at: 0 };
        let Ok(count) = reader.byte() else { return };
        for _ in 0..count {
            let (Ok(counter), Ok(value)) = (reader.byte(), reader.number()) else {
                return;
            };
            found(usize::from(counter), value);
        }
    }
}

/// A section of a partial, read up to its rows.
#[derive(Debug)]
pub struct Section<'a> {
    /// Services and POPs.
    pub scopes: Vec<Scope<'a>>,
    rows: Reader<'a>,
    /// The length of the counters of each row in bytes.
    counters_lens: Vec<u32>,
}

/// Checks all of `bytes`, so that nothing of a damaged partial is merged, and returns the sections.
pub fn read(bytes: &[u8]) -> Result<Vec<Section<'_>>, PartialError> {
    let mut reader = Reader { bytes, at: 0 };
    let mut sections = vec![];
    loop {
        let section = Section::read(&mut reader)?;
        sections.push(section);
        if reader.at == bytes.len() {
            return Ok(sections);
        }
        reader.at += 1;
    }
}

impl<'a> Section<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, PartialError> {
        match reader.byte()? {
            1..=VERSION => {}
            version => return Err(PartialError::UnknownVersion(version)),
        }
        let mut scopes = vec![];
        for _ in 0..reader.number()? {
            let (service_id, pop) = (reader.text()?, reader.text()?);
            let mut records = vec![];
            for _ in 0..reader.number()? {
                records.push((reader.number()?, reader.number()?));
            }
            scopes.push(Scope { service_id, pop, records });
        }
        let rows = *reader;
        let mut counters_lens = vec![];
        while reader.has_row() {
            let row = reader.row_key()?;
            if row.scope >= scopes.len() || !is_text(row.name) || !is_text(row.address) {
                return Err(reader.damaged());
            }
            counters_lens.push(reader.skip_counters(row.kind)?);
        }
        Ok(Self { scopes, rows, counters_lens })
    }

    /// The rows of the section.
    pub fn rows(&self) -> impl Iterator<Item = Result<PartialRow<'a>, PartialError>> {
        let mut reader = self.rows;
        self.counters_lens.iter().map(move |len| {
            let row = reader.row_key()?;
            reader.at += *len as usize;
            Ok(row)
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[cold]
    fn damaged(&self) -> PartialError {
        PartialError::Damaged(self.at)
    }

    /// Whether the section has another row.
    fn has_row(&self) -> bool {
        self.bytes.get(self.at).is_some_and(|kind| *kind != SECTION)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, PartialError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.damaged())?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn number(&mut self) -> Result<u64, PartialError> {
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
    fn text(&mut self) -> Result<&'a str, PartialError> {
        std::str::from_utf8(self.text_bytes()?).map_err(|_| self.damaged())
    }

    #[inline]
    fn text_bytes(&mut self) -> Result<&'a [u8], PartialError> {
        let len = usize::try_from(self.number()?).map_err(|_| self.damaged())?;
        let end = self.at.checked_add(len).ok_or_else(|| self.damaged())?;
        let text = self.bytes.get(self.at..end).ok_or_else(|| self.damaged())?;
        self.at = end;
        Ok(text)
    }

    /// A row up to its counters. The scope and the texts are not checked.
    #[inline]
    fn row_key(&mut self) -> Result<PartialRow<'a>, PartialError> {
        let kind = *Kind::ALL.get(usize::from(self.byte()?)).ok_or_else(|| self.damaged())?;
        let scope = usize::try_from(self.number()?).map_err(|_| self.damaged())?;
        let second = self.number()?;
        let name = if kind.is_channel() { &[] } else { self.text_bytes()? };
        let address = if kind.is_origin() { self.text_bytes()? } else { &[] };
        Ok(PartialRow { kind, scope, second, name, address, counters: EncodedCounters(&self.bytes[self.at..]) })
    }

    /// Checks the counters of a row of this kind and returns their length in bytes.
    #[inline]
    fn skip_counters(&mut self, kind: Kind) -> Result<u32, PartialError> {
        let (start, mut least) = (self.at, 0);
        for _ in 0..self.byte()? {
            let counter = usize::from(self.byte()?);
            if counter < least || counter >= kind.counters() {
                return Err(self.damaged());
            }
            least = counter + 1;
            self.number()?;
        }
        u32::try_from(self.at - start).map_err(|_| self.damaged())
    }
}

/// Whether `bytes` are UTF-8. Nearly all names are ASCII, which is checked faster.
#[inline]
fn is_text(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::partial::write::{Writer, write_number};

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

    #[test]
    fn counters_in_the_wrong_order_are_damage() {
        for (counters, is_read) in [([3, 4], true), ([4, 4], false), ([5, 4], false)] {
            let mut writer = Writer::new([("a", "b", &[(1, 1)][..])].into_iter());
            writer.domain(Kind::Delivery, 0, 1, "c", &counters.map(|counter| (counter, 1)));
            assert_eq!(is_read, read(&writer.finish()).is_ok(), "{counters:?}");
        }
    }
}
