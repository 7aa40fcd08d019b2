//! Periods as sealed seconds, for rankings and entries.

use std::collections::{BTreeMap, BTreeSet};

use crate::partial::{EncodedCounters, write_counters};
use crate::ranking::columns::{By, RankingColumns};
use crate::rollup::body::Body;
use crate::rollup::columns::{COLUMNS, LINES, counter_of};
use crate::rollup::container::{Head, HistoryPart};
use crate::rollup::error::HistoryError;
use crate::schema::counters::{Kind, add};
use crate::schema::dataset::Dataset;
use crate::window::sealed::Sealed;
use crate::window::tally::{Limits, Tally};

/// None: what is stored is limited.
const LIMITS: Limits = Limits { domains: usize::MAX, origins: usize::MAX, addresses: usize::MAX, pops: usize::MAX };

/// What of some parts becomes sealed seconds.
#[derive(Debug, Clone)]
pub enum PeriodRows {
    /// Everything.
    All,
    /// Of all names, what they are ordered by.
    Order(Dataset, By),
    /// Everything of these names, and the sums over all names.
    Names(BTreeSet<String>),
}

/// What parts of domains and of origins have in periods of `step` seconds that begin in `start..end`: each period that has
/// rows as a sealed second, numbered in periods from 1970. Origins have no addresses.
pub fn sealed_periods(
    parts: &[(Option<&str>, &[u8])],
    service_id: &str,
    (start, end): (u64, u64),
    step: u64,
    rows: &PeriodRows,
) -> Result<Vec<Sealed>, HistoryError> {
    let has_totals = matches!(rows, PeriodRows::Names(_));
    let order = match rows {
        PeriodRows::Order(dataset, by) => Some(Order::new(*dataset, *by)),
        _ => None,
    };
    let mut adding = AddingPeriods { start, end, step, order, has_totals, periods: BTreeMap::new() };
    for (name, bytes) in parts {
        let part = HistoryPart::read(*name, bytes)?;
        if step == 0 || !step.is_multiple_of(part.head.step) {
            return Err(HistoryError::UnevenPeriods(part.head.step));
        }
        match rows {
            PeriodRows::Names(names) => {
                for name in std::iter::once("").chain(names.iter().map(String::as_str)) {
                    if let Some(body) = part.body(name) {
                        adding.add(&part.head, name, body)?;
                    }
                }
            }
            _ => {
                for (name, body) in part.bodies() {
                    adding.add(&part.head, name, body)?;
                }
            }
        }
    }
    let seal = |(second, (mut tally, lines)): (u64, (Tally, [u64; 3]))| {
        [tally.records, tally.late, tally.overflowed] = lines;
        let sealed = Sealed::new(&tally, service_id, second);
        if has_totals { sealed.with_totals() } else { sealed }
    };
    Ok(adding.periods.into_iter().map(seal).collect())
}

/// How names are ordered.
struct Order {
    /// The only columns that count, in ascending order.
    columns: Vec<u16>,
    /// The kind of rows that have none of them.
    kind: Kind,
}

impl Order {
    fn new(dataset: Dataset, by: By) -> Self {
        let wanted = RankingColumns::of(dataset).of_order(by);
        let is_wanted = |column: &u16| {
            counter_of(*column).is_some_and(|(kind, counter)| {
                kind.is_origin() == (dataset != Dataset::Domains) && wanted.has(kind, counter)
            })
        };
        let columns = (0..).take(COLUMNS).filter(is_wanted).collect();
        let kind = if dataset == Dataset::Domains { Kind::Delivery } else { Kind::Origin };
        Self { columns, kind }
    }
}

/// The periods that parts are added to.
struct AddingPeriods {
    start: u64,
    end: u64,
    step: u64,
    order: Option<Order>,
    /// Whether the sums over all names are rows of their own.
    has_totals: bool,
    /// Rows and lines.
    periods: BTreeMap<u64, (Tally, [u64; 3])>,
}

impl AddingPeriods {
    fn add(&mut self, head: &Head<'_>, name: &str, body: &[u8]) -> Result<(), HistoryError> {
        let body = Body::read(body, head.pops.len())?;
        // The counters of each row that is wanted.
        let is_within = |begin: u64| (self.start / self.step * self.step..self.end).contains(&begin);
        let mut wanted: Vec<Option<Vec<(u16, u64)>>> =
            body.rows.iter().map(|(_, period)| is_within(head.begin(*period)).then(Vec::new)).collect();
        if wanted.iter().all(Option::is_none) {
            return Ok(());
        }
        for (at, (column, _)) in body.columns.iter().enumerate() {
            if self.order.as_ref().is_some_and(|order| order.columns.binary_search(column).is_err()) {
                continue;
            }
            body.read_column_at(at, |row, value| {
                if let Some(counters) = &mut wanted[row]
                    && value != 0
                {
                    counters.push((*column, value));
                }
            })?;
        }
        for ((pop, period), counters) in body.rows.iter().zip(&wanted) {
            let Some(counters) = counters else { continue };
            let (tally, lines) = self.periods.entry(head.begin(*period) / self.step).or_default();
            let pop = head.pops[*pop as usize];
            add_row(tally, lines, pop, name, counters, self.has_totals);
            if let (Some(order), true, false) = (&self.order, counters.is_empty(), name.is_empty()) {
                // The name counts all the same.
                let pop = tally.pop(pop, &LIMITS);
                tally.add(order.kind, pop, name.as_bytes(), b"", EncodedCounters::at(&[], 0), &LIMITS, || false);
            }
        }
        Ok(())
    }
}

/// Adds a row, whose columns are in ascending order.
fn add_row(tally: &mut Tally, lines: &mut [u64; 3], pop: &str, name: &str, counters: &[(u16, u64)], has_totals: bool) {
    for (line, column) in lines.iter_mut().zip(LINES) {
        counters.iter().filter(|(other, _)| *other == column).for_each(|(_, value)| add(line, *value));
    }
    let kind = |column: u16| counter_of(column).map(|(kind, _)| kind);
    for counters in counters.chunk_by(|one, other| kind(one.0) == kind(other.0)) {
        // The sum over all names is made of theirs, if all of them are there.
        let is_shown = |kind: &Kind| has_totals || kind.is_channel() == name.is_empty();
        let Some(kind) = kind(counters[0].0).filter(is_shown) else {
            continue;
        };
        let mut encoded = vec![];
        let values = counters.iter().filter_map(|(column, value)| Some((counter_of(*column)?.1, *value)));
        write_counters(&mut encoded, values);
        let pop = tally.pop(pop, &LIMITS);
        tally.add(kind, pop, name.as_bytes(), b"", EncodedCounters::at(&encoded, 0), &LIMITS, || false);
    }
}
