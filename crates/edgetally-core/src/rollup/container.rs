//! What is stored: chunks, which have the rows of one name, and minutes, which have those of all names.
//!
//! ```text
//! chunk  = version checksum length head body
//! minute = version checksum length head names body*
//! head   = step first pops        the length of a period in seconds, the number of the first period, and the POPs
//! names  = count, and of each its name and the length of its body
//! ```
//!
//! The checksum is over everything in front of the bodies, which is this `length` and have their own. Names and POPs are in
//! alphabetical order.

use std::ops::Range;

use crate::rollup::body::NameRows;
use crate::rollup::bytes::{Bytes, checksum, push_number, push_text};
use crate::rollup::columns::VERSION;
use crate::rollup::error::HistoryError;

/// The longest period, in seconds.
const MAX_STEP: u64 = 1 << 32;

/// What all rows have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'a> {
    /// The length of a period in seconds.
    pub step: u64,
    /// The first period, counted in periods from 1970. Rows number theirs from it.
    pub first: u64,
    /// The POPs, in alphabetical order.
    pub pops: Vec<&'a str>,
}

impl<'a> Head<'a> {
    fn write(&self, bytes: &mut Vec<u8>) {
        push_number(bytes, self.step);
        push_number(bytes, self.first);
        push_number(bytes, self.pops.len() as u64);
        self.pops.iter().for_each(|pop| push_text(bytes, pop));
    }

    fn read(reader: &mut Bytes<'a>) -> Result<Self, HistoryError> {
        let (step, first) = (reader.number()?, reader.number()?);
        // So that no period begins beyond 64 bits.
        let is_possible = (1..=MAX_STEP).contains(&step) && first <= u64::MAX / step - (1 << 31);
        if !is_possible {
            return Err(HistoryError::Damaged);
        }
        let mut pops = vec![];
        for _ in 0..reader.len()? {
            let pop = reader.text()?;
            if pops.last().is_some_and(|last| *last >= pop) {
                return Err(HistoryError::Damaged);
            }
            pops.push(pop);
        }
        Ok(Self { step, first, pops })
    }

    /// When a period begins, in Unix seconds.
    pub fn begin(&self, period: u32) -> u64 {
        self.first.saturating_add(u64::from(period)).saturating_mul(self.step)
    }
}

/// A chunk with its name, or a minute.
#[derive(Debug)]
pub struct HistoryPart<'a> {
    pub head: Head<'a>,
    bytes: &'a [u8],
    /// In alphabetical order.
    names: Vec<(&'a str, Range<usize>)>,
}

impl<'a> HistoryPart<'a> {
    /// Reads a chunk if there is a name, or else a minute; all but the bodies.
    pub fn read(name: Option<&'a str>, bytes: &'a [u8]) -> Result<Self, HistoryError> {
        match bytes.first() {
            Some(&VERSION) => {}
            Some(version) => return Err(HistoryError::UnknownVersion(*version)),
            None => return Err(HistoryError::Damaged),
        }
        let mut reader = Bytes::new(bytes, 1);
        let sum = reader.take(4)?;
        let checked = reader.len()?;
        let start = reader.at();
        if checksum(reader.take(checked)?).to_le_bytes() != sum {
            return Err(HistoryError::Damaged);
        }
        let end = reader.at();
        let mut reader = Bytes::new(&bytes[..end], start);
        let head = Head::read(&mut reader)?;
        let names = match name {
            Some(name) => vec![(name, end..bytes.len())],
            None => read_names(&mut reader, end, bytes.len())?,
        };
        if reader.is_end() { Ok(Self { head, bytes, names }) } else { Err(HistoryError::Damaged) }
    }

    /// The names and their bodies, in alphabetical order.
    pub fn bodies(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.names.iter().map(|(name, range)| (*name, &self.bytes[range.clone()]))
    }

    /// The body of `name`.
    pub fn body(&self, name: &str) -> Option<&'a [u8]> {
        let at = self.names.binary_search_by_key(&name, |(name, _)| *name).ok()?;
        Some(&self.bytes[self.names[at].1.clone()])
    }
}

fn read_names<'a>(
    reader: &mut Bytes<'a>,
    bodies: usize,
    end: usize,
) -> Result<Vec<(&'a str, Range<usize>)>, HistoryError> {
    let mut names: Vec<(&str, Range<usize>)> = vec![];
    let mut start = bodies;
    for _ in 0..reader.len()? {
        let name = reader.text()?;
        let len = usize::try_from(reader.number()?).map_err(|_| HistoryError::Damaged)?;
        let next = start.checked_add(len).filter(|next| *next <= end).ok_or(HistoryError::Damaged)?;
        if names.last().is_some_and(|(last, _)| *last >= name) {
            return Err(HistoryError::Damaged);
        }
        names.push((name, start..next));
        start = next;
    }
    if start == end { Ok(names) } else { Err(HistoryError::Damaged) }
}

