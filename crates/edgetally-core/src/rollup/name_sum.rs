//! The sum of rows of one name.

use crate::rollup::body::{NameRows, RowAt};
use crate::rollup::columns::COLUMNS;
use crate::schema::counters::add;

/// Rows of one name, to add to; used for one name after the other.
#[derive(Debug)]
pub struct NameSum {
    sum: NameRows,
    /// Where each column is in the sum; [`NOWHERE`] if it has none.
    places: [u16; COLUMNS],
}

const NOWHERE: u16 = u16::MAX;

impl Default for NameSum {
    fn default() -> Self {
        Self { sum: NameRows::default(), places: [NOWHERE; COLUMNS] }
    }
}

impl NameSum {
    /// Starts with these rows, which may come several times.
    pub fn start(&mut self, rows: impl Iterator<Item = RowAt>) {
        self.sum.rows = rows.collect();
        self.sum.rows.sort_unstable();
        self.sum.rows.dedup();
    }

    /// Which row this is.
    pub fn place(&self, row: RowAt) -> usize {
        self.sum.rows.partition_point(|other| *other < row)
    }

    /// The values of a column; `None` if there is no such column.
    pub fn column(&mut self, column: u16) -> Option<&mut [u64]> {
        let place = self.places.get_mut(usize::from(column))?;
        if *place == NOWHERE {
            *place = u16::try_from(self.sum.columns.len()).ok()?;
            self.sum.columns.push((column, vec![0; self.sum.rows.len()]));
        }
        Some(&mut self.sum.columns[usize::from(*place)].1)
    }

    /// Adds to a column, which has to be one.
    #[inline]
    pub fn add(&mut self, row: usize, column: u16, value: u64) {
        if let Some(values) = self.column(column) {
            add(&mut values[row], value);
        }
    }

    /// The sum. The next one starts anew.
    pub fn finish(&mut self) -> NameRows {
        let mut sum = std::mem::take(&mut self.sum);
        for (column, _) in &sum.columns {
            self.places[usize::from(*column)] = NOWHERE;
        }
        sum.columns.sort_unstable_by_key(|(column, _)| *column);
        sum
    }
}
