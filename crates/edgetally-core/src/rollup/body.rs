//! A body: the rows of one name, column by column.
//!
//! ```text
//! body    = checksum count span keys columns
//! keys    = the length of the keys in bytes, and the distances between the keys of rows: pop * span + period
//! columns = count (column length)* bytes*
//! ```
//!
//! A `column` is how far its number is from the one before. Its `length` is twice that of its bytes; or, if it is odd, the
//! column has the same values as the one that many before it. All numbers are LEB128.

use std::ops::Range;

use crate::rollup::bits::{BitReader, BitWriter};
use crate::rollup::bytes::{Bytes, checksum, push_number};
use crate::rollup::column;
use crate::rollup::error::HistoryError;

/// A row: the number of its POP, and that of its period.
pub type RowAt = (u32, u32);

/// The rows of one name.
#[derive(Debug, Default)]
pub struct NameRows {
    /// In ascending order.
    pub rows: Vec<RowAt>,
    /// Number and values of each column, in ascending order.
    pub columns: Vec<(u16, Vec<u64>)>,
}

impl NameRows {
    /// Appends them to `bytes`.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        let span = self.rows.iter().map(|(_, period)| u64::from(*period) + 1).max().unwrap_or_default();
        push_number(bytes, self.rows.len() as u64);
        push_number(bytes, span);
        let (mut keys, mut next) = (BitWriter::default(), 0);
        for (pop, period) in &self.rows {
            let key = u64::from(*pop) * span + u64::from(*period);
            keys.short(key - next, 0);
            next = key + 1;
        }
        let keys = keys.finish();
        push_number(bytes, keys.len() as u64);
        bytes.extend_from_slice(&keys);
        let runs = runs(&self.rows);
        let used: Vec<_> = self.columns.iter().filter(|(_, values)| values.iter().any(|value| *value != 0)).collect();
        push_number(bytes, used.len() as u64);
        let (mut written, mut next) = (vec![], 0);
        for (number, (column, values)) in used.iter().enumerate() {
            push_number(bytes, u64::from(*column - next));
            next = column + 1;
            if let Some(same) = used[..number].iter().rposition(|(_, others)| others == values) {
                push_number(bytes, (number - same) as u64 * 2 + 1);
            } else {
                let mut column = column::write(values, &runs);
                push_number(bytes, column.len() as u64 * 2);
                written.append(&mut column);
            }
        }
        bytes.append(&mut written);
        let sum = checksum(&bytes[start + 4..]);
        bytes[start..start + 4].copy_from_slice(&sum.to_le_bytes());
    }
}

/// How many rows in a row have the same POP.
fn runs(rows: &[RowAt]) -> Vec<usize> {
    rows.chunk_by(|one, other| one.0 == other.0).map(<[_]>::len).collect()
}

/// A body that is read: its rows, and where its columns are.
#[derive(Debug)]
pub struct Body<'a> {
    bytes: &'a [u8],
    /// In ascending order.
    pub rows: Vec<RowAt>,
    runs: Vec<usize>,
    /// Number and bytes of each column, in ascending order.
    pub columns: Vec<(u16, Range<usize>)>,
}

impl<'a> Body<'a> {
    /// Reads all but the columns. POPs have numbers below `pops`.
    pub fn read(bytes: &'a [u8], pops: usize) -> Result<Self, HistoryError> {
        let (sum, rest) = bytes.split_first_chunk().ok_or(HistoryError::Damaged)?;
        if u32::from_le_bytes(*sum) != checksum(rest) {
            return Err(HistoryError::Damaged);
        }
        let mut reader = Bytes::new(bytes, 4);
        let (count, span) = (reader.number()?, reader.number()?);
        let keys_len = reader.len()?;
        let keys = reader.take(keys_len)?;
        // A row has a bit at least.
        if count > keys.len() as u64 * 8 || span > u64::from(u32::MAX) {
            return Err(HistoryError::Damaged);
        }
        let (mut keys, mut next) = (BitReader::new(keys), 0_u64);
        let mut rows = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
        for _ in 0..count {
            let key = next.checked_add(keys.short(0)).ok_or(HistoryError::Damaged)?;
            let (Some(pop), Some(period)) = (key.checked_div(span), key.checked_rem(span)) else {
                return Err(HistoryError::Damaged);
            };
            if pop >= pops as u64 {
                return Err(HistoryError::Damaged);
            }
            let narrow = |number| u32::try_from(number).map_err(|_| HistoryError::Damaged);
            rows.push((narrow(pop)?, narrow(period)?));
            next = key.checked_add(1).ok_or(HistoryError::Damaged)?;
        }
        if !keys.is_within() {
            return Err(HistoryError::Damaged);
        }
        let columns = read_columns(&mut reader)?;
        Ok(Self { bytes, runs: runs(&rows), rows, columns })
    }

    /// The numbers of its columns, in ascending order.
    pub fn columns(&self) -> impl Iterator<Item = u16> {
        self.columns.iter().map(|(column, _)| *column)
    }

    /// Calls `found` with row and value of `column`, for each row that is not 0, and for some that are.
    #[inline]
    pub fn read_column(&self, column: u16, found: impl FnMut(usize, u64)) -> Result<(), HistoryError> {
        match self.columns.binary_search_by_key(&column, |(column, _)| *column) {
            Ok(at) => self.read_column_at(at, found),
            Err(_) => Ok(()),
        }
    }

    /// The same for the column at position `at`.
    #[inline]
    pub fn read_column_at(&self, at: usize, found: impl FnMut(usize, u64)) -> Result<(), HistoryError> {
        let bytes = &self.bytes[self.columns[at].1.clone()];
        column::read(bytes, &self.runs, self.rows.len(), found).ok_or(HistoryError::Damaged)
    }
}

fn read_columns(reader: &mut Bytes<'_>) -> Result<Vec<(u16, Range<usize>)>, HistoryError> {
    let count = reader.len()?;
    let mut columns: Vec<(u16, Range<usize>)> = vec![];
    let (mut lengths, mut next) = (vec![], 0_u64);
    for _ in 0..count {
        let column = next.checked_add(reader.number()?).and_then(|column| u16::try_from(column).ok());
        let column = column.filter(|column| *column < u16::MAX).ok_or(HistoryError::Damaged)?;
        next = u64::from(column) + 1;
        columns.push((column, 0..0));
        lengths.push(reader.number()?);
    }
    for (number, length) in lengths.into_iter().enumerate() {
        let half = usize::try_from(length / 2).map_err(|_| HistoryError::Damaged)?;
        columns[number].1 = if length % 2 == 1 {
            let same = number.checked_sub(half).filter(|same| *same < number).ok_or(HistoryError::Damaged)?;
            columns[same].1.clone()
        } else {
            let start = reader.at();
            reader.take(half)?;
            start..start + half
        };
    }
    if reader.is_end() { Ok(columns) } else { Err(HistoryError::Damaged) }
}
