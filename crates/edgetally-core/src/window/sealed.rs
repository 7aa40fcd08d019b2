//! A sealed second of one service: final, small, and the source of its entries.
//!
//! Rows are kept in alphabetical order, their counters in as few bytes as they need. 300 of these stand on the shelf
//! of every service.

use crate::partial::{Encoded, write_counters};
use crate::schema::counters::{CounterSet, Kind};
use crate::window::frozen_rows::Compact;
use crate::window::string_interner::Sorted;
use crate::window::tally::{Limits, RowKey, Rows, Tally, row_key, row_parts};

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
    counters: Compact,
}

impl Sealed {
    pub(crate) fn new(tally: &Tally, service_id: &str, second: u64) -> Self {
        let (pops, pop_places) = tally.pops.sorted();
        let (domains, domain_places) = tally.domains.sorted();
        let (origins, origin_places) = tally.origins.sorted();
        let (addresses, address_places) = tally.addresses.sorted();
        let mut counters = Compact::new();
        let domain_key = |key| {
            let (pop, name, _) = row_parts(key);
            row_key(pop_places[pop as usize], domain_places[name as usize], 0)
        };
        let origin_key = |key| {
            let (pop, name, address) = row_parts(key);
            row_key(pop_places[pop as usize], origin_places[name as usize], address_places[address as usize])
        };
        let domain_rows =
            rows(&mut counters, [(Kind::Delivery, &tally.delivery), (Kind::Compute, &tally.compute)], domain_key);
        let origin_rows = rows(
            &mut counters,
            [(Kind::Origin, &tally.fetched), (Kind::ComputeOrigin, &tally.compute_fetched)],
            origin_key,
        );
        counters.shrink();
        Self {
            service_id: service_id.into(),
            second,
            records: tally.records,
            overflowed: tally.overflowed,
            pops,
            domains,
            origins,
            addresses,
            domain_rows,
            origin_rows,
            counters,
        }
    }

    /// Calls `found` with place and value of the counters of `row`. Returns their places.
    #[inline]
    pub(crate) fn each_counter(&self, row: &Row, found: impl FnMut(usize, u64)) -> CounterSet {
        self.counters.each(row.kind, row.at, found)
    }

    /// The domains that have a row.
    pub(crate) fn domain_names(&self) -> impl Iterator<Item = &str> {
        (0..).take(self.domains.len()).map(|place| self.domains.get(place))
    }

    /// A tally of the same counters, to go on adding.
    pub(crate) fn thaw(&self) -> Tally {
        let limits = Limits { domains: usize::MAX, origins: usize::MAX, addresses: usize::MAX, pops: usize::MAX };
        let mut tally = Tally { records: self.records, overflowed: self.overflowed, ..Tally::default() };
        let mut counters = vec![];
        let mut add = |row: &Row, name: &str, address: &str| {
            let mut found = vec![];
            self.each_counter(row, |place, value| found.push((place, value)));
            counters.clear();
            write_counters(&mut counters, found.into_iter());
            let pop = tally.pop(self.pops.get(row.pop()), &limits);
            tally.add(row.kind, pop, name.as_bytes(), address.as_bytes(), Encoded::at(&counters, 0), &limits, || false);
        };
        for row in &self.domain_rows {
            add(row, self.domains.get(row.name()), "");
        }
        for row in &self.origin_rows {
            add(row, self.origins.get(row.name()), self.addresses.get(row.address()));
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
            + self.counters.size()
    }
}

/// The rows of two kinds in alphabetical order, their counters in the same, so that they are read one after the other.
fn rows<'a>(counters: &mut Compact, kinds: [(Kind, &'a Rows); 2], place: impl Fn(RowKey) -> RowKey) -> Box<[Row]> {
    let place = &place;
    let of = |(kind, rows): (Kind, &'a Rows)| {
        (0..).zip(&rows.keys).map(move |(number, key)| (place(*key), kind, rows, number))
    };
    let mut all: Vec<_> = kinds.into_iter().flat_map(of).collect();
    all.sort_unstable_by_key(|(key, kind, ..)| (*key, *kind));
    let row = |(key, kind, rows, number): (RowKey, Kind, &Rows, u32)| {
        let (places, values) = rows.counters.get(number);
        Row { key, at: counters.push(kind, places, values), kind }
    };
    all.into_iter().map(row).collect()
}
