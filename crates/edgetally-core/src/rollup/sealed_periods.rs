//! Periods as sealed seconds, for rankings and entries.

use std::collections::BTreeMap;

use crate::partial::{EncodedCounters, write_counters};
use crate::rollup::body::Body;
use crate::rollup::columns::{LINES, counter_of};
use crate::rollup::container::HistoryPart;
use crate::rollup::error::HistoryError;
use crate::schema::counters::{Kind, add};
use crate::window::sealed::Sealed;
use crate::window::tally::{Limits, Tally};

/// What parts of domains and of origins have in periods of `step` seconds that begin in `start..end`: each period that has
/// rows as a sealed second, numbered in periods from 1970. Origins have no addresses.
pub fn sealed_periods(
    parts: &[(Option<&str>, &[u8])],
    service_id: &str,
    (start, end): (u64, u64),
    step: u64,
) -> Result<Vec<Sealed>, HistoryError> {
    let mut periods: BTreeMap<u64, (Tally, [u64; 3])> = BTreeMap::new();
    for (name, bytes) in parts {
        let part = HistoryPart::read(*name, bytes)?;
        if step == 0 || !step.is_multiple_of(part.head.step) {
            return Err(HistoryError::UnevenPeriods(part.head.step));
        }
        for (name, body) in part.bodies() {
            let body = Body::read(body, part.head.pops.len())?;
            // The counters of each row that is wanted.
            let is_within = |begin: u64| (start / step * step..end).contains(&begin);
            let mut wanted: Vec<Option<Vec<(u16, u64)>>> =
                body.rows.iter().map(|(_, period)| is_within(part.head.begin(*period)).then(Vec::new)).collect();
            if wanted.iter().all(Option::is_none) {
                continue;
            }
            for column in body.columns() {
                body.read_column(column, |row, value| {
                    if let Some(counters) = &mut wanted[row]
                        && value != 0
                    {
                        counters.push((column, value));
                    }
                })?;
            }
            for ((pop, period), counters) in body.rows.iter().zip(&wanted) {
                let Some(counters) = counters else { continue };
                let (tally, lines) = periods.entry(part.head.begin(*period) / step).or_default();
                add_row(tally, lines, part.head.pops[*pop as usize], name, counters);
            }
        }
    }
    let seal = |(second, (mut tally, lines)): (u64, (Tally, [u64; 3]))| {
        [tally.records, tally.late, tally.overflowed] = lines;
        Sealed::new(&tally, service_id, second)
    };
    Ok(periods.into_iter().map(seal).collect())
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
