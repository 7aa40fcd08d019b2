//! Reading partials: all of a partial is checked before its first row is read.

use std::ops::Range;

use crate::partial::bytes::Reader;
use crate::partial::error::PartialError;
use crate::partial::version::VERSION;
use crate::partial::write::SECTION;
use crate::schema::counters::Kind;

/// One service and POP in a partial.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The service.
    pub service_id: &'a str,
    /// The POP.
    pub pop: &'a str,
    /// Which records of the section it had.
    records: Range<usize>,
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
    /// Seconds, and how many records there were, scope by scope.
    records: Vec<(u64, u64)>,
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
        let (mut scopes, mut records) = (vec![], vec![]);
        for _ in 0..reader.number()? {
            let (service_id, pop, start) = (reader.text()?, reader.text()?, records.len());
            for _ in 0..reader.number()? {
                records.push((reader.number()?, reader.number()?));
            }
            scopes.push(Scope { service_id, pop, records: start..records.len() });
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
        Ok(Self { scopes, records, rows, counters_lens })
    }

    /// How many records a scope had in which second.
    #[must_use]
    pub fn records(&self, scope: &Scope<'_>) -> &[(u64, u64)] {
        &self.records[scope.records.clone()]
    }

    /// Kind, scope and all that follows of each row, as it was written.
    pub(crate) fn raw_rows(&self) -> impl Iterator<Item = Result<(Kind, usize, &'a [u8]), PartialError>> {
        let mut reader = self.rows;
        self.counters_lens.iter().map(move |len| {
            let mut scope = reader;
            let row = reader.row_key()?;
            reader.at += *len as usize;
            scope.byte()?;
            scope.number()?;
            Ok((row.kind, row.scope, &reader.bytes[scope.at..reader.at]))
        })
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

impl<'a> Reader<'a> {
    /// Whether the section has another row.
    fn has_row(&self) -> bool {
        self.bytes.get(self.at).is_some_and(|kind| *kind != SECTION)
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
    use super::*;
    use crate::partial::write::Writer;

    #[test]
    fn counters_in_the_wrong_order_are_damage() {
        for (counters, is_read) in [([3, 4], true), ([4, 4], false), ([5, 4], false)] {
            let mut writer = Writer::new([("a", "b", &[(1, 1)][..])].into_iter());
            writer.domain(Kind::Delivery, 0, 1, "c", &counters.map(|counter| (counter, 1)));
            assert_eq!(is_read, read(&writer.finish()).is_ok(), "{counters:?}");
        }
    }
}