/// The bytes of a chunk.
pub fn write_chunk(head: &Head<'_>, rows: &NameRows) -> Vec<u8> {
    let mut checked = vec![];
    head.write(&mut checked);
    let mut bytes = start(&checked);
    rows.write(&mut bytes);
    bytes
}

/// Writes a minute name by name, in alphabetical order.
#[derive(Debug)]
pub struct MinuteWriter<'a> {
    head: Head<'a>,
    count: u64,
    names: Vec<u8>,
    bodies: Vec<u8>,
}

impl<'a> MinuteWriter<'a> {
    pub fn new(head: Head<'a>) -> Self {
        Self { head, count: 0, names: vec![], bodies: vec![] }
    }

    pub fn push(&mut self, name: &str, rows: &NameRows) {
        let start = self.bodies.len();
        rows.write(&mut self.bodies);
        self.count += 1;
        push_text(&mut self.names, name);
        push_number(&mut self.names, (self.bodies.len() - start) as u64);
    }

    pub fn finish(self) -> Vec<u8> {
        let mut checked = vec![];
        self.head.write(&mut checked);
        push_number(&mut checked, self.count);
        checked.extend_from_slice(&self.names);
        let mut bytes = start(&checked);
        bytes.extend_from_slice(&self.bodies);
        bytes
    }
}

/// Version, checksum, and what it is over.
fn start(checked: &[u8]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&checksum(checked).to_le_bytes());
    push_number(&mut bytes, checked.len() as u64);
    bytes.extend_from_slice(checked);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rollup::body::{Body, RowAt};

    /// The rows of a name, and the columns that are not 0.
    type Contents = Vec<(String, Vec<RowAt>, Vec<(u16, Vec<u64>)>)>;

    fn read_all<'a>(name: Option<&'a str>, bytes: &'a [u8]) -> Result<(Head<'a>, Contents), HistoryError> {
        let part = HistoryPart::read(name, bytes)?;
        let mut found = vec![];
        for (name, body) in part.bodies() {
            let body = Body::read(body, part.head.pops.len())?;
            let mut columns = vec![];
            for column in body.columns() {
                let mut values = vec![0; body.rows.len()];
                body.read_column(column, |row, value| values[row] = value)?;
                columns.push((column, values));
            }
            found.push((name.to_owned(), body.rows, columns));
        }
        Ok((part.head, found))
    }

    fn name_rows() -> impl Strategy<Value = NameRows> {
        let row = (0..2_u32, 0..5_u32);
        prop::collection::btree_set(row, 1..8).prop_flat_map(|rows| {
            let values = prop::collection::vec(prop_oneof![Just(0), 1..9_u64, any::<u64>()], rows.len());
            prop::collection::btree_map(0..770_u16, values, 0..5).prop_map(move |columns| NameRows {
                rows: rows.iter().copied().collect(),
                columns: columns.into_iter().collect(),
            })
        })
    }

    /// Corrects the checksums of a chunk, so that all other checks have to find what is wrong with it.
    fn correct(chunk: &mut [u8]) -> Option<()> {
        let mut reader = Bytes::new(chunk, 5);
        let checked = reader.len().ok()?;
        let (start, end) = (reader.at(), reader.at() + checked);
        let sum = checksum(&chunk[start..end]).to_le_bytes();
        chunk[1..5].copy_from_slice(&sum);
        let sum = checksum(chunk.get(end + 4..)?).to_le_bytes();
        chunk[end..end + 4].copy_from_slice(&sum);
        Some(())
    }

    proptest! {
        #[test]
        fn parts_are_read_as_they_were_written(
            names in prop::collection::btree_map("[a-c]{0,2}", name_rows(), 0..4),
            first in 0..1_u64 << 40,
        ) {
            let head = Head { step: 60, first, pops: vec!["", "AMS"] };
            let mut writer = MinuteWriter::new(head.clone());
            let mut want = vec![];
            for (name, rows) in &names {
                writer.push(name, rows);
                let columns = rows.columns.iter().filter(|(_, values)| values.iter().any(|value| *value != 0));
                let of_name = (name.clone(), rows.rows.clone(), columns.cloned().collect());
                let chunk = write_chunk(&head, rows);
                prop_assert_eq!(Ok((head.clone(), vec![of_name.clone()])), read_all(Some(name), &chunk));
                prop_assert!(read_all(None, &chunk).is_err());
                want.push(of_name);
            }
            let minute = writer.finish();
            prop_assert_eq!(Ok((head, want)), read_all(None, &minute));
        }

        #[test]
        fn damage_that_no_checksum_finds_is_an_error_or_other_numbers(
            rows in name_rows(),
            damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut chunk = write_chunk(&Head { step: 60, first: 7, pops: vec!["", "AMS"] }, &rows);
            for (at, byte) in damages {
                let at = at.index(chunk.len());
                chunk[at] = byte;
            }
            if let Some(cut) = cut {
                chunk.truncate(cut.index(chunk.len()));
            }
            if correct(&mut chunk).is_some() {
                // Whatever it is, it does not panic, and takes no more memory than its length allows.
                let _ = read_all(Some("a"), &chunk);
            }
        }
    }
}
