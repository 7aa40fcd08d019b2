//! A period as a sealed second, for rankings and entries.

use crate::partial::{EncodedCounters, write_counters};
use crate::rollup::body::Body;
use crate::rollup::columns::{LINES, counter_of};
use crate::rollup::container::HistoryPart;
use crate::rollup::error::HistoryError;
use crate::schema::counters::{Kind, add};
use crate::window::sealed::Sealed;
use crate::window::tally::{Limits, Tally};

/// What parts of domains and of origins have in `start..end`, as one sealed second with the number `second`. Origins have no
/// addresses.
pub fn sealed_period(
    parts: &[(Option<&str>, &[u8])],
    service_id: &str,
    (start, end): (u64, u64),
    second: u64,
) -> Result<Sealed, HistoryError> {
    let mut tally = Tally::default();
    let mut lines = [0; 3];
    for (name, bytes) in parts {
        let part = HistoryPart::read(*name, bytes)?;
        for (name, body) in part.bodies() {
            let body = Body::read(body, part.head.pops.len())?;
            let period = start..end;
            let is_within = |row: usize| period.contains(&part.head.begin(body.rows[row].1));
            let mut counters: Vec<Vec<(u16, u64)>> = vec![vec![]; body.rows.len()];
            for column in body.columns() {
                body.read_column(column, |row, value| {
                    if value != 0 && is_within(row) {
                        counters[row].push((column, value));
                    }
                })?;
            }
            for ((pop, _), counters) in body.rows.iter().zip(&counters) {
                add_row(&mut tally, &mut lines, part.head.pops[*pop as usize], name, counters);
            }
        }
    }
    [tally.records, tally.late, tally.overflowed] = lines;
    Ok(Sealed::new(&tally, service_id, second))
}

/// Adds a row, whose columns are in ascending order.
fn add_row(tally: &mut Tally, lines: &mut [u64; 3], pop: &str, name: &str, counters: &[(u16, u64)]) {
    const LIMITS: Limits = Limits { domains: usize::MAX, origins: usize::MAX, addresses: usize::MAX, pops: usize::MAX };
    for (line, column) in lines.iter_mut().zip(LINES) {
        counters.iter().filter(|(other, _)| *other == column).for_each(|(_, value)| add(line, *value));
    }
    let kind = |column: u16| counter_of(column).map(|(kind, _)| kind);
    for counters in counters.chunk_by(|one, other| kind(one.0) == kind(other.0)) {
        // The sum over all names is made of theirs.
        let Some(kind) = kind(counters[0].0).filter(|kind: &Kind| kind.is_channel() == name.is_empty()) else {
            continue;
        };
        let mut encoded = vec![];
        let values = counters.iter().filter_map(|(column, value)| Some((counter_of(*column)?.1, *value)));
        write_counters(&mut encoded, values);
        let pop = tally.pop(pop, &LIMITS);
        tally.add(kind, pop, name.as_bytes(), b"", EncodedCounters::at(&encoded, 0), &LIMITS, || false);
    }
}
