//! A batch: records that were read one after the other, and are counted together.
//!
//! The rows of many keys do not fit into the cache of a CPU core, and waiting for the memory of each of them takes longer
//! than reading the line. So the keys of several records are looked up first, then their rows are touched, and then they
//! are counted. Loads that do not depend on each other wait together.

use crate::fold::counting_rules::FoldRows;
use crate::fold::waiting::Waiting;

/// How many records are counted together: more than a core loads at once, and few enough for its nearest cache.
const RECORDS: usize = 16;

/// Records of one block that wait.
#[derive(Debug)]
pub struct Batch<'b> {
    waiting: [Option<Waiting<'b>>; RECORDS],
    len: usize,
}

impl<'b> Batch<'b> {
    /// A batch without records.
    pub fn new() -> Self {
        Self { waiting: [const { None }; RECORDS], len: 0 }
    }

    /// The place of the next record, for [`Batch::push`].
    #[inline]
    pub fn next(&mut self) -> &mut Option<Waiting<'b>> {
        &mut self.waiting[self.len % RECORDS]
    }

    /// Adds the record that was put into the next place. If the batch is full then, counts all.
    #[inline]
    pub fn push(&mut self, rows: &mut FoldRows) {
        self.len += 1;
        if self.len == RECORDS {
            self.count(rows);
        }
    }

    /// Counts all records.
    #[inline]
    pub fn count(&mut self, rows: &mut FoldRows) {
        if self.len > 0 {
            rows.count(&mut self.waiting[..self.len]);
            self.len = 0;
        }
    }
}
