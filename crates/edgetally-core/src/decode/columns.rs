//! Lines of values between tabs.

use std::ops::Range;

use crate::decode::slots::Slots;
use crate::rejection::{Reason, Reject};

/// Which slot each column of a line is for.
#[derive(Debug, Clone)]
pub struct Columns(Vec<usize>);

impl Columns {
    /// As many columns as there are `slots`, in their order.
    pub fn new(slots: Vec<usize>) -> Self {
        Self(slots)
    }

    /// Reads the columns of `block[line]` into `record`; there must be as many as were chosen.
    pub fn read(&self, block: &[u8], line: Range<usize>, record: &mut Slots) -> Result<(), Reject> {
        let start = line.start;
        let mut from = start;
        let mut slots = self.0.iter();
        for to in memchr::memchr_iter(b'\t', &block[line.clone()]).map(|at| start + at).chain([line.end]) {
            let slot = slots.next().ok_or(Reject::new(Reason::BadColumns, from))?;
            record.put(*slot, from, to);
            from = to + 1;
        }
        if slots.next().is_some() { Err(Reject::new(Reason::BadColumns, line.end)) } else { Ok(()) }
    }
}
