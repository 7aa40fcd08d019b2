//! Lines of values between tabs.

use std::ops::Range;

use crate::decode::slots::Slots;
use crate::rejection::{Reason, Rejection};

/// The slot of each column of a line.
#[derive(Debug, Clone)]
pub struct Columns(Vec<usize>);

impl Columns {
    /// Columns for `slots`, in this order.
    pub fn new(slots: Vec<usize>) -> Self {
        Self(slots)
    }

    /// Decodes the columns of `block[line]` into `record`. A line must have a value for every column.
    pub fn decode(&self, block: &[u8], line: Range<usize>, record: &mut Slots) -> Result<(), Rejection> {
        let start = line.start;
        let mut from = start;
        let mut slots = self.0.iter();
        for to in memchr::memchr_iter(b'\t', &block[line.clone()]).map(|at| start + at).chain([line.end]) {
            let slot = slots.next().ok_or(Rejection::new(Reason::BadColumns, from))?;
            record.put(*slot, from, to);
            from = to + 1;
        }
        if slots.next().is_some() { Err(Rejection::new(Reason::BadColumns, line.end)) } else { Ok(()) }
    }
}
