//! A batch of rows of a partial, which are added to their tallies together.
//!
//! The tallies of many services do not fit into the cache of a CPU core, and waiting for the memory of each row takes
//! longer than adding it. So the keys of several rows are looked up first, then their rows, then their counters are
//! touched, and then added to. Loads that do not depend on each other wait together.
//!
//! Each step takes the rows in their order, so limits on keys have the same effect as without a batch.

use std::hint::black_box;

use crate::partial::{PartialRow, Scope};
use crate::window::tally::{Limits, RowKey, Tally};

/// How many rows are added together.
const ROWS: usize = 16;

/// Where the rows of a scope are added, as long as they are of the same second.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub second: u64,
    /// The index of the tally.
    pub tally: usize,
    /// The number of its POP in the tally, if it is within the limit.
    pub pop: Option<u32>,
}

/// Rows of one second that wait.
#[derive(Debug)]
pub struct RowBatch<'a> {
    second: u64,
    rows: Vec<WaitingRow<'a>>,
}

#[derive(Debug)]
struct WaitingRow<'a> {
    row: PartialRow<'a>,
    /// The index of its tally.
    tally: usize,
    key: RowKey,
    /// Its number among the rows of its kind.
    number: u32,
}

impl<'a> RowBatch<'a> {
    /// A batch without rows.
    pub fn new() -> Self {
        Self { second: 0, rows: Vec::with_capacity(ROWS) }
    }

    /// The second of all rows.
    pub fn second(&self) -> u64 {
        self.second
    }

    /// Whether a row of this second can be pushed.
    #[inline]
    pub fn has_place(&self, second: u64) -> bool {
        self.rows.is_empty() || (self.second == second && self.rows.len() < ROWS)
    }

    /// Pushes a row of the tally with this index, which has a place.
    #[inline]
    pub fn push(&mut self, second: u64, tally: usize, row: PartialRow<'a>) {
        self.second = second;
        self.rows.push(WaitingRow { row, tally, key: 0, number: 0 });
    }

    /// Adds all rows to the tallies of their second, and removes them. `targets` are those of the scopes.
    pub fn add(
        &mut self,
        tallies: &mut [Tally],
        scopes: &[Scope<'_>],
        targets: &mut [Option<Target>],
        limits: &Limits,
        is_reserved: impl Fn(&Scope<'_>, &[u8]) -> bool,
    ) {
        let mut seen = 0;
        for WaitingRow { row, tally, .. } in &self.rows {
            seen ^= tallies[*tally].touch(row.kind);
        }
        for WaitingRow { row, tally, key, .. } in &mut self.rows {
            let (tally, scope) = (&mut tallies[*tally], &scopes[row.scope]);
            let pop = match &mut targets[row.scope] {
                Some(Target { pop: Some(pop), .. }) => *pop,
                target => {
                    let overflowed = tally.overflowed;
                    let pop = tally.pop(scope.pop, limits);
                    // If it is beyond the limit, each of its rows has to be counted as overflowed.
                    if let Some(target) = target
                        && tally.overflowed == overflowed
                    {
                        target.pop = Some(pop);
                    }
                    pop
                }
            };
            *key = tally.key(row.kind, pop, row.name, row.address, limits, || is_reserved(scope, row.name));
        }
        for WaitingRow { row, tally, key, number } in &mut self.rows {
            *number = tallies[*tally].rows_mut(row.kind).number(*key, row.counters.count());
        }
        for WaitingRow { row, tally, number, .. } in &self.rows {
            seen ^= tallies[*tally].rows_mut(row.kind).counters.touch(*number);
        }
        // Otherwise the compiler would leave touching out.
        black_box(seen);
        for WaitingRow { row, tally, number, .. } in &self.rows {
            tallies[*tally].rows_mut(row.kind).counters.add(*number, row.counters);
        }
        self.rows.clear();
    }
}
