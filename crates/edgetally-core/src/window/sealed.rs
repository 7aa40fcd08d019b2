//! A sealed second of one service: immutable, compact, and the source of its entries.
//!
//! Rows are in alphabetical order, and so are their counters, so that an entry is encoded in one pass. The shelf keeps 300
//! sealed seconds of every service.

use std::collections::BTreeMap;

use crate::partial::{EncodedCounters, write_counters};
use crate::schema::counters::{CounterSet, Kind, add};
use crate::window::frozen_rows::FrozenRows;
use crate::window::string_interner::SortedStrings;
use crate::window::tally::{Limits, RowKey, Tally, TallyRows, row_key, row_parts};

/// Rows per POP from which their totals are stored. Fewer are added up when they are asked for.
const MANY: usize = 64;

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
    /// How many of these were late: they belong to seconds that were sealed before.
    pub late: u64,
    /// How many rows were added under `_other` because of a limit.
    pub overflowed: u64,
    pub(crate) pops: SortedStrings,
    pub(crate) domains: SortedStrings,
    pub(crate) origins: SortedStrings,
    pub(crate) addresses: SortedStrings,
    pub(crate) domain_rows: Box<[SealedRow]>,
    pub(crate) origin_rows: Box<[SealedRow]>,
    pub(crate) channel_rows: Box<[SealedRow]>,
    /// The sums of many rows by POP and kind; empty if the rows are few.
    pub(crate) domain_totals: Box<[SealedRow]>,
    pub(crate) origin_totals: Box<[SealedRow]>,
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
        let channel_rows = freeze_rows(
            &mut counters,
            [(Kind::Channel, &tally.channel), (Kind::MissTimes, &tally.miss_times)],
            |key| row_key(pop_ranks[row_parts(key).0 as usize], 0, 0),
        );
        let domain_totals = total_rows(&mut counters, &domain_rows, pops.len());
        let origin_totals = total_rows(&mut counters, &origin_rows, pops.len());
        counters.shrink();
        Self {
            service_id: service_id.into(),
            second,
            records: tally.records,
            late: tally.late,
            overflowed: tally.overflowed,
            pops,
            domains,
            origins,
            addresses,
            domain_rows,
            origin_rows,
            channel_rows,
            domain_totals,
            origin_totals,
            counters,
        }
    }

    /// Takes rows without a name as the sums of all rows, some of which may be missing.
    pub(crate) fn with_totals(mut self) -> Self {
        for (rows, totals, names) in [
            (&mut self.domain_rows, &mut self.domain_totals, &self.domains),
            (&mut self.origin_rows, &mut self.origin_totals, &self.origins),
        ] {
            // The empty name is the first.
            let count = rows.partition_point(|row| names.get(row.name()).is_empty());
            *totals = rows[..count].into();
            *rows = rows[count..].into();
        }
        self
    }

    /// Calls `found` with counter and value of every counter of `row`; returns the set of these counters.
    #[inline]
    pub(crate) fn for_each_counter(&self, row: &SealedRow, found: impl FnMut(usize, u64)) -> CounterSet {
        self.counters.for_each(row.kind, row.at, found)
    }

    /// The same for those of `wanted`.
    #[inline]
    pub(crate) fn for_each_of(&self, row: &SealedRow, wanted: u128, found: impl FnMut(usize, u64)) {
        self.counters.for_each_of(row.kind, row.at, wanted, found);
    }

    /// The domains that have a row.
    pub(crate) fn domain_names(&self) -> impl Iterator<Item = &str> {
        (0..).take(self.domains.len()).map(|rank| self.domains.get(rank))
    }

    /// A tally of the same rows, to add to.
    pub(crate) fn thaw(&self) -> Tally {
        let limits = Limits { domains: usize::MAX, origins: usize::MAX, addresses: usize::MAX, pops: usize::MAX };
        let mut tally =
            Tally { records: self.records, late: self.late, overflowed: self.overflowed, ..Tally::default() };
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
        for row in &self.channel_rows {
            add(row, "", "");
        }
        tally
    }

    /// Memory that this takes, in bytes, approximately.
    #[must_use]
    pub fn size(&self) -> usize {
        let names = [&self.pops, &self.domains, &self.origins, &self.addresses];
        let rows = [&self.domain_rows, &self.origin_rows, &self.channel_rows, &self.domain_totals, &self.origin_totals];
        size_of::<Self>()
            + self.service_id.len()
            + names.map(SortedStrings::size).iter().sum::<usize>()
            + rows.map(|rows| rows.len()).iter().sum::<usize>() * size_of::<SealedRow>()
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

/// The sums of `rows` by POP and kind, if the rows are many.
fn total_rows(counters: &mut FrozenRows, rows: &[SealedRow], pops: usize) -> Box<[SealedRow]> {
    if rows.len() < pops * MANY {
        return Box::default();
    }
    let mut totals: BTreeMap<(u32, Kind), [u64; 128]> = BTreeMap::new();
    for row in rows {
        let total = totals.entry((row.pop(), row.kind)).or_insert([0; 128]);
        counters.for_each(row.kind, row.at, |counter, value| add(&mut total[counter], value));
    }
    let row = |((pop, kind), total): ((u32, Kind), [u64; 128])| {
        let mut set = CounterSet::default();
        for counter in (0..total.len()).filter(|counter| total[*counter] != 0) {
            set[counter / 64] |= 1 << (counter % 64);
        }
        let values: Vec<u64> = total.into_iter().filter(|value| *value != 0).collect();
        SealedRow { key: row_key(pop, 0, 0), at: counters.push(kind, set, &values), kind }
    };
    totals.into_iter().map(row).collect()
}
