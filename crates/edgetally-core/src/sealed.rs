//! A sealed second of one service: final, small, and the source of its entries.
//!
//! Rows are kept in alphabetical order, their counters as a partial has them: place and value of those that are not
//! 0, in as few bytes as they need. 300 of these stand on the shelf of every service.

use crate::counter::Kind;
use crate::names::Sorted;
use crate::partial::{Encoded, write_counters};
use crate::tally::{Limits, RowKey, Rows, Tally, row_key, row_parts};

/// One row: its key as places in the sorted names, and where its counters are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Name, address and POP, most significant first, so that rows sort as entries show them.
    key: RowKey,
    at: u32,
    pub kind: Kind,
}

impl Row {
    pub fn pop(&self) -> u32 {
        row_parts(self.key).0
    }

    pub fn name(&self) -> u32 {
        row_parts(self.key).1
    }

    pub fn address(&self) -> u32 {
        row_parts(self.key).2
    }
}

/// One sealed second of one service.
#[derive(Debug)]
pub struct Sealed {
    /// The service.
    pub service_id: Box<str>,
    /// The Unix second, shown as `recorded`.
    pub second: u64,
    /// Records that it holds.
    pub records: u64,
    /// Rows that were added under `_other` for a limit.
    pub overflowed: u64,
    pub(crate) pops: Sorted,
    pub(crate) domains: Sorted,
    pub(crate) origins: Sorted,
    pub(crate) addresses: Sorted,
    pub(crate) domain_rows: Box<[Row]>,
    pub(crate) origin_rows: Box<[Row]>,
    counters: Box<[u8]>,
}

impl Sealed {
    pub(crate) fn new(tally: &Tally, service_id: &str, second: u64) -> Self {
        let (pops, pop_places) = tally.pops.sorted();
        let (domains, domain_places) = tally.domains.sorted();
        let (origins, origin_places) = tally.origins.sorted();
        let (addresses, address_places) = tally.addresses.sorted();
        let mut counters = vec![];
        let domain_key = |key| {
            let (pop, name, _) = row_parts(key);
            row_key(pop_places[pop as usize], domain_places[name as usize], 0)
        };
        let origin_key = |key| {
            let (pop, name, address) = row_parts(key);
            row_key(pop_places[pop as usize], origin_places[name as usize], address_places[address as usize])
        };
        let mut domain_rows = vec![];
        append(&mut domain_rows, &mut counters, Kind::Delivery, &tally.delivery, domain_key);
        append(&mut domain_rows, &mut counters, Kind::Compute, &tally.compute, domain_key);
        let mut origin_rows = vec![];
        append(&mut origin_rows, &mut counters, Kind::Origin, &tally.fetched, origin_key);
        append(&mut origin_rows, &mut counters, Kind::ComputeOrigin, &tally.compute_fetched, origin_key);
        for rows in [&mut domain_rows, &mut origin_rows] {
            rows.sort_unstable_by_key(|row| (row.key, row.kind));
        }
        Self {
            service_id: service_id.into(),
            second,
            records: tally.records,
            overflowed: tally.overflowed,
            pops,
            domains,
            origins,
            addresses,
            domain_rows: domain_rows.into(),
            origin_rows: origin_rows.into(),
            counters: counters.into(),
        }
    }

    /// The counters of `row`.
    pub(crate) fn counters(&self, row: &Row) -> Encoded<'_> {
        Encoded::at(&self.counters, row.at as usize)
    }

    /// The domains that have a row.
    pub(crate) fn domain_names(&self) -> impl Iterator<Item = &str> {
        (0..).take(self.domains.len()).map(|place| self.domains.get(place))
    }

    /// A tally of the same counters, to go on adding.
    pub(crate) fn thaw(&self) -> Tally {
        let limits = Limits { domains: usize::MAX, origins: usize::MAX, addresses: usize::MAX, pops: usize::MAX };
        let mut tally = Tally { records: self.records, overflowed: self.overflowed, ..Tally::default() };
        for row in &self.domain_rows {
            let (pop, name) = (self.pops.get(row.pop()), self.domains.get(row.name()));
            tally.add(row.kind, pop, name, "", self.counters(row), &limits, || false);
        }
        for row in &self.origin_rows {
            let (pop, name) = (self.pops.get(row.pop()), self.origins.get(row.name()));
            tally.add(row.kind, pop, name, self.addresses.get(row.address()), self.counters(row), &limits, || false);
        }
        tally
    }

    /// Bytes that this takes in memory, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let names = [&self.pops, &self.domains, &self.origins, &self.addresses];
        size_of::<Self>()
            + self.service_id.len()
            + names.map(Sorted::size).iter().sum::<usize>()
            + (self.domain_rows.len() + self.origin_rows.len()) * size_of::<Row>()
            + self.counters.len()
    }
}

fn append(sealed: &mut Vec<Row>, bytes: &mut Vec<u8>, kind: Kind, rows: &Rows, place: impl Fn(RowKey) -> RowKey) {
    for (number, key) in (0..).zip(&rows.keys) {
        let at = u32::try_from(bytes.len()).expect("the rows of a second are bounded");
        write_counters(bytes, rows.counters.get(number));
        sealed.push(Row { key: place(*key), at, kind });
    }
}
