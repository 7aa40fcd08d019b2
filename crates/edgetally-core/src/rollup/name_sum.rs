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
    /// Which row is that of each POP and period, POP by POP; empty if most of them have none.
    grid: Vec<u32>,
    /// How many periods a POP has in the grid.
    span: usize,
}

const NOWHERE: u16 = u16::MAX;

/// A grid may have so many cells, and so many for each row.
const SMALL_GRID: usize = 1_024;
const CELLS_PER_ROW: usize = 4;

impl Default for NameSum {
    fn default() -> Self {
        Self { sum: NameRows::default(), places: [NOWHERE; COLUMNS], grid: vec![], span: 0 }
    }
}

impl NameSum {
    /// Starts with these rows, which may come several times.
    pub fn start(&mut self, rows: impl Iterator<Item = RowAt> + Clone) {
        let (mut count, mut pops, mut span) = (0, 0, 0);
        for (pop, period) in rows.clone() {
            (count, pops, span) = (count + 1, pops.max(pop as usize + 1), span.max(period as usize + 1));
        }
        self.sum.rows.clear();
        self.grid.clear();
        self.span = span;
        if pops.saturating_mul(span) > SMALL_GRID.max(CELLS_PER_ROW.saturating_mul(count)) {
            self.sum.rows.extend(rows);
            self.sum.rows.sort_unstable();
            self.sum.rows.dedup();
            return;
        }
        self.grid.resize(pops * span, 0);
        for (pop, period) in rows {
            self.grid[pop as usize * span + period as usize] = 1;
        }
        let (mut cells, mut number) = (self.grid.iter_mut(), 0);
        for pop in (0..).take(pops) {
            for (period, cell) in (0..).zip(cells.by_ref().take(span)) {
                if *cell != 0 {
                    self.sum.rows.push((pop, period));
                    *cell = number;
                    number += 1;
                }
            }
        }
    }

    /// Which row this is.
    #[inline]
    pub fn place(&self, row: RowAt) -> usize {
        if self.grid.is_empty() {
            return self.sum.rows.partition_point(|other| *other < row);
        }
        self.grid[row.0 as usize * self.span + row.1 as usize] as usize
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
