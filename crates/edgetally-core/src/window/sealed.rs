//! A sealed second of one service: immutable, compact, and the source of its entries.
//!
//! Rows are in alphabetical order, and so are their counters, so that an entry is encoded in one pass. The shelf keeps 300
//! sealed seconds of every service.

use crate::partial::{EncodedCounters, write_counters};
use crate::schema::counters::{CounterSet, Kind};
use crate::window::frozen_rows::FrozenRows;
use crate::window::string_interner::SortedStrings;
use crate::window::tally::{Limits, RowKey, Tally, TallyRows, row_key, row_parts};

/// One row: the ranks of its name, address and POP, and where its counters are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealedRow {
    /// Keys of ranks are ordered like rows in an entry.
    key: RowKey,
    at: u32,
    pub kind: Kind,
}

impl SealedRow {
    /// The rank of its POP.
    pub fn pop(&self) -> u32 {
        row_parts(self.key).0
    }

    /// The rank of its domain, or of the name of its origin.
    pub fn name(&self) -> u32 {
        row_parts(self.key).1
    }

    /// The rank of its address.
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
    /// How many records it has.
    pub records: u64,
    /// How many rows were added under `_other` because of a limit.
    pub overflowed: u64,
    pub(crate) pops: SortedStrings,
    pub(crate) domains: SortedStrings,
    pub(crate) origins: SortedStrings,
    pub(crate) addresses: SortedStrings,
    pub(crate) domain_rows: Box<[SealedRow]>,
    pub(crate) origin_rows: Box<[SealedRow]>,
    counters: FrozenRows,
}

impl Sealed {
    /// Freezes a tally.
    pub(crate) fn new(tally: &Tally, service_id: &str, second: u64) -> Self {
        let (pops, pop_ranks) = tally.pops.sort();
        let (domains, domain_ranks) = tally.domains.sort();
        let (origins, origin_ranks) = tally.origins.sort();
        let (addresses, address_ranks) = tally.addresses.sort();
        let mut counters = FrozenRows::new();
        let domain_key = |key| {
            let (pop, name, _) = row_parts(key);
            row_key(pop_ranks[pop as usize], domain_ranks[name as usize], 0)
        };
        let origin_key = |key| {
            let (pop, name, address) = row_parts(key);
            row_key(pop_ranks[pop as usize], origin_ranks[name as usize], address_ranks[address as usize])
        };
        let domain_rows = freeze_rows(
            &mut counters,
            [(Kind::Delivery, &tally.delivery), (Kind::Compute, &tally.compute)],
            domain_key,
        );
        let origin_rows = freeze_rows(
            &mut counters,
            [(Kind::Origin, &tally.delivery_origins), (Kind::ComputeOrigin, &tally.compute_origins)],
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

    /// Calls `found` with counter and value of every counter of `row`; returns the set of these counters.
    #[inline]
    pub(crate) fn for_each_counter(&self, row: &SealedRow, found: impl FnMut(usize, u64)) -> CounterSet {
        self.counters.for_each(row.kind, row.at, found)
    }

    /// The domains that have a row.
    pub(crate) fn domain_names(&self) -> impl Iterator<Item = &str> {
        (0..).take(self.domains.len()).map(|rank| self.domains.get(rank))
    }

    /// A tally of the same rows, to add to.
    pub(crate) fn thaw(&self) -> Tally {
        let limits = Limits { domains: usize::MAX, origins: usize::MAX, addresses: usize::MAX, pops: usize::MAX };
        let mut tally = Tally { records: self.records, overflowed: self.overflowed, ..Tally::default() };
        let mut counters = vec![];
        let mut add = |row: &SealedRow, name: &str, address: &str| {
            let mut found = vec![];
            self.for_each_counter(row, |counter, value| found.push((counter, value)));
            counters.clear();
            write_counters(&mut counters, found.into_iter());
            let pop = tally.pop(self.pops.get(row.pop()), &limits);
            tally.add(
                row.kind,
                pop,
                name.as_bytes(),
                address.as_bytes(),
                EncodedCounters::at(&counters, 0),
                &limits,
                || false,
            );
        };
        for row in &self.domain_rows {
            add(row, self.domains.get(row.name()), "");
        }
        for row in &self.origin_rows {
            add(row, self.origins.get(row.name()), self.addresses.get(row.address()));
        }
        tally
    }

    /// Memory that this takes, in bytes, approximately.
    #[must_use]
    pub fn size(&self) -> usize {
        let names = [&self.pops, &self.domains, &self.origins, &self.addresses];
        size_of::<Self>()
            + self.service_id.len()
            + names.map(SortedStrings::size).iter().sum::<usize>()
            + (self.domain_rows.len() + self.origin_rows.len()) * size_of::<SealedRow>()
            + self.counters.size()
    }
}

/// The rows of two kinds in alphabetical order, with their counters in the same order. `rank` turns a key of numbers into a
/// key of ranks.
fn freeze_rows<'a>(
    counters: &mut FrozenRows,
    kinds: [(Kind, &'a TallyRows); 2],
    rank: impl Fn(RowKey) -> RowKey,
) -> Box<[SealedRow]> {
    let rank = &rank;
    let ranked = |(kind, rows): (Kind, &'a TallyRows)| {
        (0..).zip(rows.keys.as_slice()).map(move |(number, key)| (rank(*key), kind, rows, number))
    };
    let mut all: Vec<_> = kinds.into_iter().flat_map(ranked).collect();
    all.sort_unstable_by_key(|(key, kind, ..)| (*key, *kind));
    let row = |(key, kind, rows, number): (RowKey, Kind, &TallyRows, u32)| {
        let (set, values) = rows.counters.get(number);
        SealedRow { key, at: counters.push(kind, set, values), kind }
    };
    all.into_iter().map(row).collect()
}
